"""A manifest beside every result: what made it, from what, with which versions, in what time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tomoio.files import new_file, sha256_of

_RECORDED_PACKAGES = ("neuralseg", "numpy", "scipy", "numba", "gemmi", "mrcfile", "torch")


def write_manifest(
    path: Path | str,
    *,
    verb: str,
    configuration: Mapping[str, Any],
    seed: int | None = None,
    inputs: Iterable[Path | str] = (),
    timings_s: Mapping[str, float] | None = None,
    results: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``manifest.json``.

    Parameters
    ----------
    path
        Where to write it.
    verb
        The command that made the result, such as ``cts model``.
    configuration
        Values as used, after random draws.
    seed
        Seed of the command, where it has one.
    inputs
        Files that were read; each is recorded with its SHA-256.
    timings_s
        Seconds by step.
    results
        Whatever the step wants to say of its outcome (counts, drawn values).
    overwrite
        Replace an existing manifest.
    """
    manifest = {
        "verb": verb,
        "seed": seed,
        "configuration": dict(configuration),
        "inputs": [{"path": str(item), "sha256": sha256_of(item)} for item in inputs],
        "versions": {name: _version(name) for name in _RECORDED_PACKAGES},
        "timings_s": {name: round(value, 3) for name, value in (timings_s or {}).items()},
        "results": dict(results or {}),
    }
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(manifest, indent=2, default=str) + "\n", encoding="utf-8")


def read_manifest(path: Path | str) -> dict[str, Any]:
    """Read a manifest; FileNotFoundError or ValueError name the file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such manifest")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not a manifest ({error})") from error
    if not isinstance(manifest, dict):
        raise ValueError(f"{path}: not a manifest; wanted a JSON object")
    return manifest


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
