from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cts.library.shapes import Part, ball, build, capsule, union
from cts.potential import render, stamp
from cts.scattering import atom_scatterer
from cts.structure import Scatterer, Structure, Submodel

from .structure_samples import REAL, row

KINDS = tuple(
    atom_scatterer(e, angstrom3_per_da=1.21, hydrogens=h) for e, h in (("C", 1), ("N", 1), ("O", 0), ("P", 0))
)


def _globule(seed: int = 0) -> Structure:
    """Return 2,000 atoms packed at random in an ellipsoid of 60 x 40 x 30 Å."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (8000, 3))
    points = points[np.square(points).sum(axis=1) < 1][:2000] * [30, 20, 15] + [4, 0, 0]
    kinds = rng.integers(0, len(KINDS), len(points)).astype(np.int32)
    return Structure("globule", (Submodel("all", "ribosome", points, kinds),), KINDS)


def _transform_of_atoms(structure: Structure, rotation, shift_xyz, k):
    """Return the exact transform of the atoms' potential at wave vectors k (n, 3), cycles/Å: a direct sum."""
    total = np.zeros(len(k), complex)
    for part in structure.submodels:
        positions = part.positions_angstrom @ rotation.T + shift_xyz
        for index, kind in enumerate(structure.scatterers):
            chosen = part.scatterers == index
            phases = np.exp(-2j * np.pi * (k @ positions[chosen].T)) @ part.multiplicities[chosen]
            gaussians = zip(kind.integrals_volt_angstrom3, kind.sigmas_angstrom, strict=True)
            squares = np.square(k).sum(axis=1)
            total += phases * sum(v * np.exp(-2 * np.pi**2 * s**2 * squares) for v, s in gaussians)
    return total


def _transform_of_grid(values, corner, pixel, k):
    """Return the transform of voxels at wave vectors k (n, 3, columns x, y, z)."""
    axes = [
        np.exp(-2j * np.pi * np.outer(k[:, 2 - a] * pixel, np.arange(n) + c))
        for a, (n, c) in enumerate(zip(values.shape, corner, strict=True))
    ]
    return np.einsum("zyx,kz,ky,kx->k", values.astype(float), *axes, optimize=True) * pixel**3


def _directions(count: int, seed: int):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("pixel", [2.0, 3.7, 6.6, 10.0, 14.0, 20.0])
def test_amplitudes_are_those_of_the_atoms_up_to_the_band(pixel):
    structure = _globule()
    rendered = render(structure, pixel)
    for seed in range(2):
        rotation = Rotation.random(random_state=seed).as_matrix()
        shift = np.random.default_rng(seed).uniform(-0.5, 0.5, 3)
        stamped = stamp(rendered, rotation, shift)
        for cycles in (0.05, 0.15, 0.3, 0.4, 0.45):
            k = _directions(150, seed) * cycles / pixel
            found = _transform_of_grid(stamped.potential_volt[0], stamped.corner, pixel, k)
            wanted = _transform_of_atoms(structure, rotation, shift[::-1] * pixel, k)
            power = np.square(np.abs(wanted)).sum()
            assert np.sqrt(np.square(np.abs(found)).sum() / power) == pytest.approx(1, abs=0.03), cycles
            # phases too, where a stamp's finite box leaves some per cent at the very edge of the band
            assert np.square(np.abs(found - wanted)).sum() / power < (0.07 if cycles > 0.4 else 0.04) ** 2, (
                cycles
            )


@pytest.mark.parametrize("pixel", [9.0])
def test_amplitudes_agree_with_a_one_angstrom_rasterisation_cut_to_the_band(pixel):
    structure = build(
        "rod",
        Part("rod", "actin", union(capsule((-30, 0, 0), (30, 10, 0), 14), ball((20, 25, 0), 15)), 70_000),
    )
    rotation = Rotation.random(random_state=7).as_matrix()
    shift = np.array([0.3, -0.2, 0.45])
    size = 128
    axis = np.arange(size) - size // 2
    bead = structure.scatterers[0]
    sigma = bead.sigmas_angstrom[0]
    positions = structure.submodels[0].positions_angstrom @ rotation.T + shift[::-1] * pixel
    in_x, in_y, in_z = (
        np.exp(-((axis - positions[:, [i]]) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        for i in range(3)
    )
    fine = np.array([(in_y * in_z[:, [z]]).T @ in_x for z in range(size)])
    fine *= bead.integrals_volt_angstrom3[0] * structure.submodels[0].multiplicities[0]
    stamped = stamp(render(structure, pixel), rotation, shift)
    for cycles in (0.1, 0.25, 0.45):
        k = _directions(30, 3) * cycles / pixel
        wanted = _transform_of_grid(fine, (-(size // 2),) * 3, 1.0, k)
        found = _transform_of_grid(stamped.potential_volt[0], stamped.corner, pixel, k)
        ratio = np.linalg.norm(found) / np.linalg.norm(wanted)
        assert ratio == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("pixel", [2.0, 8.0, 20.0])
def test_integrals_and_centre_of_mass_survive(pixel):
    structure = _globule(1)
    part = structure.submodels[0]
    rotation = Rotation.from_euler("zyx", [20, 50, -35], degrees=True).as_matrix()
    shift = np.array([0.4, -0.3, 0.1])
    stamped = stamp(render(structure, pixel), rotation, shift)
    integrals = np.array([sum(kind.integrals_volt_angstrom3) for kind in KINDS])[part.scatterers]
    volumes = np.array([kind.volume_angstrom3 for kind in KINDS])[part.scatterers]
    potential, occupancy = stamped.potential_volt[0].astype(float), stamped.occupancy[0].astype(float)
    assert potential.sum() * pixel**3 == pytest.approx(integrals.sum(), rel=0.01)
    assert occupancy.sum() * pixel**3 == pytest.approx(volumes.sum(), rel=0.01)
    assert volumes.sum() == pytest.approx(1.21 * structure.mass_da)
    found = np.array(ndimage.center_of_mass(potential)) + stamped.corner
    centre = rotation @ (integrals @ part.positions_angstrom / integrals.sum())
    np.testing.assert_allclose(found, centre[::-1] / pixel + shift, atol=0.03)


def test_rotation_takes_the_reference_onto_the_particle():
    bead = Scatterer("bead", (1000.0,), (4.0,), 1000.0, 800.0)
    part = Submodel("arm", "actin", np.array([[40.0, 0.0, 0.0]]), np.zeros(1, np.int32))
    rendered = render(Structure("arm", (part,), (bead,)), 5.0)
    quarter_about_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # takes +x onto +y
    stamped = stamp(rendered, quarter_about_z, (0, 0, 0.25))
    peak = np.array(ndimage.center_of_mass(stamped.potential_volt[0])) + stamped.corner
    np.testing.assert_allclose(peak, [0, 8, 0.25], atol=0.02)


def test_submodels_stay_apart_and_add_up():
    whole = _globule()
    part = whole.submodels[0]
    left = part.positions_angstrom[:, 0] < 0
    halves = tuple(
        Submodel(name, name, part.positions_angstrom[side], part.scatterers[side])
        for name, side in (("actin", left), ("cofilactin", ~left))
    )
    rendered = render(Structure("halves", halves, KINDS), 8.0)
    assert rendered.class_names == ("actin", "cofilactin")
    turn = Rotation.random(random_state=3).as_matrix()
    both, one = stamp(rendered, turn, (0, 0, 0)), stamp(render(whole, 8.0), turn, (0, 0, 0))
    np.testing.assert_allclose(both.potential_volt.sum(axis=0), one.potential_volt[0], atol=2e-3)
    assert both.corner == one.corner


def test_weights_count_atoms_in_part():
    half = _globule().submodels[0]
    part = Submodel(
        "half", "actin", half.positions_angstrom, half.scatterers, np.full(len(half.scatterers), 0.5)
    )
    full, thin = (stamp(render(Structure("x", (p,), KINDS), 9.0), np.eye(3), (0, 0, 0)) for p in (half, part))
    np.testing.assert_allclose(thin.potential_volt, full.potential_volt / 2, atol=1e-4)


def test_samples_are_the_values_at_the_grid():
    rendered = render(_globule(), 10.0)
    stamped = stamp(rendered, np.eye(3), (0, 0, 0))
    middle = [(n - 1) // 2 for n in rendered.potential_volt.shape[1:]]
    assert rendered.potential_volt[0][tuple(middle)] == pytest.approx(
        stamped.potential_volt[0][tuple(-c for c in stamped.corner)], rel=1e-4
    )
    assert rendered.occupancy.shape == rendered.potential_volt.shape
    assert all(n % 2 for n in rendered.occupancy.shape[1:])


@pytest.mark.parametrize("pixel", [0.0, -4.0, float("nan")])
def test_refuses_a_pixel_size_that_is_not_positive(pixel):
    with pytest.raises(ValueError, match="pixel size"):
        render(_globule(), pixel)


def test_refuses_an_atom_gone_astray():
    astray = Submodel("all", "ribosome", np.array([[0, 0, 0], [9e4, 9e4, 9e4]]), np.zeros(2, np.int32))
    with pytest.raises(ValueError, match="far: an atom lies 155885 Å from the origin, too far"):
        render(Structure("far", (astray,), KINDS), 10.0)


@pytest.mark.skipif(not REAL.is_dir(), reason="real structures are not at hand")
@pytest.mark.parametrize("name", ["1s3x.pdb.gz", "2cg9.pdb.gz"])
def test_excluded_volume_fills_molecules_without_holes(name):
    from cts.structures import load_structures

    structure = load_structures([row(f"file:{REAL / name}")])["sample"][0]
    occupancy = stamp(render(structure, 3.0), np.eye(3), (0, 0, 0)).occupancy[0]
    filled = occupancy > 0.5
    enclosed = ndimage.binary_fill_holes(filled) & ~filled
    # Hsp90 closes round a real cavity of a few voxels
    assert enclosed.sum() <= 2e-3 * filled.sum()
    assert occupancy.sum() * 27 == pytest.approx(1.21 * structure.mass_da, rel=0.02)
