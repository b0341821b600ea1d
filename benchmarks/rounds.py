"""Do proposed regions make co-training cheaper? An oracle corrects, so that nobody has to.

  python benchmarks/rounds.py OUT                 # the whole benchmark; goes on where it was stopped
  python benchmarks/rounds.py OUT --quick         # one seed, two rounds
  python benchmarks/rounds.py OUT --only figure5  # the four settings of the paper's Figure 5

A seed network is trained on synthetic tomograms and meets a domain that these do not cover: other membranes
and bystanders, thicker ice, a poorer detector, misaligned tilts, more defocus. Its tomograms differ as those
of a session do: one shows microtubules, one actin filaments, one membranes, one is crowded with particles,
two hold next to nothing. In each round, regions of them are chosen in one of three ways, corrected from
truth, and a new network is trained on everything so far:

  proposed   what `segnet propose` ranks highest; from the second round on, it compares two networks
  random     windows anywhere
  best       windows with the most wrongly labelled voxels, which only truth can tell

Dice is the mean over the classes but background on tomograms of that domain that no network trains on and
that show everything. Every training has the same steps, so that a busy machine changes the time and not the
result. docs/rounds.md has what was found.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rounds_data import QUICK, Bench, Plan, labelled_slices, log  # first: it finds the packages
from rounds_results import draw_curves, print_figure5, print_rounds, print_times

from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.rounds.accept import accept_correction, check_correction
from segnet.rounds.corrections import read_corrections, training_corrections
from segnet.rounds.crop import crop_region
from segnet.rounds.oracle import correct_from_truth
from segnet.rounds.propose import propose_regions
from segnet.rounds.regions import Region, read_regions
from segnet.rounds.training_data import block_sources
from segnet.rounds.windows import overlap_fractions, window_grid, window_sums
from tomoio import new_file, read_labels
from tomoio.randomness import generator

STRATEGIES = ("proposed", "random", "best")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--quick", action="store_true", help="one seed, two rounds")
    parser.add_argument("--only", choices=("rounds", "figure5"), help="default: both")
    parser.add_argument(
        "--jobs", type=int, default=2, help="networks trained at once, a core each (default: 2)"
    )
    arguments = parser.parse_args()
    start_logging()
    bench = Bench(QUICK if arguments.quick else Plan(), arguments.output)
    bench.check_settings()
    bench.simulate()
    found = []
    if arguments.only != "figure5":
        run_rounds(bench, arguments.jobs)
        found += (results := read_rounds(bench))
        print_rounds(results, STRATEGIES, bench.plan.tests)
        draw_curves(results, STRATEGIES, bench.output / "curves.png")
    if arguments.only != "rounds":
        run_figure5(bench, arguments.jobs)
        by_setting = read_figure5(bench)
        found += itertools.chain(*by_setting.values())
        print_figure5(by_setting, bench.plan.tests)
    print_times(found)


def start_logging() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)


def side_by_side(jobs: int, tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks in processes of their own, ``jobs`` at a time, in their order; stop all if one fails."""
    with get_context("spawn").Pool(jobs, initializer=start_logging) as pool:
        for _ in pool.imap(call, tasks):
            pass


def call(task: Callable[[], None]) -> None:
    task()


def remember(path: Path, make: Callable[[], dict[str, Any]]) -> None:
    """Make a result where its file is not there yet: this is what makes runs resumable."""
    if path.is_file():
        return
    started = time.process_time()
    result = make() | {"processor_seconds": round(time.process_time() - started, 1)}
    with new_file(path) as unfinished:
        unfinished.write_text(json.dumps(result, indent=1))
    log.info("%s: Dice %.3f, %.0f s of one core", path.parent, result["dice"], result["processor_seconds"])


def run_rounds(bench: Bench, jobs: int) -> None:
    """Run all strategies with all seeds, those that the goal compares first."""
    side_by_side(jobs, [partial(run_start, bench, seed) for seed in bench.plan.seeds])
    chains = itertools.product(STRATEGIES, bench.plan.seeds)
    side_by_side(jobs, [partial(run_chain, bench, strategy, seed) for strategy, seed in chains])


def run_chain(bench: Bench, strategy: str, seed: int) -> None:
    """Run the rounds of one strategy with one seed, one after the other."""
    for number in range(1, bench.plan.rounds + 1):
        folder = round_folder(bench, strategy, seed, number)
        previous = round_folder(bench, strategy, seed, number - 1)
        make = partial(run_round, bench, folder, previous, seed, number, strategy)
        remember(folder / "result.json", make)


def round_folder(bench: Bench, strategy: str, seed: int, number: int) -> Path:
    """Return where a round lies; all strategies start from one network of round 0."""
    place = f"{strategy}/round_{number}" if number else "start"
    return bench.output / f"seed_{seed}" / place


def read_rounds(bench: Bench) -> list[dict[str, Any]]:
    """Return one result a network: those of round 0, then strategy by strategy."""
    numbers = range(1, bench.plan.rounds + 1)
    folders = [round_folder(bench, "", seed, 0) for seed in bench.plan.seeds]
    folders += [
        round_folder(bench, *entry) for entry in itertools.product(STRATEGIES, bench.plan.seeds, numbers)
    ]
    return [json.loads((folder / "result.json").read_text()) for folder in folders]


def run_start(bench: Bench, seed: int) -> None:
    """Train the seed network, on synthetic tomograms only."""
    folder = round_folder(bench, "", seed, 0)

    def make() -> dict[str, Any]:
        found = bench.train_and_segment(folder, bench.source_pairs(), seed, bench.names("target"))
        return {"seed": seed, "round": 0, "voxels": 0} | found

    remember(folder / "result.json", make)


def run_round(
    bench: Bench, folder: Path, previous: Path, seed: int, number: int, strategy: str
) -> dict[str, Any]:
    """Choose regions in the previous network's labels, correct them, train on everything."""
    tables = folder.parent / "corrections.tsv", folder.parent / "regions.tsv"
    name = f"1.{number}"
    done = [row for row in read_corrections(tables[0]) if row.round != name] if tables[0].is_file() else []
    boxes = {region.region_id: region for region in read_regions(tables[1])} if tables[1].is_file() else {}
    avoid = [boxes[row.region_id] for row in done]
    regions = CHOOSERS[strategy](bench, previous, avoid, seed, number)
    for region in regions:
        correct(bench, region, previous, folder, tables, name)
    rows = training_corrections(read_corrections(tables[0]), name)
    sources = [*bench.source_pairs(), *block_sources(rows)]
    found = bench.train_and_segment(folder, sources, seed, bench.names("target"))
    voxels = number * bench.plan.regions_a_round * int(np.prod(bench.plan.region_voxels))
    return (
        {"seed": seed, "strategy": strategy, "round": number, "voxels": voxels}
        | found
        | {
            "regions": [vars(region) for region in regions],
            "share_of_errors": caught(bench, previous, regions),
        }
    )


def correct(
    bench: Bench, region: Region, previous: Path, folder: Path, tables: tuple[Path, Path], name: str
) -> None:
    """Crop, correct from truth and accept, through the same functions as a person's work."""
    crops, draft = folder / "to_correct", folder / "drafts" / f"{region.region_id}.mrc"
    crop = CropConfig(size_voxels=bench.plan.region_voxels)
    row = bench.tomogram(region.tomogram_id)
    source: dict[str, Any] = {"segmentations": previous / "segmentations", "classes": bench.classes}
    crop_region(region, row, crops, crop, **source, overwrite=True)
    correct_from_truth(crops, region.region_id, bench.truth(region.tomogram_id), draft, overwrite=True)
    checked = check_correction(crops, region.region_id, [draft], bench.classes)
    settings = {"round_name": name, "role": "train", "annotator": "oracle", "replace": True}
    accept_correction(checked, *tables, folder / "store", **settings)


def choose_proposed(
    bench: Bench, previous: Path, avoid: Sequence[Region], seed: int, number: int
) -> list[Region]:
    """Take what the workflow would propose: from the second round on it has an earlier network to compare."""
    earlier = [round_folder(bench, "proposed", seed, number - 2) / "segmentations"] if number > 1 else []
    proposals = propose_regions(
        [bench.tomogram(name) for name in bench.names("target")],
        previous / "segmentations",
        bench.classes,
        f"1.{number - 1}",
        ProposalConfig(n_regions=bench.plan.regions_a_round, binning=2),
        CropConfig(size_voxels=bench.plan.region_voxels),
        model_dir=previous / "model",
        others=earlier,
        avoid=avoid,
    )
    return [proposal.region for proposal in proposals]


def choose_random(
    bench: Bench, previous: Path, avoid: Sequence[Region], seed: int, number: int
) -> list[Region]:
    rng = generator(seed, "random regions", str(number))
    return choose_by(bench, avoid, number, lambda name, grid: rng.random(len(grid)))


def choose_best(
    bench: Bench, previous: Path, avoid: Sequence[Region], seed: int, number: int
) -> list[Region]:
    return choose_by(bench, avoid, number, lambda name, grid: window_sums(wrong(bench, previous, name), grid))


CHOOSERS = {"proposed": choose_proposed, "random": choose_random, "best": choose_best}


def wrong(bench: Bench, folder: Path, name: str) -> np.ndarray:
    found = read_labels(folder / "segmentations" / f"{name}_labels.mrc").data
    return (found != read_labels(bench.truth(name)).data).astype(np.float32)


def choose_by(
    bench: Bench, avoid: Sequence[Region], number: int, value: Callable[[str, Any], np.ndarray]
) -> list[Region]:
    """Choose the windows with the highest values that overlap neither each other nor earlier ones."""
    size = bench.plan.region_voxels
    grids = {name: window_grid(bench.plan.target_shape, size, 1, 0.25) for name in bench.names("target")}
    values = {name: np.asarray(value(name, grid), dtype=float) for name, grid in grids.items()}
    chosen: list[Region] = []
    while len(chosen) < bench.plan.regions_a_round:
        for region in [*avoid, *chosen]:
            if region.tomogram_id in grids:
                overlap = overlap_fractions(grids[region.tomogram_id], region.start, region.size)
                values[region.tomogram_id][overlap > 0] = -np.inf
        name = max(values, key=lambda key: float(values[key].max()))
        start = [int(v) for v in grids[name].starts[int(values[name].argmax())]]
        chosen.append(Region(f"1.{number - 1}", f"{number}-{len(chosen) + 1}", name, *start, *size))
    return chosen


def caught(bench: Bench, folder: Path, regions: Sequence[Region]) -> float:
    """Return which share of all wrongly labelled voxels of the target tomograms lies in regions."""
    total = {name: wrong(bench, folder, name) for name in bench.names("target")}
    inside = sum(
        total[r.tomogram_id][
            r.z_start : r.z_start + r.z_size,
            r.y_start : r.y_start + r.y_size,
            r.x_start : r.x_start + r.x_size,
        ].sum()
        for r in regions
    )
    return float(inside / sum(values.sum() for values in total.values()))


def figure5_settings(bench: Bench) -> dict[str, list[tuple[str, Sequence[int]]]]:
    """Return the parts (tomogram, labelled slices) of each setting."""
    few, many = ("figure5_synthetic", range(23, 28)), ("figure5_synthetic", range(50))
    real = ("figure5_real", [bench.plan.test_shape[0] // 2])
    return {
        "5 synthetic": [few],
        "50 synthetic": [many],
        "5 synthetic + 1 real": [few, real],
        "1 real": [real],
    }


def figure5_folder(bench: Bench, title: str, seed: int) -> Path:
    return bench.output / "figure5" / f"{title.replace(' ', '_')}_seed_{seed}"


def run_figure5(bench: Bench, jobs: int) -> None:
    """Train on few synthetic slices, many, few and one real slice, and one real slice alone."""
    entries = itertools.product(figure5_settings(bench), bench.plan.seeds)
    side_by_side(jobs, [partial(train_on_slices, bench, title, seed) for title, seed in entries])


def read_figure5(bench: Bench) -> dict[str, list[dict[str, Any]]]:
    """Return the results of each setting, one a seed."""
    return {
        title: [
            json.loads((figure5_folder(bench, title, seed) / "result.json").read_text())
            for seed in bench.plan.seeds
        ]
        for title in figure5_settings(bench)
    }


def train_on_slices(bench: Bench, title: str, seed: int) -> None:
    folder = figure5_folder(bench, title, seed)

    def make() -> dict[str, Any]:
        parts = figure5_settings(bench)[title]
        sources = [labelled_slices(bench, folder, name, slices) for name, slices in parts]
        return bench.train_and_segment(folder, sources, seed, [])

    remember(folder / "result.json", make)


if __name__ == "__main__":
    main()
