"""Clusters and comparisons worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.config.quantification import ClusterConfig, ComparisonConfig
from segnet.quantify.clusters import cluster_particles
from segnet.quantify.groups import compare_groups


def test_dbscan_by_hand():
    # a chain of three 40 nm apart, a pair, and one alone; distances along x only
    x = np.array([0.0, 40.0, 80.0, 500.0, 520.0, 1000.0])
    centres = np.stack([np.zeros(6), np.zeros(6), x], axis=1)
    found = cluster_particles(centres, ClusterConfig(radius_nm=50, minimum_neighbours=3))
    # only the middle of the chain has three within 50 nm, itself included; its neighbours belong to it
    assert list(found.cluster) == [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(found.nearest_nm, [40, 40, 40, 20, 20, 480])
    np.testing.assert_allclose(found.nearest_in_cluster_nm[:3], 40)
    assert np.isnan(found.nearest_in_cluster_nm[3:]).all()
    pairs = cluster_particles(centres, ClusterConfig(radius_nm=50, minimum_neighbours=2))
    assert list(pairs.cluster) == [1, 1, 1, 2, 2, 0]
    just_short = cluster_particles(centres, ClusterConfig(radius_nm=39.9, minimum_neighbours=2))
    assert list(just_short.cluster) == [0, 0, 0, 1, 1, 0]


def test_none_and_one_particle():
    assert cluster_particles(np.zeros((0, 3)), ClusterConfig()).cluster.size == 0
    alone = cluster_particles(np.zeros((1, 3)), ClusterConfig())
    assert list(alone.cluster) == [0]
    assert np.isnan(alone.nearest_nm).all()


def test_complete_separation_by_hand():
    # U = 0 of 4 x 4; the exact two-sided p is 2 of the 70 ways to draw 4 of 8
    values = {"m": {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}}
    (row,) = compare_groups(values, ComparisonConfig())
    assert row["p"] == pytest.approx(2 / 70)
    assert row["effect_size"] == -1
    assert (row["median_a"], row["median_b"]) == (2.5, 6.5)
    assert row["significant"] == "yes"


def test_groups_too_small_to_differ_are_named():
    # 2 of the C(6, 3) = 20 orders separate the groups completely
    (row,) = compare_groups({"m": {"a": [1, 2, 3], "b": [4, 5, 6]}}, ComparisonConfig())
    assert row["p"] == pytest.approx(0.1)
    assert row["note"].endswith("the smallest p that the test can give is 0.1")


def test_kruskal_wallis_by_hand():
    # ranks 1-9 in order: H = 12 / (9 * 10) * (6^2 + 15^2 + 24^2) / 3 - 3 * 10 = 7.2
    values = {"m": {"a": [1, 2, 3], "b": [4, 5, 6], "c": [7, 8, 9]}}
    rows = compare_groups(values, ComparisonConfig())
    overall = rows[0]
    assert overall["statistic"] == pytest.approx(7.2)
    assert overall["p"] == pytest.approx(np.exp(-3.6))  # chi squared with two degrees of freedom
    assert overall["effect_size"] == pytest.approx(7.2 / 8)
    assert [(row["group_a"], row["group_b"]) for row in rows[1:]] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_benjamini_hochberg_by_hand():
    separated, mixed = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}, {"a": [1, 3, 5, 7], "b": [2, 4, 6, 8]}
    first, second = compare_groups({"one": separated, "two": mixed}, ComparisonConfig())
    assert first["p_corrected"] == pytest.approx(min(first["p"] * 2, second["p"]))
    assert second["p_corrected"] == pytest.approx(second["p"])


def test_what_cannot_be_compared_says_why():
    rows = compare_groups(
        {"m": {"a": [1.0, 2.0], "b": [3.0]}, "n": {"a": [0, 0], "b": [0, 0]}}, ComparisonConfig()
    )
    assert [np.isnan(row["p"]) for row in rows] == [True, True]
    assert "group b has 1 tomogram" in rows[0]["note"]
    assert rows[1]["note"] == "not compared: all values are equal"
    assert compare_groups({"m": {"only": [1, 2, 3]}}, ComparisonConfig()) == []
