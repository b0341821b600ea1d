"""Where corrections would help most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.rounds.descriptors import novelty
from segnet.rounds.maps import as_probability, measure_tomogram
from segnet.rounds.propose import propose_regions, write_proposals
from segnet.rounds.regions import Region, read_regions, shared_voxels
from segnet.rounds.tomograms import TomogramRow
from segnet.rounds.windows import overlap_fractions, window_grid, window_sums
from tests.segnet.rounds.conftest import CLASSES
from tomoio import read_class_table, write_labels, write_volume

CLASS_TABLE = read_class_table(CLASSES)
SHAPE = (24, 96, 110)
CROP = CropConfig(size_voxels=(8, 32, 32))
SETTINGS = ProposalConfig(n_regions=3, binning=4)


def _write(folder: Path, name: str, labels, uncertainty, image=None) -> TomogramRow:
    noise = np.random.default_rng(0).normal(size=labels.shape).astype(np.float32)
    write_volume(folder / f"{name}.mrc", noise if image is None else image, 10.0)
    write_labels(folder / "seg" / f"{name}_labels.mrc", labels, 10.0)
    write_volume(folder / "seg" / f"{name}_uncertainty.mrc", uncertainty.astype(np.float32), 10.0)
    return TomogramRow(name, folder / f"{name}.mrc")


def _quiet():
    return np.zeros(SHAPE, np.uint8), np.full(SHAPE, 0.01, np.float32)


def _propose(folder, rows, **settings):
    config = SETTINGS.model_copy(update=settings)
    return propose_regions(rows, folder / "seg", CLASS_TABLE, "1.1", config, CROP)


def test_window_sums_are_those_of_the_voxels():
    """Against slicing, with sizes that are no multiples of the cubes."""
    cubes = np.random.default_rng(1).random((2, 6, 24, 28))
    grid = window_grid((23, 95, 110), (8, 32, 48), 4, 0.25)
    sums = window_sums(cubes, grid)
    for number in (0, len(grid) // 2, len(grid) - 1):
        low, high = grid.cube_starts[number], grid.cube_stops[number]
        window = cubes[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        np.testing.assert_allclose(sums[:, number], window.sum(axis=(1, 2, 3)))


def test_windows_reach_both_ends_and_stay_inside():
    grid = window_grid((23, 95, 30), (8, 32, 48), 4, 0.25)
    assert grid.size == (8, 32, 30)
    assert grid.starts.min() == 0
    np.testing.assert_array_equal(grid.starts.max(axis=0) + grid.size, [23, 95, 30])


def test_overlap_by_hand():
    grid = window_grid((8, 64, 64), (8, 32, 32), 8, 1.0)
    overlaps = overlap_fractions(grid, (0, 0, 16), (8, 32, 32))
    np.testing.assert_allclose(overlaps, [0.5, 0.5, 0, 0])


def test_the_window_with_the_doubt_comes_first(tmp_path):
    labels, uncertainty = _quiet()
    labels[8:16, 32:64, 64:96] = 3
    uncertainty[8:16, 32:64, 64:96] = 0.8
    (first, *_) = _propose(tmp_path, [_write(tmp_path, "a", labels, uncertainty)])
    assert first.region.start == (8, 32, 64)
    assert first.region.size == (8, 32, 32)
    assert first.region.region_id.startswith("1.1-")
    assert "actin" in first.region.reason
    assert first.expected_error == pytest.approx(0.64, abs=0.01)


def test_a_small_class_counts_as_much_as_a_large_one(tmp_path):
    """Half of a rare class in doubt goes before the same number of doubtful voxels of a common one."""
    labels, uncertainty = _quiet()
    labels[:, :32] = 1
    uncertainty[0:8, 0:32, 0:32] = 0.2
    labels[16:24, 64:96, 64:70] = 6
    uncertainty[16:24, 64:96, 64:70] = 0.8
    (first, *_) = _propose(tmp_path, [_write(tmp_path, "a", labels, uncertainty)], broken_weight=0)
    assert shared_voxels(first.region, Region("1", "x", "a", 16, 64, 64, 8, 32, 6)) == 8 * 32 * 6


def test_regions_do_not_overlap_and_avoid_what_is_corrected(tmp_path):
    labels, uncertainty = _quiet()
    uncertainty += np.random.default_rng(2).random(SHAPE).astype(np.float32) * 0.2
    row = _write(tmp_path, "a", labels, uncertainty)
    corrected = Region("1.1", "old", "a", 0, 0, 0, 24, 96, 50)
    config = SETTINGS.model_copy(update={"n_regions": 50})
    found = propose_regions([row], tmp_path / "seg", CLASS_TABLE, "1.2", config, CROP, avoid=[corrected])
    regions = [proposal.region for proposal in found]
    assert len(regions) > 3
    for number, one in enumerate(regions):
        assert shared_voxels(one, replace(corrected, tomogram_id="a")) == 0
        assert not any(shared_voxels(one, other) for other in regions[:number])


@pytest.mark.parametrize(("corrected", "expected"), [((0, 0, 0), 6), ((0, 64, 64), 5)])
def test_a_class_that_is_not_corrected_yet_goes_first(tmp_path, corrected, expected):
    """Two classes in the same doubt, each in two places, one of which is corrected."""
    labels, uncertainty = _quiet()
    labels[0:8, 0:32, 0:32] = labels[16:24, 0:32, 0:32] = 5
    labels[0:8, 64:96, 64:96] = labels[16:24, 64:96, 64:96] = 6
    uncertainty[labels > 0] = 0.5
    row = _write(tmp_path, "a", labels, uncertainty)
    box = Region("1.1", "old", "a", *corrected, 8, 32, 32)
    config = SETTINGS.model_copy(update={"novelty_weight": 0.0})
    first = propose_regions([row], tmp_path / "seg", CLASS_TABLE, "1.2", config, CROP, avoid=[box])[0].region
    z, y, x = first.start
    assert expected in labels[z : z + 8, y : y + 32, x : x + 32]
    assert 11 - expected not in labels[z : z + 8, y : y + 32, x : x + 32]


def test_regions_are_spread_over_tomograms(tmp_path):
    labels, uncertainty = _quiet()
    uncertainty[:, :, :] = 0.4
    rows = [_write(tmp_path, name, labels, uncertainty) for name in ("a", "b", "c")]
    chosen = [proposal.region.tomogram_id for proposal in _propose(tmp_path, rows)]
    assert sorted(chosen) == ["a", "b", "c"]


def test_the_reason_names_the_classes_that_a_region_shows(tmp_path):
    labels, uncertainty = _quiet()
    labels[8:16, 32:64, 64:96] = 3
    (first, *_) = _propose(tmp_path, [_write(tmp_path, "a", labels, uncertainty)])
    assert "shows actin (" in first.region.reason


def test_a_region_unlike_the_others_says_so(tmp_path):
    labels, uncertainty = _quiet()
    uncertainty[:] = 0.4
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    image[8:16, 32:64, 32:64] += 4
    first, second, _ = _propose(tmp_path, [_write(tmp_path, "a", labels, uncertainty, image)])
    assert "unlike" not in first.region.reason  # there is nothing yet to be unlike
    assert "unlike the training data and the regions above" in second.region.reason
    assert shared_voxels(second.region, Region("1.1", "box", "a", 8, 32, 32, 8, 32, 32)) > 4000


def test_a_network_that_found_nothing_is_named(tmp_path, caplog):
    row = _write(tmp_path, "a", *_quiet())
    assert len(_propose(tmp_path, [row])) == 3
    assert "labelled no object in any of 1 tomograms" in caplog.text


def test_disagreement_of_networks_is_found(tmp_path):
    labels, uncertainty = _quiet()
    row = _write(tmp_path, "a", labels, uncertainty)
    rival = labels.copy()
    rival[0:8, 64:96, 0:32] = 2
    write_labels(tmp_path / "other" / "a_labels.mrc", rival, 10.0)
    found = propose_regions(
        [row], tmp_path / "seg", CLASS_TABLE, "1.1", SETTINGS, CROP, others=[tmp_path / "other"]
    )
    assert found[0].region.start == (0, 64, 0)
    assert "networks disagree on 100.0%" in found[0].region.reason


@pytest.mark.parametrize("given", ["other", "other/b_labels.mrc"])
def test_another_network_need_not_have_segmented_every_tomogram(tmp_path, given):
    labels, uncertainty = _quiet()
    rows = [_write(tmp_path, name, labels, uncertainty) for name in "ab"]
    rival = labels.copy()
    rival[0:8, 64:96, 0:32] = 2
    write_labels(tmp_path / "other" / "b_labels.mrc", rival, 10.0)
    others = [tmp_path / given]
    found = propose_regions(rows, tmp_path / "seg", CLASS_TABLE, "1.1", SETTINGS, CROP, others=others)
    assert (found[0].region.tomogram_id, found[0].region.start) == ("b", (0, 64, 0))
    assert "networks disagree on 100.0%" in found[0].region.reason


def test_another_network_of_no_tomogram_is_refused(tmp_path):
    row = _write(tmp_path, "a", *_quiet())
    with pytest.raises(
        FileNotFoundError, match=r"typo: no labels of a; wanted a folder with .* a_labels.mrc"
    ):
        propose_regions(
            [row], tmp_path / "seg", CLASS_TABLE, "1.1", SETTINGS, CROP, others=[tmp_path / "typo"]
        )


def test_short_pieces_of_filaments_are_found_and_long_ones_are_not(tmp_path):
    labels, uncertainty = _quiet()
    labels[4, 8, :] = 3  # 1,100 Å in one piece
    for start in range(34, 62, 12):
        labels[12, 80, start : start + 4] = 3  # 40 Å pieces
    row = _write(tmp_path, "a", labels, uncertainty)
    (first, *_) = _propose(
        tmp_path,
        [row],
        error_weight=0.0,
        coverage_weight=0.0,
        novelty_weight=0.0,
        short_piece_angstrom=300,
    )
    assert first.region.z_start <= 12 < first.region.z_start + 8
    assert first.region.y_start <= 80 < first.region.y_start + 32
    assert "actin in short pieces" in first.region.reason


def test_probabilities_give_the_expected_errors_by_hand(tmp_path):
    """One voxel in doubt: actin 0.6, microtubule 0.3, labelled actin."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = 3
    row = _write(tmp_path, "a", labels, np.zeros(labels.shape))
    for entry in CLASS_TABLE:
        p = np.zeros(labels.shape, np.float32)
        p[0, 0, 0] = {"actin": 0.6, "microtubule": 0.3}.get(entry.name, 0.0)
        write_volume(tmp_path / "seg" / f"a_probability_{entry.name}.mrc", p, 10.0)
    maps = measure_tomogram(row, tmp_path / "seg", CLASS_TABLE, 4)
    assert maps.error.sum() == pytest.approx(0.4)
    assert maps.lost[3].sum() == pytest.approx(0.4)
    assert maps.lost[2].sum() == pytest.approx(0.3)
    assert maps.mass[3].sum() == pytest.approx(1.6)
    assert maps.confusion.sum() == pytest.approx(0.3)


def test_stored_integers_are_shares_of_their_largest_value():
    np.testing.assert_allclose(as_probability(np.array([0, 127], np.int8)), [0, 1])
    np.testing.assert_allclose(as_probability(np.array([0.25], np.float16)), [0.25])


def test_novelty_is_nought_for_the_known():
    known = np.array([[1.0, 2.0]])
    spread = np.ones(2)
    np.testing.assert_allclose(novelty(np.array([[1.0, 2.0], [4.0, 6.0]]), known, spread)[0], 0)
    assert novelty(np.array([[4.0, 6.0]]), known, spread)[0] == pytest.approx(
        np.sqrt(12.5) / (1 + np.sqrt(12.5))
    )


def test_a_segmentation_without_uncertainty_says_what_to_do(tmp_path):
    labels, uncertainty = _quiet()
    row = _write(tmp_path, "a", labels, uncertainty)
    (tmp_path / "seg" / "a_uncertainty.mrc").unlink()
    with pytest.raises(FileNotFoundError, match="uncertainty: true"):
        _propose(tmp_path, [row])


def test_table_and_pictures(tmp_path):
    labels, uncertainty = _quiet()
    labels[8:16, 32:64, 64:96] = 3
    row = _write(tmp_path, "a", labels, uncertainty)
    found = _propose(tmp_path, [row], n_regions=1)
    write_proposals(tmp_path / "out" / "regions.tsv", found, [row], tmp_path / "seg", CLASS_TABLE)
    assert read_regions(tmp_path / "out" / "regions.tsv") == (found[0].region,)
    picture = tmp_path / "out" / "regions" / f"{found[0].region.region_id}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError):
        write_proposals(tmp_path / "out" / "regions.tsv", found, [row], tmp_path / "seg", CLASS_TABLE)
