"""Areas and enclosed volumes of spheres, planes and cut shells."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.quantify.membranes import find_membranes
from segnet.quantify.objects import RunsByObject, find_runs, label_objects
from tests.segnet.quantify.phantom import draw_ball


def _membranes(volume):
    runs = find_runs(iter([volume]), volume.shape, np.arange(256) > 0)
    objects = label_objects(runs, np.ones(256, bool))
    return find_membranes(runs, objects, RunsByObject(runs, objects), 1)


@pytest.mark.parametrize("radius", [15, 40])
def test_a_vesicle_has_the_area_of_its_middle_and_its_lumen(radius):
    side = 2 * radius + 20
    volume = np.zeros((side, side, side), np.uint8)
    draw_ball(volume, (side / 2,) * 3, radius + 2, 1, inner=radius - 2)
    (vesicle,) = _membranes(volume)
    # half of both surfaces: 4 pi (r^2 + t^2 / 4), t = 4
    assert vesicle.area_voxels2 == pytest.approx(4 * np.pi * (radius**2 + 4), rel=0.02)
    assert vesicle.enclosed_voxels == pytest.approx(4 / 3 * np.pi * (radius - 2) ** 3, rel=0.03)
    assert (vesicle.compartments, vesicle.touches_border) == (1, False)


@pytest.mark.parametrize("thickness", [2, 4])
def test_a_plane_from_face_to_face_has_exactly_its_area_and_encloses_nothing(thickness):
    volume = np.zeros((30, 90, 150), np.uint8)
    volume[12 : 12 + thickness] = 1
    (plane,) = _membranes(volume)
    assert plane.area_voxels2 == pytest.approx(89 * 149, rel=0.001)  # between the centres of the outer voxels
    assert np.isnan(plane.enclosed_voxels)
    assert plane.touches_border


def test_a_tilted_plane_has_its_true_area():
    z, y, x = np.ogrid[:80, :90, :90]
    normal = np.array([1.0, 0.5, 0.3])
    distance = ((z - 40) * normal[0] + (y - 45) * normal[1] + (x - 45) * normal[2]) / np.linalg.norm(normal)
    (plane,) = _membranes((abs(distance) <= 2).astype(np.uint8))
    assert plane.area_voxels2 == pytest.approx(89 * 89 * np.linalg.norm(normal) / normal[0], rel=0.02)


def test_two_membranes_of_a_mitochondrion_enclose_each_their_own():
    volume = np.zeros((70, 70, 70), np.uint8)
    draw_ball(volume, (35, 35, 35), 30, 1, inner=27)
    draw_ball(volume, (35, 35, 35), 22, 1, inner=19)
    outer, inner = sorted(_membranes(volume), key=lambda m: -m.voxels)
    assert outer.enclosed_voxels == pytest.approx(4 / 3 * np.pi * 27**3, rel=0.02)
    assert inner.enclosed_voxels == pytest.approx(4 / 3 * np.pi * 19**3, rel=0.02)


def test_a_shell_that_a_face_cuts_is_open():
    volume = np.zeros((30, 60, 60), np.uint8)
    draw_ball(volume, (2, 30, 30), 20, 1, inner=17)
    (shell,) = _membranes(volume)
    assert np.isnan(shell.enclosed_voxels)
    assert shell.compartments == 0
