"""Time, memory and crowding of `cts model` on the paper's cytoplasm recipe, on one core.

    python benchmarks/model.py                  400×400×50 at 6.6, 10 and 14 Å, and how it scales at 10 Å
    python benchmarks/model.py --shapes 50x400x400 --pixel-sizes 10

Layers of large and small targets (1,200 attempts each), large distractors (2,400) and small distractors
(4,800), 10 membranes, filaments, closed at top and bottom. Every run is a process of its own: its time holds
imports, reading of structures and writing. The first, untimed run fills the caches (compiled kernels, read
structures).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

_RECIPE_VOXELS = 50 * 400 * 400
_ATTEMPTS = {
    ("target", "large"): 1200,
    ("target", "small"): 1200,
    ("distractor", "large"): 2400,
    ("distractor", "small"): 4800,
}
# the table's distractors serve as small targets too
_SMALL_TARGETS = ["nucleosome", "hsp90", "antibody"]
_FILAMENTS = {"microtubule": 4, "actin": 25, "cofilactin": 15}
_STEPS = ("load", "render", "membranes", "filaments", "particles", "ice", "labels", "write")


def recipe(structures: Path, pixel_size_angstrom: float, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the paper's recipe; attempts and membranes in proportion to the volume."""
    share = shape[0] * shape[1] * shape[2] / _RECIPE_VOXELS
    layers = [
        {"name": f"{size}_{role}s", "attempts": max(1, round(count * share))}
        | ({"draw": 5} if role == "distractor" else {})
        | (
            {"structures": _SMALL_TARGETS}
            if (role, size) == ("target", "small")
            else {"role": role, "size": size}
        )
        for (role, size), count in _ATTEMPTS.items()
    ]
    return {
        "structures": str(structures),
        "pixel_size_angstrom": pixel_size_angstrom,
        "shape_voxels": list(shape),
        "constraint": "sides",
        "density": 0.8,
        "layers": layers,
        "membranes": [{"kind": "vesicle", "count": max(1, round(10 * share))}],
        "filaments": [
            {"structure": name, "count": max(1, round(count * share))} for name, count in _FILAMENTS.items()
        ],
    }


def run_once(folder: Path, config: dict[str, Any], seed: int) -> dict[str, float]:
    """Run `cts model` in a process of its own; return seconds, memory and its manifest's figures."""
    (folder / "specimen.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    output = folder / "model"
    command = [sys.executable, "-m", "cts.cli", "model", str(folder / "specimen.yaml"), "-o", str(output)]
    command += ["--seed", str(seed), "--overwrite", "--store", str(folder / "store")]
    one_thread = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    start = time.perf_counter()
    child = os.posix_spawn(sys.executable, command, os.environ | one_thread)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} failed")
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    results = manifest["results"]
    return {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "objects": results["objects"],
        "filled": 100 * results["filled_fraction"],
        "mg_per_ml": results["objects_mg_per_ml"],
        **manifest["timings_s"],
    }


def main() -> None:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--structures", type=Path, default=Path("benchmarks/structures.tsv"))
    parser.add_argument("--pixel-sizes", type=float, nargs="*", default=[6.6, 10, 14], metavar="A")
    parser.add_argument(
        "--shapes",
        nargs="*",
        default=["50x200x200", "50x400x400", "50x800x800", "200x400x400"],
        metavar="ZxYxX",
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shapes = [tuple(int(size) for size in text.split("x")) for text in arguments.shapes]
    main_shape = shapes[1] if len(shapes) > 1 else shapes[0]
    cases = [(pixel, main_shape) for pixel in arguments.pixel_sizes]
    cases += [(10.0, shape) for shape in shapes if (10.0, shape) not in cases]
    columns = ("wall_s", "cpu_s", "peak_mb", "objects", "filled", "mg_per_ml", *_STEPS)
    print("pixel  shape         " + "".join(f"{name:>11}" for name in columns))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_once(folder, recipe(arguments.structures, 10.0, (50, 64, 64)), arguments.seed)
        for pixel, shape in cases:
            figures = run_once(folder, recipe(arguments.structures, pixel, shape), arguments.seed)
            text = "x".join(str(size) for size in shape)
            cells = "".join(f"{figures.get(name, 0):11.1f}" for name in columns)
            print(f"{pixel:5g}  {text:12s}  {cells}", flush=True)


if __name__ == "__main__":
    main()
