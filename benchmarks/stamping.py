"""Time reading, rendering and stamping of a structures table: `python benchmarks/stamping.py`.

Prints, in seconds of one core: reading with a cold and a warm store, rendering at three pixel sizes, 10,000
stamps at random orientations drawn evenly from the table, and the memory that the rendered structures hold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.spatial.transform import Rotation

from cts.config.structures import read_structure_table
from cts.potential import RenderedStructure, render, stamp
from cts.structure import Structure
from cts.structures import load_structures
from tomoio import read_class_table

STAMPS = 10_000
Result = TypeVar("Result")


def timed(name: str, function: Callable[[], Result]) -> Result:
    """Run a function, print the time of its processor, return its result."""
    start = time.process_time()
    result = function()
    print(f"{name:50s} {time.process_time() - start:8.2f} s")
    return result


def render_all(structures: dict[str, tuple[Structure, ...]], pixel: float) -> list[RenderedStructure]:
    """Render the first conformer of every structure."""
    return [render(conformers[0], pixel) for conformers in structures.values()]


def stamp_many(rendered: list[RenderedStructure], count: int) -> int:
    """Stamp at random; return the number of voxels made."""
    rng = np.random.default_rng(0)
    turns = Rotation.random(count, rng=rng).as_matrix()
    shifts = rng.uniform(-0.5, 0.5, (count, 3))
    chosen = rng.integers(0, len(rendered), count).tolist()
    return sum(
        stamp(rendered[index], turn, shift).occupancy.size
        for index, turn, shift in zip(chosen, turns, shifts, strict=True)
    )


def main() -> None:
    """Read, render and stamp a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", type=Path, default=Path("benchmarks/structures.tsv"))
    rows = read_structure_table(parser.parse_args().table, read_class_table("config/classes.tsv"))
    with tempfile.TemporaryDirectory() as store:
        timed("read, cold store", lambda: load_structures(rows, Path(store)))
        structures = timed("read, warm store", lambda: load_structures(rows, Path(store)))
    render(structures[rows[0].structure_id][0], 20.0)  # loads the compiled kernels
    for pixel in (6.6, 10.0, 14.0):
        rendered = timed(f"render at {pixel} Å", partial(render_all, structures, pixel))
        megabytes = sum(item.coefficients.nbytes for item in rendered) / 1e6
        voxels = timed(f"{STAMPS} stamps at {pixel} Å", partial(stamp_many, rendered, STAMPS))
        print(f"{'':10s}{megabytes:.0f} MB rendered, {voxels / STAMPS:.0f} voxels a stamp")


if __name__ == "__main__":
    main()
