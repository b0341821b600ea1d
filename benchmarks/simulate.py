"""Time and memory of `cts simulate`, by step.

    python benchmarks/simulate.py                  400×400×50, 61 tilts, one core
    python benchmarks/simulate.py --size 800,800,100 --size 1000,1000,300
    python benchmarks/simulate.py --side-by-side   two tomograms on two cores against one

Each run is the whole command in a process of its own, on a specimen of balls in ice; the first run, which
compiles the kernels where no cache is there, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoio import create_volume

_PIXEL_SIZE_ANGSTROM = 10.0
_RUN = """
import resource, sys, time
time.perf_counter = time.process_time  # steps in processor seconds: other work on the machine does not count
from cts.cli import main
status = main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # this process alone, kB
print(f"{int(peak.split()[1]) * 1024e-6:.0f} {usage.ru_utime + usage.ru_stime:.2f}")
sys.exit(status)
"""


def write_specimen(folder: Path, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Write model.mrc: balls of 30 to 130 Å radius in ice, about a seventh of the volume."""
    nz, ny, nx = shape
    with create_volume(folder / "model.mrc", shape, np.float32, _PIXEL_SIZE_ANGSTROM) as target:
        target[:] = 4.5
        for _ in range(int(2e-5 * nz * ny * nx) + 1):
            _add_ball(target, rng.uniform(0, 1, 3) * shape, rng.uniform(3, 13))


def _add_ball(target: NDArray[np.float32], centre: NDArray[np.float64], radius: float) -> None:
    low = np.maximum(np.floor(centre - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(centre + radius + 2), target.shape).astype(int)
    grids = np.meshgrid(
        *[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij", sparse=True
    )
    distance = np.sqrt(sum((grid - c) ** 2 for grid, c in zip(grids, centre, strict=True)))
    part = target[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    part += 2.5 * np.clip(radius - distance + 0.5, 0, 1)


def start(folder: Path, name: str, config: Path, threads: int) -> subprocess.Popen[str]:
    """Start one `cts simulate`."""
    arguments = ["simulate", str(folder), str(config), "-o", str(folder / name), "--seed", "1", "--overwrite"]
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wait; return peak memory (MB) and processor time (s)."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"cts simulate ended with status {process.returncode}")
    memory, processor = output.split()[-2:]
    return float(memory), float(processor)


def measure(folder: Path, config: Path, threads: int) -> None:
    """Print wall and processor time, memory and the time of each step of one run."""
    begun = time.perf_counter()
    memory, processor = finish(start(folder, "a", config, threads))
    wall = time.perf_counter() - begun
    steps = json.loads((folder / "a" / "manifest.json").read_text())["timings_s"]
    print(f"  whole process: {wall:.2f} s wall, {processor:.2f} s processor, {memory:.0f} MB peak")
    print("  processor: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in steps.items()))


def compare_side_by_side(folder: Path, config: Path) -> None:
    """Print how much longer two runs at once take than one."""
    times = []
    for count in (1, 2):
        begun = time.perf_counter()
        for process in [start(folder, f"side-{i}", config, 1) for i in range(count)]:
            finish(process)
        times.append(time.perf_counter() - begun)
    print(f"  one: {times[0]:.2f} s, two side by side: {times[1]:.2f} s, ratio {times[1] / times[0]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", action="append", help="x,y,z in voxels; may be given several times")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side-by-side", action="store_true")
    arguments = parser.parse_args()
    for size in arguments.size or ["400,400,50"]:
        nx, ny, nz = (int(n) for n in size.split(","))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_specimen(folder, (nz, ny, nx), np.random.default_rng(0))
            config = folder / "config.yaml"
            config.write_text("tilt: {step_deg: 2}\n")
            print(f"{nx}×{ny}×{nz}, 61 tilts, {arguments.threads} thread(s)")
            if arguments.size is None:
                finish(start(folder, "warm-up", config, arguments.threads))
            if arguments.side_by_side:
                compare_side_by_side(folder, config)
            else:
                measure(folder, config, arguments.threads)


if __name__ == "__main__":
    main()
