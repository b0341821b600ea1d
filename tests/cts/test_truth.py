"""Lists in RELION's columns mean what the convention says."""

from __future__ import annotations

import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from cts.canvas import Canvas
from cts.filament import FilamentPoint, PlacedFilament
from cts.placement import Placed, Pose, add_poses, make_body, random_rotation
from cts.potential import render
from cts.truth import (
    FILAMENT_COLUMNS,
    PARTICLE_COLUMNS,
    filament_table,
    particle_table,
    relion_angles,
    rotation_of,
    write_star,
)
from tests.cts.bodies import BEAD_INTEGRAL, BEAD_SIGMA_ANGSTROM, L_SHAPE, beads

SHAPE = (20, 30, 40)
PIXEL = 10.0


def _placed(position, rotation, instance=1):
    return Placed("body", 0, (0,), "ribosome", np.asarray(position, float), rotation, instance)


def test_the_literal_example_of_the_convention():
    """rot 30, tilt 40, psi 50: the long arm (z) of an L-shaped body points to a known direction."""
    rotation = rotation_of(np.array([[30.0, 40.0, 50.0]]))[0]
    expected = Rotation.from_euler("ZYZ", [30, 40, 50], degrees=True).inv().as_matrix()
    np.testing.assert_allclose(rotation, expected, atol=1e-12)
    # by hand: z goes to (-sin 40 cos 50, sin 40 sin 50, cos 40), for the inverse takes psi first, negative
    sin40, cos40 = np.sin(np.deg2rad(40)), np.cos(np.deg2rad(40))
    by_hand = [-sin40 * np.cos(np.deg2rad(50)), sin40 * np.sin(np.deg2rad(50)), cos40]
    np.testing.assert_allclose(rotation @ [0, 0, 1], by_hand, atol=1e-12)


def test_angles_go_there_and_back_at_the_poles_too():
    rng = np.random.default_rng(0)
    rotations = np.array(
        [*(random_rotation(rng) for _ in range(50)), np.eye(3), Rotation.from_euler("x", np.pi).as_matrix()]
    )
    np.testing.assert_allclose(rotation_of(relion_angles(rotations)), rotations, atol=1e-9)
    assert relion_angles(np.empty((0, 3, 3))).shape == (0, 3)


def test_coordinates_are_from_the_centre_in_angstrom():
    table = particle_table(
        [_placed((9.5, 14.5, 19.5), np.eye(3)), _placed((0, 1, 2), np.eye(3))], "t", SHAPE, 10.0
    )
    columns = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    np.testing.assert_allclose(table[columns], [[0, 0, 0], [-175, -135, -95]])
    assert tuple(table.columns) == PARTICLE_COLUMNS


def test_an_l_shaped_body_lies_where_its_row_says(tmp_path):
    """The model against a sum of Gaussians at positions that are computed from the STAR file alone."""
    canvas = Canvas((40, 44, 48), PIXEL, (False, False, False))
    rng = np.random.default_rng(4)
    rotation, position = random_rotation(rng), np.array([19.3, 22.2, 23.8])
    body = make_body(render(beads("body", ("ribosome", L_SHAPE)), PIXEL))
    instance = add_poses(canvas, [Pose(body, position, rotation)], 1.0)
    write_star(
        tmp_path / "particles.star",
        particle_table([_placed(position, rotation, instance)], "t", canvas.shape, PIXEL),
        "particles",
    )
    row = starfile.read(tmp_path / "particles.star").iloc[0]
    angles = [row[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")]
    turn = Rotation.from_euler("ZYZ", angles, degrees=True).inv()
    atoms = turn.apply(L_SHAPE) + [row[f"rlnCenteredCoordinate{axis}Angst"] for axis in "XYZ"]
    z, y, x = ((np.arange(size) - (size - 1) / 2) * PIXEL for size in canvas.shape)
    grid = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    squares = ((grid[..., None, :] - atoms) ** 2).sum(axis=-1)
    density = BEAD_INTEGRAL / (2 * np.pi * BEAD_SIGMA_ANGSTROM**2) ** 1.5
    expected = density * np.exp(-squares / (2 * BEAD_SIGMA_ANGSTROM**2)).sum(axis=-1)
    np.testing.assert_allclose(canvas.potential, expected, atol=0.04 * expected.max())


def test_star_files_read_back_whole_and_empty(tmp_path):
    points = tuple(
        FilamentPoint("actin", "actin", (0,), np.array([5.0, 6, 7 + k]), np.eye(3), 28.0 * k, 0)
        for k in range(3)
    )
    table = filament_table([PlacedFilament(7, 0, points)], "t", SHAPE, 10.0)
    write_star(tmp_path / "filaments.star", table, "particles")
    read = starfile.read(tmp_path / "filaments.star")
    assert tuple(read.columns) == FILAMENT_COLUMNS
    assert read["rlnHelicalTubeID"].tolist() == [1, 1, 1]
    assert read["neuralsegInstanceID"].tolist() == [7, 7, 7]
    assert read["rlnHelicalTrackLengthAngst"].tolist() == [0, 28, 56]
    write_star(tmp_path / "none.star", particle_table([], "t", SHAPE, 10.0), "particles")
    assert len(starfile.read(tmp_path / "none.star")) == 0
    with pytest.raises(FileExistsError):
        write_star(tmp_path / "none.star", table, "particles")
