"""A tiny project in a folder of its own, and what Snakemake says about it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import yaml

from segnet.rounds.regions import REGION_COLUMNS
from tomoio import write_volume

ROOT = Path(__file__).parents[2]

TINY: dict[str, Any] = {
    "seed": 1,
    "synthetic": {"training_tomograms": 2, "test_tomograms": 1},
    "specimen": {
        "structures": "config/structures.tsv",
        "pixel_size_angstrom": [12, 14],
        "shape_voxels": [16, 64, 64],
        "layers": [{"name": "targets", "role": "target", "size": "large", "attempts": 10}],
        "membranes": [{"kind": "vesicle", "count": 1, "radius_nm": 20}],
        "filaments": [{"structure": "microtubule", "count": 1}],
    },
    "simulation": {"tilt": {"step_deg": 10}},
    "training": {
        "threads": 1,
        "epochs": 1,
        "steps_per_epoch": 3,
        "network": {"base_width": 2, "levels": 2, "slices": 3},
        "sampling": {"patch_size_px": 32, "batch_size": 2},
    },
    "segmentation": {"uncertainty": True},
    "rounds": {
        "sequence": [{"name": "1.1"}, {"name": "1.2"}],
        "crop": {"size_voxels": [4, 24, 24], "context_slices": 1},
        "proposal": {"n_regions": 2},
    },
}


def make_project(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """Copy the workflow into ``folder`` and give it a tiny configuration."""
    for name in ("Snakefile", "workflow", "profiles", "config", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    write_config(folder, {**TINY, **(changes or {})})
    write_tomograms(folder, [])
    return folder


def write_tomograms(folder: Path, names: Sequence[str]) -> None:
    """List real tomograms, and make those that are not there: noise, which is enough to be segmented.

    As in many real ones, the header's voxel size is 1 Å; the table has the true one.
    """
    rows = "".join(f"{name}\treal/{name}.mrc\t13\n" for name in names)
    (folder / "config" / "tomograms.tsv").write_text(f"tomogram_id\tpath\tpixel_size_angstrom\n{rows}")
    for name in names:
        path = folder / "real" / f"{name}.mrc"
        if not path.exists():
            noise = np.random.default_rng(len(name)).normal(size=(16, 48, 48)).astype(np.float32)
            write_volume(path, noise, 13.0)
            with mrcfile.mmap(path, "r+") as mrc:
                mrc.voxel_size = 1.0


def pretend_run(folder: Path) -> None:
    """Leave a project as if all rules had run: Snakemake knows what made the files, but they hold nothing."""
    contents = {"regions.tsv": "\t".join(REGION_COLUMNS), "model.json": "{}"}  # which commands read
    for line in snakemake(folder, "--summary").stdout.splitlines():
        path = folder / line.split("\t")[0]
        if line.startswith("results/") and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(contents.get(path.name, str(path)))
    done = snakemake(folder, "--touch", "--cores", "2")
    assert done.returncode == 0, done.stdout


def accept(folder: Path, region: str, tomogram: str, z_start: int, *settings: str) -> None:
    """Accept the empty labels of a box of 4 x 24 x 24 voxels as its correction."""
    table = folder / "config" / "regions.tsv"
    box = f"1.1\t{region}\t{tomogram}\t{z_start}\t0\t0\t4\t24\t24\ta choice of mine\n"
    table.write_text(table.read_text() + box)
    for arguments in (
        ("crop", region, "-o", "crops", "--segmentations", "none"),
        ("accept", region, f"crops/{region}_labels.mrc", "--crops", "crops", *settings),
    ):
        done = segnet(folder, *arguments)
        assert done.returncode == 0, done.stdout


def write_config(folder: Path, values: dict[str, Any]) -> None:
    """Write config.yaml."""
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a project; output and errors together in ``stdout``."""
    return _run(folder, "snakemake", *arguments)


def segnet(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of segnet in a project."""
    return _run(folder, "segnet.cli", *arguments)


def _run(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": search, "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Return how often each rule would run, without running anything."""
    done = snakemake(folder, "--dry-run", "--cores", "2", *arguments)
    assert done.returncode == 0, done.stdout
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", done.stdout, re.MULTILINE | re.DOTALL)
    rows = [line.split() for line in table.group(1).splitlines()] if table else []
    return {name: int(count) for name, count in rows if name not in ("total", "all")}
