"""What the benchmark of the rounds found: tables, curves and the share of voxels that proposals save."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

Result = dict[str, Any]


def print_rounds(results: Sequence[Result], strategies: Sequence[str], tests: int) -> None:
    """Print Dice against corrected voxels, means over seeds, and how many voxels proposals save."""
    seeds, rounds = ({r[key] for r in results} for key in ("seed", "round"))
    print(f"\nDice on {tests} unseen tomograms of the target domain, mean of {len(seeds)} seeds;")
    print("spread: largest less smallest mean over classes; errors: share of all wrong voxels in the regions")
    classes = list(results[0]["of_class"])
    print(
        f"{'strategy':<10}{'voxels':>9}{'Dice':>7}{'spread':>8}{'errors':>8}", *(f"{c:>11}" for c in classes)
    )
    for strategy, number in [("start", 0), *itertools.product(strategies, sorted(rounds - {0}))]:
        same = [r for r in results if (r.get("strategy", "start"), r["round"]) == (strategy, number)]
        dice = [r["dice"] for r in same]
        share = np.mean([r.get("share_of_errors", 0.0) for r in same])
        line = f"{strategy:<10}{same[0]['voxels']:>9,}{np.mean(dice):>7.3f}{np.ptp(dice):>8.3f}{share:>8.1%}"
        print(line, *(f"{np.mean([r['of_class'][name] for r in same]):>11.3f}" for name in classes))
    print(f"\nall seeds: {describe_saving(results)}")
    for seed in sorted(seeds) if len(seeds) > 1 else ():
        print(f"seed {seed}: {describe_saving([r for r in results if r['seed'] == seed])}")


def print_figure5(results: dict[str, Sequence[Result]], tests: int) -> None:
    """Print the mean Dice of each setting of the paper's Figure 5, and of its classes."""
    classes = list(next(iter(results.values()))[0]["of_class"])
    print(f"\nas in the paper's Figure 5; Dice on {tests} unseen tomograms of the target domain")
    print(f"{'labelled slices':<22}{'Dice':>7}{'spread':>8}", *(f"{c:>11}" for c in classes))
    for title, same in results.items():
        dice = [r["dice"] for r in same]
        by_class = (f"{np.mean([r['of_class'][name] for r in same]):>11.3f}" for name in classes)
        print(f"{title:<22}{np.mean(dice):>7.3f}{np.ptp(dice):>8.3f}", *by_class)


def print_times(results: Sequence[Result]) -> None:
    """Print what the networks cost: processor time is what they would take on cores of their own."""
    training = [r["training_processor_seconds"] for r in results]
    whole = [r["processor_seconds"] for r in results]
    print(
        f"\n{len(results)} networks: training {np.median(training):.0f} s of one core (at most "
        f"{max(training):.0f} s), with choosing, segmenting and scoring {np.median(whole):.0f} s; "
        f"{sum(whole) / 120:.0f} minutes in all on two cores"
    )


def draw_curves(results: Sequence[Result], strategies: Sequence[str], path: Path) -> None:
    """Draw Dice against corrected voxels: the means as lines, the single seeds as points."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for number, strategy in enumerate(strategies):
        same = [r for r in results if r.get("strategy", strategy) == strategy]
        colour = f"C{number}"
        axes.plot([r["voxels"] / 1000 for r in same], [r["dice"] for r in same], ".", color=colour, alpha=0.5)
        voxels, dice = zip(*mean_curve(results, strategy), strict=True)
        axes.plot(np.divide(voxels, 1000), dice, color=colour, label=strategy)
    axes.set(xlabel="corrected voxels (thousands)", ylabel="mean Dice on unseen tomograms")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def describe_saving(results: Sequence[Result]) -> str:
    """Say at how many voxels the mean curve of proposed regions reaches the final Dice of random ones."""
    proposed, random = (mean_curve(results, strategy) for strategy in ("proposed", "random"))
    last, goal = random[-1]
    if goal <= random[0][1]:
        return f"random regions end at Dice {goal:.3f}, no better than they started: there is no ratio"
    needed = first_reach(proposed, goal)
    text = f"random regions end at Dice {goal:.3f} with {last:,.0f} voxels; proposed regions "
    if needed is None:
        best = max(dice for _, dice in proposed)
        return text + f"do not reach it with {proposed[-1][0]:,.0f}, their best is {best:.3f}"
    return text + f"reach it at {needed:,.0f}: ratio {needed / last:.2f}"


def mean_curve(results: Sequence[Result], strategy: str) -> list[tuple[float, float]]:
    """Return (voxels, mean Dice over seeds) from the start on."""
    dice: dict[float, list[float]] = {}
    for result in results:
        if result.get("strategy", strategy) == strategy:
            dice.setdefault(result["voxels"], []).append(result["dice"])
    return [(voxels, float(np.mean(values))) for voxels, values in sorted(dice.items())]


def first_reach(curve: Sequence[tuple[float, float]], goal: float) -> float | None:
    """Return where a curve of (voxels, Dice) first reaches a Dice, by straight lines; None: nowhere."""
    for (v0, d0), (v1, d1) in itertools.pairwise(curve):
        if d0 >= goal:
            return v0
        if d1 >= goal:
            return v0 + (goal - d0) / (d1 - d0) * (v1 - v0)
    return None
