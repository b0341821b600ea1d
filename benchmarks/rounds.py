"""Do proposed regions make co-training cheaper? An oracle corrects, so that nobody has to.

  python benchmarks/rounds.py OUT                 # the whole benchmark; goes on where it was stopped
  python benchmarks/rounds.py OUT --quick         # one seed, two rounds
  python benchmarks/rounds.py OUT --only figure5  # the four settings of the paper's Figure 5

A seed network is trained on synthetic tomograms and meets a domain that these do not cover: thicker, fuller
specimens with other membranes and other bystanders, a poorer detector, misaligned tilts, more defocus. In
each round, regions of its tomograms are chosen in one of three ways, corrected from truth, and a new network
is trained on everything so far:

  proposed   what `segnet propose` ranks highest
  random     windows anywhere
  best       windows with the most wrongly labelled voxels, which only truth can tell

Dice is the mean over the classes but background on tomograms of that domain that no network trains on. The
domain was fixed before the first run. It is hard: one network trained on the whole truth of three target
tomograms, 6.6 million voxels, had 0.46 where its seed network had 0.35, and still found no actin and next to
no cofilactin. The room above the seed network is small, so the spread between trainings matters: hence means
over seeds and several test tomograms, the same for every strategy.

Ranking, regions a round and numbers of tomograms were settled on specimens of other seeds. Every training
has the same steps; a limit of time would train less while the machine does something else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where segnet.py is a benchmark

from cts.config.imaging import SimulationConfig
from cts.config.specimen import SpecimenConfig
from cts.model import model_specimen
from cts.simulate import simulate_tomogram
from segnet.block import BlockSource, make_block
from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.config.segmentation import ScoringConfig, SegmentationConfig
from segnet.config.training import BlockConfig, TrainingConfig
from segnet.normalisation import measure, write_normalisations
from segnet.rounds.accept import accept_correction, check_correction
from segnet.rounds.corrections import read_corrections, training_corrections
from segnet.rounds.crop import crop_region
from segnet.rounds.oracle import correct_from_truth
from segnet.rounds.propose import propose_regions
from segnet.rounds.regions import Region, read_regions
from segnet.rounds.tomograms import TomogramRow
from segnet.rounds.training_data import block_sources
from segnet.rounds.windows import overlap_fractions, window_grid, window_sums
from segnet.score import score
from segnet.segment_files import segment_tomograms
from segnet.train import train
from tomoio import (
    ClassTable,
    new_file,
    read_class_table,
    read_labels,
    read_volume,
    write_labels,
    write_volume,
)
from tomoio.randomness import generator

CONFIG = Path(__file__).parents[1] / "config"
STRATEGIES = ("proposed", "random", "best")
BLOCK = BlockConfig()
log = logging.getLogger("rounds")

_LAYERS = {
    "source": [
        {"name": "targets", "role": "target", "size": "large", "attempts": 120},
        {
            "name": "bystanders",
            "structures": ["apoferritin", "proteasome_20s", "p97", "rubisco"],
            "attempts": 150,
        },
        {"name": "small", "structures": ["gapdh", "enolase", "hsp70"], "attempts": 300},
    ],
    "target": [
        {"name": "targets", "role": "target", "size": "large", "attempts": 120},
        {
            "name": "bystanders",
            "structures": ["fatty_acid_synthase", "mtorc1", "dynactin", "clathrin_triskelion"],
            "attempts": 300,
        },
        {"name": "small", "structures": ["alpha_actinin", "immunoglobulin_g", "hsp90"], "attempts": 500},
    ],
}
_FILAMENTS = [
    {"structure": "microtubule", "count": 2},
    {"structure": "actin", "count": 8},
    {"structure": "cofilactin", "count": 5},
]
_MEMBRANES = {
    "source": [{"kind": "vesicle", "count": 3}],
    "target": [
        {"kind": "double_vesicle", "count": 2},
        {"kind": "sheet", "count": 1},
        {"kind": "tube", "count": 1},
    ],
}
_IMAGING: dict[str, dict[str, Any]] = {
    "source": {
        "tilt": {"min_deg": -60, "max_deg": 60, "step_deg": 3},
        "dose": {"total_e_per_angstrom2": [90, 130]},
        "optics": {"defocus_um": [4, 5]},
    },
    "target": {
        "tilt": {
            "min_deg": -54,
            "max_deg": 54,
            "step_deg": 3,
            "angle_error_deg": 0.3,
            "misalignment_angstrom": 8,
        },
        "dose": {"total_e_per_angstrom2": 80},
        "optics": {"defocus_um": 6, "defocus_jitter_um": 0.1},
        "sample": {"inelastic_scale": 2.0},
        "detector": {"dqe": [[0.0, 0.8], [0.5, 0.4], [1.0, 0.1]]},
    },
}


@dataclass(frozen=True)
class Plan:
    """How much is run: 42 networks; one is trained and segments in 90 to 100 s of one busy core."""

    data_seed: int = 20261122

    seeds: tuple[int, ...] = (1, 2, 3)
    rounds: int = 3
    regions_a_round: int = 4
    region_voxels: tuple[int, int, int] = (8, 64, 64)
    source_shape: tuple[int, int, int] = (40, 160, 160)
    target_shape: tuple[int, int, int] = (60, 192, 192)
    sources: int = 3
    targets: int = 3
    tests: int = 4
    steps: int = 900
    threads: int = 1


QUICK = Plan(seeds=(1,), rounds=2)


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
    if arguments.only != "figure5":
        run_rounds(bench, arguments.jobs)
        report_rounds(bench, read_results(bench))
    if arguments.only != "rounds":
        run_figure5(bench, arguments.jobs)
        report_figure5(bench)


def start_logging() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)


def side_by_side(jobs: int, tasks: Sequence[Callable[[], Any]]) -> None:
    """Run tasks in processes of their own, ``jobs`` at a time, in their order."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=start_logging) as pool:
        for running in [pool.submit(task) for task in tasks]:
            running.result()


class Bench:
    """Where everything lies, and the steps that all runs share."""

    def __init__(self, plan: Plan, output: Path) -> None:
        self.plan, self.output = plan, output
        self.classes: ClassTable = read_class_table(CONFIG / "classes.tsv")

    def names(self, kind: str, count: int) -> list[str]:
        return [f"{kind}_{number + 1}" for number in range(count)]

    @property
    def sources(self) -> list[str]:
        return self.names("source", self.plan.sources)

    @property
    def targets(self) -> list[str]:
        return self.names("target", self.plan.targets)

    @property
    def tests(self) -> list[str]:
        return self.names("test", self.plan.tests)

    def tomogram(self, name: str) -> TomogramRow:
        return TomogramRow(name, self.output / "data" / name / "tomogram.mrc")

    def truth(self, name: str) -> Path:
        return self.output / "data" / name / "atlas.mrc"

    def check_settings(self) -> None:
        """Refuse to go on with runs of other settings: their Dice would not compare."""
        settings = {
            "plan": asdict(self.plan),
            "domains": [_LAYERS, _FILAMENTS, _MEMBRANES, _IMAGING],
            "training": self.training().model_dump(mode="json"),
            "proposal": ProposalConfig().model_dump(mode="json"),
        }
        path = self.output / "settings.json"
        if path.is_file() and json.loads(path.read_text()) != json.loads(json.dumps(settings)):
            raise SystemExit(f"{path}: runs of other settings are there; choose another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1))

    def simulate(self) -> None:
        """Make every tomogram that is not there yet."""
        shapes = dict.fromkeys(self.sources, self.plan.source_shape)
        shapes |= dict.fromkeys([*self.targets, *self.tests], self.plan.target_shape)
        shapes["figure5"] = (50, *self.plan.source_shape[1:])
        for name, shape in shapes.items():
            folder = self.output / "data" / name
            if not (folder / "tomogram.mrc").is_file():
                log.info("simulating %s", name)
                self._simulate_one(name, shape, folder)

    def _simulate_one(self, name: str, shape: tuple[int, int, int], folder: Path) -> None:
        domain = "source" if name.startswith(("source", "figure5")) else "target"
        specimen = SpecimenConfig.model_validate(
            {
                "structures": str(CONFIG / "structures.tsv"),
                "pixel_size_angstrom": 13.0,
                "shape_voxels": list(shape),
                "layers": _LAYERS[domain],
                "membranes": _MEMBRANES[domain],
                "filaments": _FILAMENTS,
            }
        )
        settings = {"seed": self.plan.data_seed, "tomogram_id": name, "overwrite": True}
        model_specimen(specimen, self.classes, folder, **settings)
        simulate_tomogram(folder, SimulationConfig.model_validate(_IMAGING[domain]), folder / "i", **settings)
        (folder / "i" / "tomogram.mrc").rename(folder / "tomogram.mrc")

    def train_and_segment(
        self, folder: Path, sources: Sequence[BlockSource], seed: int, tomograms: Sequence[str]
    ) -> dict[str, Any]:
        """Train on sources, segment tomograms and the test tomograms, return the Dice on the latter."""
        if not (folder / "block" / "parts.tsv").is_file():
            make_block(sources, folder / "block", BLOCK, self.classes, overwrite=True)
        if not (folder / "model" / "model.json").is_file():
            train(
                self.training(),
                [folder / "block"],
                folder / "model",
                classes=self.classes,
                seed=seed,
                resume=True,
            )
        names = [*tomograms, *self.tests]
        config = SegmentationConfig(uncertainty=True, threads=self.plan.threads)
        segment_tomograms(
            folder / "model",
            [self.tomogram(name).path for name in names],
            folder / "segmentations",
            config,
            names=names,
            overwrite=True,
        )
        return self.dice(folder)

    def training(self) -> TrainingConfig:
        return TrainingConfig.model_validate(
            {
                "network": {"base_width": 16},
                "sampling": {"patch_size_px": 64},
                "epochs": 1,
                "steps_per_epoch": self.plan.steps,
                "threads": self.plan.threads,
                "panels": False,
            }
        )

    def dice(self, folder: Path) -> dict[str, Any]:
        """Return the Dice of each class that is there, means over test tomograms, and the mean of these."""
        found: dict[str, list[float]] = {}
        for name in self.tests:
            labels = read_labels(folder / "segmentations" / f"{name}_labels.mrc").data
            truth = read_labels(self.truth(name))
            rows, _ = score(labels, truth.data, truth.pixel_size_angstrom, self.classes, ScoringConfig())
            for row in rows:
                if row["truth_voxels"] and row["class"] != "background":
                    found.setdefault(row["class"], []).append(row["dice"])
        of_class = {name: float(np.mean(values)) for name, values in found.items()}
        return {"dice": float(np.mean(list(of_class.values()))), "of_class": of_class}

    def source_pairs(self) -> list[BlockSource]:
        return [BlockSource(self.tomogram(n).path, self.truth(n), name=n) for n in self.sources]


def remember(path: Path, make: Callable[[], dict[str, Any]]) -> None:
    """Make a result where its file is not there yet: this is what makes runs resumable."""
    if path.is_file():
        return
    started = time.monotonic()
    result = make() | {"seconds": round(time.monotonic() - started, 1)}
    with new_file(path) as unfinished:
        unfinished.write_text(json.dumps(result, indent=1))
    log.info("%s: Dice %.3f, %.0f s", path.parent, result["dice"], result["seconds"])


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


def read_results(bench: Bench) -> list[dict[str, Any]]:
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
        found = bench.train_and_segment(folder, bench.source_pairs(), seed, bench.targets)
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
    found = bench.train_and_segment(folder, sources, seed, bench.targets)
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
    segmentations = previous / "segmentations"
    crop_region(region, row, crops, crop, segmentations=segmentations, overwrite=True)
    correct_from_truth(crops, region.region_id, bench.truth(region.tomogram_id), draft, overwrite=True)
    checked = check_correction(crops, region.region_id, [draft], bench.classes)
    settings = {"round_name": name, "role": "train", "annotator": "oracle", "replace": True}
    accept_correction(checked, *tables, folder / "store", **settings)


def choose_proposed(
    bench: Bench, previous: Path, avoid: Sequence[Region], seed: int, number: int
) -> list[Region]:
    proposals = propose_regions(
        [bench.tomogram(name) for name in bench.targets],
        previous / "segmentations",
        bench.classes,
        f"1.{number - 1}",
        ProposalConfig(n_regions=bench.plan.regions_a_round, binning=2),
        CropConfig(size_voxels=bench.plan.region_voxels),
        model_dir=previous / "model",
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
    grids = {name: window_grid(bench.plan.target_shape, size, 1, 0.25) for name in bench.targets}
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
    total = {name: wrong(bench, folder, name) for name in bench.targets}
    inside = sum(
        total[r.tomogram_id][
            r.z_start : r.z_start + r.z_size,
            r.y_start : r.y_start + r.y_size,
            r.x_start : r.x_start + r.x_size,
        ].sum()
        for r in regions
    )
    return float(inside / sum(values.sum() for values in total.values()))


def report_rounds(bench: Bench, results: Sequence[dict[str, Any]]) -> None:
    """Print Dice against corrected voxels, means over seeds, and how many voxels proposals save."""
    plan = bench.plan
    print(f"\nDice on {plan.tests} unseen tomograms of the target domain, mean of {len(plan.seeds)} seeds;")
    print("spread: largest less smallest mean over classes; errors: share of all wrong voxels in the regions")
    classes = list(results[0]["of_class"])
    print(
        f"{'strategy':<10}{'voxels':>9}{'Dice':>7}{'spread':>8}{'errors':>8}", *(f"{c:>11}" for c in classes)
    )
    for strategy, number in [("start", 0), *itertools.product(STRATEGIES, range(1, plan.rounds + 1))]:
        same = [r for r in results if (r.get("strategy", "start"), r["round"]) == (strategy, number)]
        dice = [r["dice"] for r in same]
        share = np.mean([r.get("share_of_errors", 0.0) for r in same])
        line = f"{strategy:<10}{same[0]['voxels']:>9,}{np.mean(dice):>7.3f}{np.ptp(dice):>8.3f}{share:>8.1%}"
        print(line, *(f"{np.mean([r['of_class'][name] for r in same]):>11.3f}" for name in classes))
    print(f"\nall seeds: {describe_saving(results)}")
    for seed in plan.seeds if len(plan.seeds) > 1 else ():
        print(f"seed {seed}: {describe_saving([r for r in results if r['seed'] == seed])}")


def describe_saving(results: Sequence[dict[str, Any]]) -> str:
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


def mean_curve(results: Sequence[dict[str, Any]], strategy: str) -> list[tuple[float, float]]:
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


def figure5_settings(bench: Bench) -> dict[str, list[tuple[str, Sequence[int]]]]:
    """Return the parts (tomogram, labelled slices) of each setting."""
    few, many = ("figure5", range(23, 28)), ("figure5", range(50))
    real = (bench.targets[0], [bench.plan.target_shape[0] // 2])
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


def report_figure5(bench: Bench) -> None:
    print(
        f"\nas in the paper's Figure 5; mean Dice on {bench.plan.tests} unseen tomograms of the target domain"
    )
    for title in figure5_settings(bench):
        files = [figure5_folder(bench, title, seed) / "result.json" for seed in bench.plan.seeds]
        dice = [json.loads(file.read_text())["dice"] for file in files]
        print(f"{title:<22}{np.mean(dice):>8.3f}{np.ptp(dice):>8.3f}")


def train_on_slices(bench: Bench, title: str, seed: int) -> None:
    folder = figure5_folder(bench, title, seed)

    def make() -> dict[str, Any]:
        parts = figure5_settings(bench)[title]
        sources = [labelled_slices(bench, folder, name, slices) for name, slices in parts]
        return bench.train_and_segment(folder, sources, seed, [])

    remember(folder / "result.json", make)


def labelled_slices(bench: Bench, folder: Path, name: str, slices: Sequence[int]) -> BlockSource:
    """Write a part whose labels are 255 but in some slices, with five neighbours on each side."""
    image, truth = read_volume(bench.tomogram(name).path), read_labels(bench.truth(name))
    labels = np.full_like(truth.data, 255)
    labels[list(slices)] = truth.data[list(slices)]
    kept = slice(max(0, min(slices) - 5), max(slices) + 6)
    paths = folder / f"{name}.mrc", folder / f"{name}_labels.mrc"
    write_volume(paths[0], image.data[kept], image.pixel_size_angstrom, overwrite=True)
    write_normalisations(paths[0], [measure([image.data], BLOCK.normalisation)], overwrite=True)
    write_labels(paths[1], labels[kept], image.pixel_size_angstrom, overwrite=True)
    return BlockSource(*paths, domain="synthetic" if name == "figure5" else "real", name=name)


if __name__ == "__main__":
    main()
