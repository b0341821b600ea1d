"""Groups of tomograms against each other. The tomogram is the unit: particles of one are not independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segnet.config.quantification import ComparisonConfig

_SMALLEST_GROUP = 2
COLUMNS = (
    "measure",
    "group_a",
    "group_b",
    "tomograms_a",
    "tomograms_b",
    "median_a",
    "median_b",
    "test",
    "statistic",
    "p",
    "p_corrected",
    "significant",
    "effect_size_name",
    "effect_size",
    "note",
)


def compare_groups(
    values: Mapping[str, Mapping[str, Sequence[float]]], config: ComparisonConfig
) -> list[dict[str, Any]]:
    """Compare groups by rank tests, which ask nothing of the distribution of counts.

    For each measure the Kruskal-Wallis test over all groups, with epsilon squared, and the Mann-Whitney
    test for each pair of groups, with Cliff's delta (1 where every tomogram of the first lies above every
    one of the second). Corrected over all measures, the tests over all groups and those of pairs apart.

    Parameters
    ----------
    values
        One value a tomogram, by measure and group; NaN values are left out.
    config
        Level and correction.

    Returns
    -------
    Rows with `COLUMNS`; a comparison that cannot be made has a note instead of a p value, one that cannot
    reach the level a note beside it.
    """
    rows = []
    for measure, by_group in values.items():
        samples = {name: _finite(sample) for name, sample in sorted(by_group.items())}
        if len(samples) > 2:
            rows.append(_all_groups(measure, samples))
        rows += [_pair(measure, a, b, samples[a], samples[b], config) for a, b in combinations(samples, 2)]
    for test in ("Kruskal-Wallis", "Mann-Whitney"):
        _correct([row for row in rows if row["test"] == test and np.isfinite(row["p"])], config)
    return rows


def _finite(sample: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(sample, float)
    return array[np.isfinite(array)]


def _row(measure: str, a: str, b: str, test: str, effect: str, note: str) -> dict[str, Any]:
    nan = float("nan")
    return dict.fromkeys(COLUMNS, "") | {
        "measure": measure,
        "group_a": a,
        "group_b": b,
        "test": test,
        "statistic": nan,
        "p": nan,
        "p_corrected": nan,
        "effect_size_name": effect,
        "effect_size": nan,
        "note": note,
    }


def _why_not(samples: Mapping[str, NDArray[np.float64]]) -> str:
    small = [f"{name} has {s.size}" for name, s in samples.items() if s.size < _SMALLEST_GROUP]
    if small:
        return (
            f"not compared: group {', '.join(small)} tomogram(s) with a value; wanted "
            f"{_SMALLEST_GROUP} or more"
        )
    if np.unique(np.concatenate(list(samples.values()))).size < 2:
        return "not compared: all values are equal"
    return ""


def _all_groups(measure: str, samples: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    row = _row(measure, "all", "all", "Kruskal-Wallis", "epsilon squared", _why_not(samples))
    row["tomograms_a"] = sum(sample.size for sample in samples.values())
    if not row["note"]:
        result = stats.kruskal(*samples.values())
        row |= {"statistic": float(result.statistic), "p": float(result.pvalue)}
        row["effect_size"] = epsilon_squared(row["statistic"], row["tomograms_a"])
    return row


def _pair(
    measure: str,
    a: str,
    b: str,
    sample_a: NDArray[np.float64],
    sample_b: NDArray[np.float64],
    config: ComparisonConfig,
) -> dict[str, Any]:
    row = _row(measure, a, b, "Mann-Whitney", "Cliff's delta", _why_not({a: sample_a, b: sample_b}))
    row |= {"tomograms_a": sample_a.size, "tomograms_b": sample_b.size}
    row |= {"median_a": _median(sample_a), "median_b": _median(sample_b)}
    if not row["note"]:
        result = stats.mannwhitneyu(sample_a, sample_b, alternative="two-sided", method="auto")
        row |= {"statistic": float(result.statistic), "p": float(result.pvalue)}
        row["effect_size"] = 2 * row["statistic"] / (sample_a.size * sample_b.size) - 1
        row["note"] = _too_few(a, b, sample_a.size, sample_b.size, config.significance)
    return row


def _too_few(a: str, b: str, count_a: int, count_b: int, level: float) -> str:
    """Say where even complete separation of two groups, one of C(n + m, n) orders each way, is not rare."""
    smallest = 2 / comb(count_a + count_b, count_a)
    if smallest <= level:
        return ""
    return (
        f"{a} ({count_a}) and {b} ({count_b}): too few tomograms to differ at {level:g}; the smallest p that "
        f"the test can give is {smallest:.2g}"
    )


def _median(sample: NDArray[np.float64]) -> float:
    return float(np.median(sample)) if sample.size else float("nan")


def epsilon_squared(statistic: float, count: int) -> float:
    """Return the share of rank variance between groups, H / (n - 1) (Tomczak & Tomczak 2014)."""
    return statistic / (count - 1)


def _correct(rows: list[dict[str, Any]], config: ComparisonConfig) -> None:
    if not rows:
        return
    corrected = stats.false_discovery_control([row["p"] for row in rows], method=config.correction)
    for row, p in zip(rows, corrected, strict=True):
        row["p_corrected"] = float(p)
        row["significant"] = "yes" if p <= config.significance else "no"
