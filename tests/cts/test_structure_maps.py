from __future__ import annotations

import mrcfile
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cts.potential import render, stamp
from cts.structures import load_structures
from tomoio import write_volume

from .structure_samples import REAL, row

MAPS = REAL.parent / "maps"


def _blob(path, size=40, spacing=6.0):
    """Write a map of an off-centre bent body; return it."""
    z, y, x = np.indices((size, size, size)) - size // 2
    body = (np.square(x / 8) + np.square(y / 5) + np.square(z / 6) < 1) | (
        np.square(x - 9) + y**2 + np.square(z - 4) < 16
    )
    density = ndimage.gaussian_filter(body.astype(np.float32), 1.2) * 3 + 1.5
    write_volume(path, density, spacing)
    return density


@pytest.mark.parametrize("pixel", [4.0, 6.0, 11.0])
def test_map_is_resampled_to_any_pixel_size(tmp_path, pixel):
    density = _blob(tmp_path / "blob.mrc")
    (structure,) = load_structures([row(f"file:{tmp_path / 'blob.mrc'}")])["sample"]
    stamped = stamp(render(structure, pixel), np.eye(3), (0, 0, 0))
    potential = stamped.potential_volt[0]
    above = density - 1.5
    contour = above > 1.5
    scale = 8.0 / above[contour].mean()
    assert potential.sum() * pixel**3 == pytest.approx(scale * above.sum() * 6.0**3, rel=0.05)
    # the middle of the body has its plateau whatever the pixel size
    assert potential.max() == pytest.approx(scale * above.max(), rel=0.1)
    assert stamped.occupancy.sum() * pixel**3 == pytest.approx(structure.mass_da * 1.21, rel=0.01)


def test_map_at_its_own_pixel_size_comes_back(tmp_path):
    density = _blob(tmp_path / "blob.mrc")
    (structure,) = load_structures([row(f"file:{tmp_path / 'blob.mrc'}")])["sample"]
    stamped = stamp(render(structure, 6.0), Rotation.from_euler("z", 90, degrees=True).as_matrix(), (0, 0, 0))
    turned = np.rot90(density, -1, axes=(1, 2))  # takes +x onto +y, as the rotation does
    cut = stamped.potential_volt[0]
    best = max(
        np.corrcoef(cut.ravel(), window.ravel())[0, 1]
        for window in _windows(np.pad(turned - 1.5, 14), cut.shape)
    )
    assert best > 0.98


def _windows(volume, shape):
    centre = np.round(np.array(ndimage.center_of_mass(volume)) - np.array(shape) / 2 + 0.5).astype(int)
    for offset in np.ndindex(3, 3, 3):
        start = np.maximum(centre + np.array(offset) - 1, 0)
        window = volume[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))]
        if window.shape == shape:
            yield window


def test_map_without_matter_or_voxel_size_is_refused(tmp_path):
    write_volume(tmp_path / "flat.mrc", np.zeros((8, 8, 8), np.float32), 5.0)
    with pytest.raises(ValueError, match=r"flat\.mrc: no density"):
        load_structures([row(f"file:{tmp_path / 'flat.mrc'}")])


@pytest.mark.skipif(not MAPS.is_dir(), reason="real maps are not at hand")
def test_ribosome_map_has_about_its_mass():
    (structure,) = load_structures([row(f"file:{MAPS / 'polnet_10A_6qzp.mrc'}")])["sample"]
    assert 2.5e6 < structure.mass_da < 6e6
    assert 110 < structure.radius_angstrom < 220


def test_a_map_without_voxel_size_is_refused(tmp_path):
    with mrcfile.new(tmp_path / "bare.mrc") as mrc:
        mrc.set_data(np.random.default_rng(0).random((9, 9, 9)).astype(np.float32))
    with pytest.raises(ValueError, match=r"bare\.mrc: no voxel size in its header; wanted a map"):
        load_structures([row(f"file:{tmp_path / 'bare.mrc'}")])


@pytest.mark.parametrize("placement", ["filament", "microtubule", "membrane"])
def test_maps_that_need_a_direction_keep_the_middle_of_their_box(tmp_path, placement):
    density = _blob(tmp_path / "blob.mrc")
    helix = {"twist_deg": 30, "rise_angstrom": 50, "persistence_length_um": 10, "length_nm": (50, 100)}
    values = {} if placement == "membrane" else helix
    (structure,) = load_structures([row(f"file:{tmp_path / 'blob.mrc'}", placement=placement, **values)])[
        "sample"
    ]
    points, weights = (structure.submodels[0].positions_angstrom, structure.submodels[0].multiplicities)
    room = structure.submodels[0].scatterers == 1
    centre = weights[room] @ points[room] / weights[room].sum()
    above = density - 1.5
    wanted = (np.array(ndimage.center_of_mass(above > 1.5)) - 19.5)[::-1] * 6.0
    np.testing.assert_allclose(centre, wanted, atol=1.5)
    assert np.linalg.norm(centre) > 5


@pytest.mark.parametrize("values", [{"assembly": "1"}, {"chains": (("A",),)}, {"conformers": ("models",)}])
def test_wishes_that_only_atoms_can_meet_are_refused_for_maps(tmp_path, values):
    _blob(tmp_path / "blob.mrc")
    with pytest.raises(ValueError, match=rf"blob\.mrc: {next(iter(values))}.* is given for a map"):
        load_structures([row(f"file:{tmp_path / 'blob.mrc'}", **values)])
