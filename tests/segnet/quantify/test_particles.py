"""Particles that touch, are hollow or come in two pieces, with known centres."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.config.quantification import ParticleConfig
from segnet.quantify.objects import find_runs, label_objects
from segnet.quantify.particles import find_particles
from tests.segnet.quantify.phantom import draw_ball

VOXEL_NM = 1.3


def _find(volume, method, diameter_nm, minimum_voxels=50):
    runs = find_runs(iter([volume]), volume.shape, np.arange(256) > 0)
    objects = label_objects(runs, np.zeros(256, bool))
    config = ParticleConfig(class_name="tric", method=method, diameter_nm=diameter_nm)
    return find_particles(runs, objects, 6, config, VOXEL_NM, minimum_voxels)


def _sorted(points):
    return np.array(sorted(map(tuple, points)))


@pytest.mark.parametrize("inner", [0.0, 3.5])
def test_touching_balls_and_shells_are_split_where_they_touch(inner):
    volume = np.zeros((24, 60, 60), np.uint8)
    centres = [(12, 14, 14), (12, 14, 26), (12, 25, 20), (12, 45, 45)]
    for centre in centres:
        draw_ball(volume, centre, 6.2, 6, inner=inner)
    found = _find(volume, "watershed", 16.0)
    np.testing.assert_allclose(_sorted(found.centre), _sorted(np.array(centres, float)), atol=0.6)
    assert found.voxels.sum() == (volume == 6).sum()
    islands = _find(volume, "components", 16.0)
    assert len(islands.centre) == 2


def test_two_pieces_with_a_cleft_are_one_particle_for_the_watershed_only():
    volume = np.zeros((30, 30, 40), np.uint8)
    draw_ball(volume, (15, 15, 19), 9.5, 6)
    volume[:, :, 21] = 0
    assert len(_find(volume, "watershed", 25.0).centre) == 1
    assert len(_find(volume, "components", 25.0).centre) == 2


def test_a_particle_at_a_face_is_marked():
    volume = np.zeros((20, 40, 40), np.uint8)
    draw_ball(volume, (10, 10, 1), 5, 6)
    draw_ball(volume, (10, 30, 30), 5, 6)
    found = _find(volume, "watershed", 16.0)
    assert sorted(zip(found.centre[:, 1].round(), found.touches_border, strict=True)) == [
        (10, True),
        (30, False),
    ]


def test_no_voxels_give_no_particles():
    found = _find(np.zeros((8, 8, 8), np.uint8), "watershed", 16.0)
    assert found.centre.shape == (0, 3)
