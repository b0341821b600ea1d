"""How the benchmark of the rounds reads its curves."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "benchmarks" / "rounds_results.py"


@pytest.fixture(scope="module")
def benchmark_rounds():
    specification = importlib.util.spec_from_file_location("benchmark_rounds", PATH)
    module = importlib.util.module_from_spec(specification)
    sys.modules["benchmark_rounds"] = module
    specification.loader.exec_module(module)
    return module


def _curve(strategy, *dice):
    return [
        {"strategy": strategy, "voxels": 100 * (n + 1), "dice": value, "round": n + 1, "seed": 1}
        for n, value in enumerate(dice)
    ]


START = [{"voxels": 0, "dice": 0.2, "round": 0, "seed": 1}]


def test_the_saving_by_hand(benchmark_rounds):
    """0.5 lies in the middle of the proposed curve's second leg, at 150 of 300 voxels."""
    results = START + _curve("random", 0.3, 0.4, 0.5) + _curve("proposed", 0.4, 0.6, 0.6)
    assert benchmark_rounds.describe_saving(results).endswith("reach it at 150: ratio 0.50")


def test_the_mean_over_seeds_comes_before_the_reading(benchmark_rounds):
    both = START + _curve("random", 0.3, 0.4, 0.5) + _curve("proposed", 0.4, 0.7, 0.7)
    both += [r | {"seed": 2} for r in _curve("random", 0.3, 0.4, 0.5) + _curve("proposed", 0.4, 0.5, 0.7)]
    assert benchmark_rounds.mean_curve(both, "proposed")[2] == (200, pytest.approx(0.6))
    assert benchmark_rounds.describe_saving(both).endswith("ratio 0.50")


def test_a_goal_that_is_not_reached_is_said(benchmark_rounds):
    results = START + _curve("random", 0.3, 0.4, 0.5) + _curve("proposed", 0.4, 0.45, 0.41)
    assert "do not reach it with 300, their best is 0.450" in benchmark_rounds.describe_saving(results)


def test_random_regions_that_do_not_help_give_no_ratio(benchmark_rounds):
    results = START + _curve("random", 0.3, 0.1) + _curve("proposed", 0.4, 0.5)
    assert benchmark_rounds.describe_saving(results).endswith("there is no ratio")
