"""Quantification against truth, on true, degraded and predicted labels; and time by step on a large volume.

    python benchmarks/quantify.py truth MODEL_DIR [MODEL_DIR ...] [--prediction LABELS ...]
    python benchmarks/quantify.py speed [--shape 300 1000 1000]

MODEL_DIR is what `cts model` writes (atlas.mrc, particles.star, filaments.star).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import starfile
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[1]))

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.run import quantify
from segnet.quantify.tomogram import LabelsSource, MeasuredTomogram, measure_tomogram
from tests.segnet.quantify.phantom import draw_ball, draw_tube, line
from tomoio import ClassTable, read_class_table, read_labels, write_labels

_XYZ = ["rlnCenteredCoordinateZAngst", "rlnCenteredCoordinateYAngst", "rlnCenteredCoordinateXAngst"]
_PARTICLES = {"ribosome": 25.0, "tric": 16.0}  # matched within half of this, nm
_FILAMENTS = {"microtubule": ("microtubule", 25.0, 82.0), "actin": ("actin", 8.0, 28.0)}
_ON_PATH = 0.6  # of the diameter: a point this near another path lies on it
_SAME = 0.5  # share of the truth's length that one found filament must cover
_GAP_SHARE = 0.10


@dataclass(frozen=True)
class Truth:
    """Centres and paths of a specimen, nm from the centre of the first voxel, (z, y, x)."""

    centres: dict[str, NDArray[np.float64]]
    paths: dict[str, list[NDArray[np.float64]]]
    uncounted: dict[str, list[NDArray[np.float64]]]  # in the volume with less than the shortest length


def read_truth(model_dir: Path, shape: tuple[int, int, int], voxel_nm: float) -> Truth:
    """Read the lists of a model; keep what lies in the volume."""
    middle = (np.asarray(shape) - 1) / 2 * voxel_nm
    size = np.asarray(shape) * voxel_nm
    particles = starfile.read(model_dir / "particles.star")
    centres = {}
    for name in _PARTICLES:
        points = particles.loc[particles["neuralsegClassName"] == name, _XYZ].to_numpy(float) / 10 + middle
        centres[name] = points[((points > 0) & (points < size)).all(axis=1)]
    filaments = starfile.read(model_dir / "filaments.star")
    paths: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _FILAMENTS}
    whole: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _FILAMENTS}
    for _, rows in filaments.groupby("rlnHelicalTubeID"):
        kind = "microtubule" if rows["neuralsegClassName"].iloc[0] == "microtubule" else "actin"
        path = rows.sort_values("rlnHelicalTrackLengthAngst")[_XYZ].to_numpy(float) / 10 + middle
        whole[kind].append(_with_unit_ends(path))
        paths[kind].append(_clipped(whole[kind][-1], size))
    longest = {"microtubule": 50.0, "actin": 30.0}
    kept: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _FILAMENTS}
    uncounted: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _FILAMENTS}
    for name in _FILAMENTS:
        for inside, path in zip(paths[name], whole[name], strict=True):
            if len(inside) > 1 and _length(inside) >= longest[name]:
                kept[name].append(inside)
            else:
                uncounted[name].append(path)
    return Truth(centres, kept, uncounted)


def _with_unit_ends(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points are the middles of repeat units: half a unit more at each end is labelled."""
    first, last = (path[0] - path[1]) / 2, (path[-1] - path[-2]) / 2
    dense = np.concatenate([[path[0] + first], path, [path[-1] + last]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    at = np.linspace(0, along[-1], int(along[-1]) + 2)
    return np.stack([np.interp(at, along, dense[:, axis]) for axis in range(3)], axis=1)


def _clipped(path: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    return path[((path >= 0) & (path <= size)).all(axis=1)]


def _length(path: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def score_particles(
    found: NDArray[np.float64], true: NDArray[np.float64], reach_nm: float
) -> dict[str, float]:
    """Match centres one to one within ``reach_nm``."""
    if not len(found) or not len(true):
        return {"true": len(true), "found": len(found), "recall": 0.0, "precision": 0.0}
    distance = np.linalg.norm(found[:, None] - true[None], axis=2)
    rows, columns = linear_sum_assignment(np.minimum(distance, reach_nm * 10))
    matched = distance[rows, columns][distance[rows, columns] <= reach_nm]
    return {
        "true": len(true),
        "found": len(found),
        "recall": matched.size / len(true),
        "precision": matched.size / len(found),
        "position_nm": float(np.median(matched)) if matched.size else float("nan"),
    }


def score_filaments(
    found: list[NDArray[np.float64]], true: list[NDArray[np.float64]], diameter_nm: float
) -> dict[str, float]:
    """Match filaments one to one: a match covers at least half of the true length."""
    scores: dict[str, float] = {"true": len(true), "found": len(found), "recall": 0.0, "precision": 0.0}
    if not found or not true:
        return scores
    trees = [cKDTree(path) for path in found]
    cover = np.array(
        [[(tree.query(path)[0] <= _ON_PATH * diameter_nm).mean() for tree in trees] for path in true]
    )
    rows, columns = linear_sum_assignment(-cover)
    good = cover[rows, columns] >= _SAME
    rows, columns = rows[good], columns[good]
    lengths = np.array([(_length(found[j]), _length(true[i])) for i, j in zip(rows, columns, strict=True)])
    offsets = [np.median(trees[j].query(true[i])[0]) for i, j in zip(rows, columns, strict=True)]
    total = sum(map(_length, found)) / sum(map(_length, true)) - 1
    return scores | {
        "recall": len(rows) / len(true),
        "precision": len(rows) / len(found),
        "position_nm": float(np.median(offsets)) if offsets else float("nan"),
        "length_error_median": float(np.median(np.abs(lengths[:, 0] / lengths[:, 1] - 1)))
        if len(lengths)
        else 1.0,
        "length_error_total": total,
    }


def degradations(
    truth: Truth, classes: ClassTable, voxel_nm: float
) -> Iterator[tuple[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]]:
    """Yield (name, function) of each state of the labels."""
    rng = np.random.default_rng(1)
    yield "true", lambda labels: labels
    yield "half of surface lost", lambda labels: _eroded(labels, rng, 0.5)
    yield "one voxel eroded", lambda labels: _eroded(labels, rng, 1.0)
    yield "10 % gaps", lambda labels: _with_gaps(labels, truth, voxel_nm, rng)
    yield (
        "20 % of voxels lost",
        lambda labels: np.where(rng.random(labels.shape) < 0.2, 0, labels).astype(np.uint8),
    )
    yield "blurred and noisy", lambda labels: _blurred(labels, classes, rng)


def _eroded(labels: NDArray[np.uint8], rng: np.random.Generator, share: float) -> NDArray[np.uint8]:
    """Lose a share of the voxels that an erosion takes; all of them leave no walls two voxels thick."""
    kept = labels.copy()
    for label in np.unique(labels[labels > 0]):
        inner = ndimage.binary_erosion(labels == label, border_value=1)
        kept[(labels == label) & ~inner & (rng.random(labels.shape) < share)] = 0
    return kept


def _with_gaps(
    labels: NDArray[np.uint8], truth: Truth, voxel_nm: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Cut one stretch of every 200 nm, or of the whole where it is shorter: a tenth of it in all."""
    broken = labels.copy()
    for name, paths in truth.paths.items():
        diameter = _FILAMENTS[name][1]
        for path in paths:
            for part in np.array_split(path, max(1, int(_length(path) / 200))):
                n = max(1, int(len(part) * _GAP_SHARE))
                first = int(
                    rng.integers(
                        int(len(part) * 0.2), max(int(len(part) * 0.8) - n, int(len(part) * 0.2) + 1)
                    )
                )
                gap = part[first : first + n] / voxel_nm
                if len(gap) > 1:
                    only = np.zeros_like(labels)
                    draw_tube(only, gap[[0, -1]], (diameter / 2 + 3) / voxel_nm, 1)
                    broken[(only > 0) & np.isin(labels, (2, 3, 4))] = 0
    return broken


def _blurred(labels: NDArray[np.uint8], classes: ClassTable, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Label each voxel by the largest blurred class, correlated noise added: edges like a network's."""
    best = np.full(labels.shape, 0.5, np.float32)
    out = np.zeros_like(labels)
    for entry in classes:
        mask = labels == entry.label
        if entry.label == 0 or not mask.any():
            continue
        noise = ndimage.gaussian_filter(rng.standard_normal(labels.shape).astype(np.float32), 1.5)
        score = ndimage.gaussian_filter(mask.astype(np.float32), 1.0) + noise * 0.15 / noise.std()
        better = score > best
        out[better], best[better] = entry.label, score[better]
    return out


def report(found: MeasuredTomogram, truth: Truth) -> dict[str, dict[str, float]]:
    """Score one measured tomogram by class."""
    voxel = found.voxel_nm
    rows = {
        name: score_particles(found.particles[name].centre * voxel, truth.centres[name], diameter / 2)
        for name, diameter in _PARTICLES.items()
    }
    for name, (kind, diameter, _) in _FILAMENTS.items():
        paths = [_resampled(f.points * voxel) for f in found.filaments[kind].filaments]
        paths = [path for path in paths if not _lies_on(path, truth.uncounted[name], diameter)]
        rows[name] = score_filaments(paths, truth.paths[name], diameter)
    return rows


def _lies_on(path: NDArray[np.float64], others: list[NDArray[np.float64]], diameter_nm: float) -> bool:
    """Say whether a found filament is one that the truth does not count: mostly outside, or short."""
    return any((cKDTree(other).query(path)[0] <= _ON_PATH * diameter_nm).mean() >= _SAME for other in others)


def _resampled(path: NDArray[np.float64]) -> NDArray[np.float64]:
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, along[-1], int(along[-1]) + 2)
    return np.stack([np.interp(at, along, path[:, axis]) for axis in range(3)], axis=1)


def run_truth(
    model_dirs: list[Path], predictions: list[Path], config: QuantificationConfig, classes: ClassTable
) -> None:
    """Print scores over all models, by state of the labels and class."""
    collected: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, model_dir in enumerate(model_dirs):
            atlas = read_labels(model_dir / "atlas.mrc", classes)
            truth = read_truth(model_dir, atlas.data.shape, atlas.pixel_size_angstrom / 10)
            states: list[tuple[str, Path]] = []
            for name, degrade in degradations(truth, classes, atlas.pixel_size_angstrom / 10):
                path = Path(folder) / f"{i}_{len(states)}.mrc"
                write_labels(path, degrade(atlas.data), atlas.pixel_size_angstrom)
                states.append((name, path))
            states += [("prediction", predictions[i])] if i < len(predictions) else []
            for name, path in states:
                found = measure_tomogram(LabelsSource(path, path.stem), config, classes)
                for class_name, scores in report(found, truth).items():
                    collected.setdefault(name, {}).setdefault(class_name, []).append(scores)
    _print_scores(collected)


def _print_scores(collected: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    print(f"{'labels':22s} {'class':12s} {'true':>5s} {'found':>5s} {'recall':>7s} {'precis.':>7s} "
          f"{'position':>9s} {'length':>8s} {'total':>8s} {'|diff|':>6s} "
          f"{'worst':>7s}  by tomogram")  # fmt: skip
    for state, by_class in collected.items():
        for name, scores in by_class.items():
            true, found = (int(sum(score[key] for score in scores)) for key in ("true", "found"))
            recall = sum(s["recall"] * s["true"] for s in scores) / max(true, 1)
            precision = sum(s["precision"] * s["found"] for s in scores) / max(found, 1)
            position, length, total = (
                _mean_of(scores, key) for key in ("position_nm", "length_error_median", "length_error_total")
            )
            wrong = sum(abs(int(score["found"]) - int(score["true"])) for score in scores)
            worst = max((abs(s["found"] / s["true"] - 1) for s in scores if s["true"]), default=float("nan"))
            counts = " ".join(f"{s['found']:.0f}/{s['true']:.0f}" for s in scores)
            print(f"{state:22s} {name:12s} {true:5d} {found:5d} {recall:7.3f} {precision:7.3f} "
                  f"{position:6.2f} nm {length:8.1%} {total:+8.1%} {wrong:6d} "
                  f"{worst:7.1%}  {counts}")  # fmt: skip


def _mean_of(scores: list[dict[str, float]], key: str) -> float:
    values = [score[key] for score in scores if np.isfinite(score.get(key, np.nan))]
    return float(np.mean(values)) if values else float("nan")


def crowded_volume(
    shape: tuple[int, int, int], voxel_nm: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw every class at the crowding of cytoplasm: about a sixth of the voxels are labelled."""
    volume = np.zeros(shape, np.uint8)
    size = np.asarray(shape, float)
    share = volume.size / 3e8

    def somewhere() -> Any:
        return tuple(rng.uniform(10, size - 10))

    for _ in range(round(60 * share)):
        z, y, _ = somewhere()
        tube = line((z, y, -5), (z + rng.uniform(-10, 10), y + rng.uniform(-150, 150), size[2] + 5))
        draw_tube(volume, tube, 12.5 / voxel_nm, 2, 8.5 / voxel_nm)
    for i in range(round(3000 * share)):
        start, angle = np.array(somewhere()), rng.uniform(0, np.pi)
        stop = start + rng.uniform(80, 400) * np.array([rng.uniform(-0.1, 0.1), np.sin(angle), np.cos(angle)])
        draw_tube(volume, np.array([start, stop]), 4 / voxel_nm, 3 if i % 3 else 4)
    for _ in range(round(1500 * share)):
        draw_ball(volume, somewhere(), 12.5 / voxel_nm, 5)
        draw_ball(volume, somewhere(), 8 / voxel_nm, 6)
    for _ in range(round(60 * share)):
        radius = rng.uniform(40, 160)
        draw_ball(volume, somewhere(), radius, 1, inner=radius - 4 / voxel_nm)
    return volume


def run_speed(shape: tuple[int, int, int], config: QuantificationConfig, classes: ClassTable) -> None:
    """Print time by step and the largest memory, for a crowded volume."""
    voxel_nm = 1.2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large_labels.mrc"
        volume = crowded_volume(shape, voxel_nm, np.random.default_rng(0))
        print(f"{shape} voxels, {(volume > 0).mean():.1%} labelled")
        write_labels(path, volume, voxel_nm * 10)
        del volume
        source = LabelsSource(path, "large")
        # compile first: kernels are cached on disk for later runs
        small = Path(folder) / "small_labels.mrc"
        write_labels(small, crowded_volume((48, 128, 128), voxel_nm, np.random.default_rng(0)), voxel_nm * 10)
        measure_tomogram(LabelsSource(small, "small"), config, classes)
        began, cpu = time.perf_counter(), time.process_time()
        found = measure_tomogram(source, config, classes)
        for step, seconds in found.timings_s.items():
            print(f"  {step:24s} {seconds:6.1f} s")
        print(
            f"  {'all steps':24s} {time.perf_counter() - began:6.1f} s, "
            f"{time.process_time() - cpu:.1f} s of processor"
        )
        del found
        began, cpu = time.perf_counter(), time.process_time()
        quantify([source], config, Path(folder) / "out", classes=classes)
        print(
            f"  {'with all files':24s} {time.perf_counter() - began:6.1f} s, "
            f"{time.process_time() - cpu:.1f} s of processor"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"  largest memory {memory:.2f} GiB (the drawn volume included)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"))
    modes = parser.add_subparsers(dest="mode", required=True)
    truth = modes.add_parser("truth", help="against cts models")
    truth.add_argument("models", nargs="+", type=Path)
    truth.add_argument("--prediction", nargs="*", type=Path, default=[], help="labels, one a model, in order")
    truth.add_argument("--islands", action="store_true", help="count islands")
    speed = modes.add_parser("speed", help="time and memory")
    speed.add_argument("--shape", nargs=3, type=int, default=[300, 1000, 1000], metavar=("Z", "Y", "X"))
    arguments = parser.parse_args()
    config, classes = QuantificationConfig(), read_class_table(arguments.classes)
    if arguments.mode == "speed":
        run_speed(tuple(arguments.shape), config, classes)
        return
    if arguments.islands:
        particles = tuple(entry.model_copy(update={"method": "components"}) for entry in config.particles)
        config = config.model_copy(update={"particles": particles})
    run_truth(arguments.models, arguments.prediction, config, classes)


if __name__ == "__main__":
    main()
