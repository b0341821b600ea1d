"""Simulated microtubules against real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, shift
from scipy.spatial.transform import Rotation

from cts.canvas import Canvas
from cts.config.structures import read_structure_table
from cts.library import BUILTIN
from cts.placement import Pose, add_poses, make_body
from cts.potential import render
from cts.specimen import make_repeat
from tomoio import read_class_table

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "microtubules"
PIXEL = 10.52
# how far the tubes lean in x from slice to slice of y, and where they stand in the middle (z, x), voxels:
# found by maximising the contrast of the sheared mean, and of a ring
LEAN = {13: (-0.3125, (17.5, 51.5)), 14: (-0.2875, (23.0, 46.0))}


def _wall_radius_angstrom(section, centre, radii_angstrom, lean=0.0):
    """Return the mean radius of the walls at the sides (x), weighted by their contrast.

    Top and bottom are left out: the missing wedge draws them out. A leaning tube is cut obliquely, which
    makes it wider by sqrt(1 + lean²).
    """
    z, x = np.indices(section.shape)
    dz, dx = z - centre[0], (x - centre[1]) / np.sqrt(1 + lean**2)
    radius, side = np.hypot(dz, dx) * PIXEL, np.abs(dz) < np.abs(dx)
    profile = np.array([section[(np.abs(radius - r) < PIXEL / 2) & side].mean() for r in radii_angstrom])
    weight = np.maximum(profile - 0.3 * profile.max(), 0)
    return float((weight * radii_angstrom).sum() / weight.sum())


def _real_section(protofilaments):
    tifffile = pytest.importorskip("tifffile")
    path = REAL / f"{protofilaments}pf_MT.tif"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    volume = tifffile.imread(path).astype(np.float32)
    lean, centre = LEAN[protofilaments]
    middle = volume.shape[1] / 2
    slices = [
        shift(volume[:, y], (0, -(y - middle) * lean), order=1, mode="nearest")
        for y in range(volume.shape[1])
    ]
    section = np.mean(slices, axis=0)
    return section - np.median(section), centre, lean


def _simulated(protofilaments):
    """Return a canvas with a tube along y, and its axis."""
    classes = read_class_table(ROOT / "config" / "classes.tsv")
    rows = {
        row.structure_id: row for row in read_structure_table(ROOT / "config" / "structures.tsv", classes)
    }
    body = make_body(render(BUILTIN["tubulin_dimer"](), PIXEL))
    repeat = make_repeat(rows["microtubule"], (body,), protofilaments)
    canvas = Canvas((44, 60, 60), PIXEL, (False, False, False))
    along_y = Rotation.from_euler("x", -90, degrees=True).as_matrix()
    centre = np.array([21.5, 29.5, 29.5])
    poses = []
    for unit in range(-5, 6):
        frame = along_y @ Rotation.from_euler("z", repeat.twist_deg * unit, degrees=True).as_matrix()
        for turn, place in zip(repeat.rotations, repeat.positions_angstrom, strict=True):
            offset = frame @ place + along_y @ [0, 0, unit * repeat.rise_angstrom]
            poses.append(Pose(body, centre + offset[::-1] / PIXEL, frame @ turn))
    assert add_poses(canvas, poses, 1.0) == 1
    return canvas, centre[[0, 2]]


def _simulated_section(protofilaments):
    canvas, centre = _simulated(protofilaments)
    return canvas.potential[:, 15:45].mean(axis=1), centre


@pytest.mark.parametrize("protofilaments", [13, 14])
def test_walls_are_where_those_of_real_microtubules_are(protofilaments):
    radii = np.arange(60.0, 160.0, PIXEL / 2)
    section, centre, lean = _real_section(protofilaments)
    real = _wall_radius_angstrom(section, centre, radii, lean)
    simulated = _wall_radius_angstrom(*_simulated_section(protofilaments), radii)
    assert simulated == pytest.approx(real, rel=0.06)


def test_the_section_shows_as_many_protofilaments():
    section, centre = _simulated_section(13)
    z, x = np.indices(section.shape)
    ring = np.abs(np.hypot(z - centre[0], x - centre[1]) * PIXEL - 106) < 12
    angle = np.arctan2(z - centre[0], x - centre[1])[ring]
    powers = [abs((section[ring] * np.exp(-1j * order * angle)).sum()) for order in range(5, 20)]
    assert int(np.argmax(powers)) + 5 == 13


@pytest.mark.parametrize(
    ("radius_angstrom", "from_5ij0"), [(100, 0.93), (106, 0.89), (112, 0.76), (118, 0.56)]
)
def test_the_wall_is_as_continuous_as_one_of_tubulin(radius_angstrom, from_5ij0):
    """Share of a cylinder in the wall that is at least half filled, against a wall built from PDB 5IJ0."""
    canvas, centre = _simulated(13)
    angle, y = np.meshgrid(np.linspace(0, 2 * np.pi, 720), np.arange(15, 45), indexing="ij")
    z, x = (
        middle + radius_angstrom / PIXEL * turn(angle)
        for middle, turn in zip(centre, (np.sin, np.cos), strict=True)
    )
    filled = map_coordinates(canvas.occupancy, [z, y, x], order=1) >= 0.5
    assert filled.mean() == pytest.approx(from_5ij0, abs=0.07)
