"""Carbon, gold and surface ice; drawing of a configuration; which values are refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from cts.bead import add_beads, add_contamination
from cts.canvas import Canvas
from cts.carbon import add_carbon
from cts.config.specimen import BeadConfig, CarbonConfig, ContaminationConfig, SpecimenConfig
from cts.species import draw_configuration
from tomoio.config import parse_config

LABELS = {"background": 0, "membrane": 1, "carbon": 7, "gold": 8}


def _canvas():
    return Canvas((40, 100, 120), 10.0, (True, False, False))


def _finish(canvas):
    ice = np.full(canvas.shape, 4.6, np.float32)
    return canvas.finish(ice, LABELS, LABELS["membrane"], 0.5)


def test_a_carbon_film_reaches_in_from_one_side_at_its_potential_and_thickness():
    canvas = _canvas()
    add_carbon(canvas, CarbonConfig(thickness_angstrom=150.0, share=0.25), np.random.default_rng(0))
    model, atlas, _ = _finish(canvas)
    film = atlas == LABELS["carbon"]
    assert model[film].mean() == pytest.approx(12, rel=0.08)
    columns = film.sum(axis=0)
    assert np.median(columns[columns > 0]) == pytest.approx(15, abs=1)
    # a straight edge a quarter of the width in covers from an eighth (corners) to a quarter of the field
    assert 0.08 < np.mean(columns > 0) < 0.35
    assert model[~film].min() > 4.5


def test_gold_beads_are_round_heavy_and_labelled():
    canvas = _canvas()
    beads = add_beads(canvas, BeadConfig(radius_angstrom=50.0), 4, 100, 0.02, np.random.default_rng(1))
    model, atlas, instances = _finish(canvas)
    assert len(beads) == 4
    gold = atlas == LABELS["gold"]
    sizes = [np.count_nonzero(instances == bead.instance) for bead in beads]
    assert np.median(sizes) == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.15)
    assert np.percentile(model[gold], 90) == pytest.approx(30, rel=0.03)
    centres = [np.argwhere(instances == bead.instance).mean(axis=0) for bead in beads]
    inside = [
        k
        for k, bead in enumerate(beads)
        if (np.abs(bead.position_zyx - [19.5, 49.5, 59.5]) < [99, 43, 53]).all()
    ]
    assert inside
    for k in inside:
        np.testing.assert_allclose(centres[k], beads[k].position_zyx, atol=0.5)


def test_surface_ice_is_background_and_leaves_what_is_there():
    canvas = _canvas()
    add_beads(canvas, BeadConfig(radius_angstrom=50.0), 6, 100, 0.02, np.random.default_rng(2))
    before = canvas.occupancy.copy()
    add_contamination(canvas, ContaminationConfig(radius_angstrom=200.0), 4, np.random.default_rng(3))
    model, atlas, _ = _finish(canvas)
    assert set(np.unique(atlas)) == {LABELS["background"], LABELS["gold"]}
    assert np.maximum(canvas.occupancy, before).max() < 1.02
    lumps = (canvas.occupancy > 0.9) & (before < 0.01)
    assert lumps[[0, -1]].any()
    assert model[lumps].mean() == pytest.approx(6.5, rel=0.02)


def test_a_lump_of_ice_far_larger_than_the_field_costs_no_more_than_the_field():
    canvas = _canvas()
    tracemalloc.start()
    add_contamination(canvas, ContaminationConfig(radius_angstrom=5000.0), 1, np.random.default_rng(3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * canvas.code.size
    assert canvas.filled_fraction > 0.5


def test_a_configuration_is_drawn_the_same_from_the_same_seed():
    config = parse_config(
        {"shape_voxels": [[40, 60], 100, 100], "density": {"choice": [0.3, 0.5]}}, SpecimenConfig, "c"
    )
    first, again, other = (draw_configuration(config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert 12 <= first.pixel_size_angstrom <= 14
    assert 40 <= first.shape_voxels[0] <= 60
    assert isinstance(first.shape_voxels[0], int)
    assert first.density in (0.3, 0.5)
    # what is drawn for each membrane keeps its range
    assert first.membranes == config.membranes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pixel_size_angstrom": 0.5}, "pixel_size_angstrom: wanted 1 to 40 .found 0.5."),
        ({"pixel_size_angstrom": [14, 12]}, "wanted .low, high."),
        ({"shape_voxels": [4, 100, 100]}, "z of 4 to 4; wanted 8 to 8192"),
        ({"density": 1.2}, "density"),
        ({"constraint": "sidez"}, "constraint"),
        (
            {"layers": [{"name": "a", "atempts": 3}]},
            "layers.0.atempts: unknown key; wanted one of name, role",
        ),
        ({"filaments": [{"count": 3}]}, "filaments.0.structure"),
        ({"membranes": [{"kind": "cube"}]}, "membranes.0.kind"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        parse_config(values, SpecimenConfig, "test.yaml")


@pytest.mark.parametrize(("threshold", "labelled"), [(0.3, [False, True, True]), (0.5, [False, False, True])])
def test_a_label_begins_where_the_threshold_share_of_a_voxel_is_filled(threshold, labelled):
    canvas = Canvas((8, 8, 8), 10.0, (False, False, False))
    share = np.array([0.28, 0.32, 0.52], np.float32).reshape(1, 1, 1, 3)
    canvas.add(share * 8, share, (4, 4, 2), ("gold",), canvas.new_instance())
    ice = np.full(canvas.shape, 4.6, np.float32)
    _, atlas, instances = canvas.finish(ice, LABELS, LABELS["membrane"], threshold)
    assert (atlas[4, 4, 2:5] == LABELS["gold"]).tolist() == labelled
    assert (instances[4, 4, 2:5] > 0).tolist() == labelled
