"""Traced filaments against tubes of known number, length, curvature and direction."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.filaments import find_filaments, path_curvature
from segnet.quantify.joining import join_paths
from segnet.quantify.objects import find_runs
from tests.segnet.quantify.phantom import arc, break_tube, draw_ball, draw_tube, line, path_length

VOXEL_NM = 1.3
MICROTUBULE, ACTIN = QuantificationConfig().filaments
OUTER, INNER, THIN = 12.5 / VOXEL_NM, 8.5 / VOXEL_NM, 3.5 / VOXEL_NM


def _find(volume, config, labels):
    runs = find_runs(iter([volume]), volume.shape, np.arange(256) > 0)
    return find_filaments(runs, labels, config, VOXEL_NM).filaments


def _microtubules(volume):
    return _find(volume, MICROTUBULE, {"microtubule": 2})


def _actin(volume):
    return _find(volume, ACTIN, {"actin": 3, "cofilactin": 4})


def _lengths(paths):
    return sorted(path_length(path) * VOXEL_NM for path in paths)


@pytest.mark.parametrize("inner", [0.0, INNER])
def test_touching_and_crossing_microtubules_are_counted_and_measured(inner):
    volume = np.zeros((50, 260, 300), np.uint8)
    paths = [
        line((25, 40, 20), (25, 50, 280)),
        line((25, 40 + 2 * OUTER, 20), (25, 50 + 2 * OUTER, 280)),
        line((14, 100, 20), (14, 230, 280)),
        line((36, 230, 20), (36, 100, 280)),
    ]
    for path in paths:
        draw_tube(volume, path, OUTER, 2, inner)
    found = _microtubules(volume)
    np.testing.assert_allclose(sorted(f.length_nm for f in found), _lengths(paths), rtol=0.02)
    for filament in found:
        assert min(_mean_offset_nm(filament.points, path) for path in paths) < 0.5


def _mean_offset_nm(points, path):
    direction = (path[1] - path[0]) / np.linalg.norm(path[1] - path[0])
    return float(np.linalg.norm(np.cross(points - path[0], direction), axis=1).mean()) * VOXEL_NM


def test_microtubules_with_a_tenth_missing_are_counted_right():
    volume = np.zeros((40, 200, 320), np.uint8)
    paths = [line((20, y, 10), (20, y + 20, 310)) for y in (30, 80, 130)]
    for i, path in enumerate(paths):
        draw_tube(volume, path, OUTER, 2, INNER)
        for first in (90, 180 + 10 * i):
            break_tube(volume, path, OUTER, first, 15)
    found = _microtubules(volume)
    np.testing.assert_allclose(sorted(f.length_nm for f in found), _lengths(paths), rtol=0.02)
    assert [f.breaks for f in found] == [2, 2, 2]
    for filament in found:
        assert filament.bridged_nm == pytest.approx(2 * 15 * VOXEL_NM, rel=0.25)


def test_a_short_microtubule_with_a_cut_keeps_its_length():
    volume = np.zeros((50, 60, 90), np.uint8)
    path = line((25, 30, -1), (25, 30, 49))  # 65 nm from a face, cut 14 nm before its end
    draw_tube(volume, path, OUTER, 2, INNER)
    break_tube(volume, path, OUTER, 35, 5)
    (found,) = _microtubules(volume)
    assert found.length_nm == pytest.approx(50 * VOXEL_NM, rel=0.08)


def test_a_stub_shorter_than_wide_is_joined_to_its_microtubule():
    volume = np.zeros((50, 60, 90), np.uint8)
    path = line((25, 30, -1), (25, 30, 43))
    draw_tube(volume, path, OUTER, 2, INNER)
    break_tube(volume, path, OUTER, 31, 6)  # 9 nm stay behind it; without them the rest is too short to count
    (found,) = _microtubules(volume)
    assert found.length_nm == pytest.approx(43.5 * VOXEL_NM, rel=0.05)


def test_a_microtubule_cut_lengthwise_by_a_face_has_its_axis_where_it_is():
    volume = np.zeros((30, 80, 160), np.uint8)
    path = line((2, 30, 15), (5, 50, 140))
    draw_tube(volume, path, OUTER, 2, INNER)
    (found,) = _microtubules(volume)
    assert _mean_offset_nm(found.points, path) < 1.0
    assert found.length_nm == pytest.approx(path_length(path) * VOXEL_NM, rel=0.03)


def test_sheets_and_balls_are_no_microtubules():
    volume = np.zeros((50, 120, 160), np.uint8)
    volume[20:24, 10:110, 10:70] = 2
    draw_ball(volume, (25, 60, 115), 25, 2, inner=21)
    assert _microtubules(volume) == ()


def test_a_gap_longer_than_allowed_is_not_bridged():
    volume = np.zeros((40, 60, 400), np.uint8)
    path = line((20, 30, 10), (20, 30, 390))
    draw_tube(volume, path, OUTER, 2, INNER)
    break_tube(volume, path, OUTER, 150, 100 / VOXEL_NM + 10)
    assert len(_microtubules(volume)) == 2


def test_actin_with_a_tenth_missing_is_counted_right():
    volume = np.zeros((30, 120, 320), np.uint8)
    paths = [line((15, y, 10), (15, y + 20, 310)) for y in (20, 50, 80)]
    for i, path in enumerate(paths):
        draw_tube(volume, path, THIN, 3)
        for first in (80 + 7 * i, 190):
            break_tube(volume, path, THIN, first, 15)
    found = _actin(volume)
    np.testing.assert_allclose(sorted(f.length_nm for f in found), _lengths(paths), rtol=0.02)
    assert [f.breaks for f in found] == [2, 2, 2]


def test_crossing_actin_goes_straight_on():
    volume = np.zeros((30, 200, 200), np.uint8)
    paths = [line((15, 100, 20), (15, 100, 180))]
    paths += [line((15, 30, x), (15, 170, x + dx)) for x, dx in ((50, 0), (80, 60), (140, -40))]
    for path in paths:
        draw_tube(volume, path, THIN, 3)
    found = _actin(volume)
    np.testing.assert_allclose(sorted(f.length_nm for f in found), _lengths(paths), rtol=0.03)


def test_the_radius_of_a_circle_is_found():
    volume = np.zeros((24, 300, 300), np.uint8)
    radius = 230.0
    path = arc((12, 20, 20), radius, 15, 75)
    draw_tube(volume, path, THIN, 3)
    (filament,) = _actin(volume)
    true = 1000 / (radius * VOXEL_NM)
    assert filament.mean_curvature_per_um == pytest.approx(true, rel=0.1)
    assert filament.length_nm == pytest.approx(path_length(path) * VOXEL_NM, rel=0.02)
    assert filament.end_to_end_nm == pytest.approx(2 * radius * np.sin(np.radians(30)) * VOXEL_NM, rel=0.02)


def test_the_curvature_of_an_exact_helix():
    t = np.arange(0, 12, 0.02)
    radius, rise = 3.0, 1.5
    helix = np.stack([rise * t, radius * np.sin(t), radius * np.cos(t)], axis=1)
    curvature = path_curvature(helix, 1.0)
    np.testing.assert_allclose(curvature[50:-50], radius / (radius**2 + rise**2), rtol=0.01)
    assert path_curvature(helix[:10], 10.0).size == 0


def test_direction_and_decorated_share():
    volume = np.zeros((80, 80, 160), np.uint8)
    draw_tube(volume, line((40, 40, 20), (40, 40, 140)), THIN, 3)
    decorated = volume[:, :, 110:]
    decorated[decorated == 3] = 4
    draw_tube(volume, line((10, 60, 30), (70, 70, 40)), THIN, 3)
    flat, steep = sorted(_actin(volume), key=lambda f: f.elevation_deg)
    assert flat.decorated_share == pytest.approx(30 / 120, abs=0.03)
    assert flat.elevation_deg == pytest.approx(0, abs=1)
    assert min(flat.azimuth_deg, 180 - flat.azimuth_deg) == pytest.approx(0, abs=1)
    assert steep.decorated_share == 0
    assert steep.elevation_deg == pytest.approx(np.degrees(np.arctan2(60, np.hypot(10, 10))), abs=2)
    assert steep.azimuth_deg == pytest.approx(45, abs=6)


def test_an_end_at_a_face_of_the_volume_is_marked():
    volume = np.zeros((30, 60, 120), np.uint8)
    draw_tube(volume, line((15, 20, -5), (15, 20, 80)), THIN, 3)
    draw_tube(volume, line((15, 45, 20), (15, 45, 80)), THIN, 3)
    found = sorted(_actin(volume), key=lambda f: f.points[0, 1])
    assert [f.touches_border for f in found] == [True, False]
    assert found[0].length_nm == pytest.approx(80.5 * VOXEL_NM, rel=0.03)


def test_ends_join_only_when_they_point_at_each_other():
    a = line((0, 0, 0), (0, 0, 50))
    straight = line((0, 1, 60), (0, 1, 110))
    aside = line((0, 20, 60), (0, 20, 110))
    turned = line((0, 0, 60), (0, 50, 60))
    dense = [np.linspace(*path, 20) for path in (a, straight, aside, turned)]
    rules = {"maximum_gap": 20.0, "maximum_angle_deg": 15.0, "radius": 3.0, "span": 20.0, "error": 1.0}
    assert join_paths([dense[0], dense[1]], **rules) == [[(0, False), (1, False)]]
    assert len(join_paths([dense[0], dense[2]], **rules)) == 2
    assert len(join_paths([dense[0], dense[3]], **rules)) == 2
    assert join_paths([dense[0][::-1], dense[1]], **rules) == [[(0, True), (1, False)]]
    assert join_paths([], **rules) == []


def test_a_break_is_joined_as_an_arc_only():
    # 18 of at most 20 apart: an arc may turn by 0.9 x 15 degrees, and leave either line by half of that
    rules = {"maximum_gap": 20.0, "maximum_angle_deg": 15.0, "radius": 1.0, "span": 20.0, "error": 0.25}
    before = np.linspace((0, 0, -50), (0, 0, 0), 20)

    def after(aside_deg, turn_deg):
        aside, turn = np.radians((aside_deg, turn_deg))
        start = 18 * np.array((0, np.sin(aside), np.cos(aside)))
        return start + np.linspace(0, 50, 20)[:, np.newaxis] * (0, np.sin(turn), np.cos(turn))

    assert len(join_paths([before, after(6, 12)], **rules)) == 1
    assert len(join_paths([before, after(12, 12)], **rules)) == 2
    assert len(join_paths([before, after(0, 16)], **rules)) == 2


def test_a_break_longer_than_both_pieces_is_not_joined():
    rules = {"maximum_gap": 40.0, "maximum_angle_deg": 15.0, "radius": 3.0, "span": 20.0, "error": 1.0}
    pieces = [np.linspace((0, 0, x), (0, 0, x + 20), 10) for x in (0, 50)]
    assert len(join_paths(pieces, **rules)) == 2
    assert len(join_paths([pieces[0], pieces[1] - (0, 0, 15)], **rules)) == 1


def test_short_pieces_join_along_one_straight_line():
    # a short piece whose own direction is wrong by 30 degrees, but which lies on the line of the other
    a = np.linspace((0, 0, 0), (0, 0, 50), 20)
    slant = np.linspace((0, -0.8, 60), (0, 0.8, 62.8), 6)
    rules = {"maximum_gap": 20.0, "maximum_angle_deg": 15.0, "radius": 3.0, "span": 20.0, "error": 1.0}
    assert len(join_paths([a, slant], **rules)) == 1
    assert len(join_paths([a, slant + np.array((0, 6, 0))], **rules)) == 2
