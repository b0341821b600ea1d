"""One grey-value normalisation per whole volume, the same for training and segmentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tomoio import new_file
from tomoio.config import Strict, parse_config

_MOST_SAMPLES_PER_SLICE = 1 << 14  # enough for a median to 1 %, whatever the number of slices
_MAD_TO_SD = 1.4826  # of a Gaussian


class Normalisation(Strict):
    """Centre and spread that take a volume to centre 0 and spread 1."""

    method: Literal["zscore", "robust"] = Field(
        description="zscore: mean and SD; robust: median and 1.4826 MAD"
    )
    centre: float = Field(description="Subtracted")
    spread: float = Field(gt=0, description="Divided by")

    def apply(self, volume: NDArray[Any]) -> NDArray[np.float32]:
        """Return the normalised values, float32, of an array of any shape."""
        return (volume.astype(np.float32, copy=False) - np.float32(self.centre)) / np.float32(self.spread)


def measure(
    blocks: Iterable[NDArray[Any]], method: Literal["zscore", "robust"], name: str = "volume"
) -> Normalisation:
    """Measure a volume that arrives in blocks of slices, so that it never stands in memory as a whole.

    Parameters
    ----------
    blocks
        Arrays (z, y, x) of any real type.
    method
        ``zscore`` or ``robust`` (from at most 16,384 voxels a slice, on a regular grid).
    name
        Stands in the error message.

    Raises
    ------
    ValueError
        If a value is not finite, or all values are equal.
    """
    centre, spread = _moments(blocks) if method == "zscore" else _median_and_mad(blocks)
    if not (np.isfinite(centre) and np.isfinite(spread)):
        raise ValueError(f"{name}: values that are not finite; wanted numbers in every voxel")
    if spread <= 0:
        raise ValueError(f"{name}: every value is {centre:g}; wanted a tomogram")
    return Normalisation(method=method, centre=centre, spread=spread)


def _moments(blocks: Iterable[NDArray[Any]]) -> tuple[float, float]:
    count, total, squares, shift = 0, 0.0, 0.0, None
    for block in blocks:
        shift = float(block.flat[0]) if shift is None else shift  # keeps the squares small: no cancellation
        for z_slice in block:  # small enough for the cache
            values = np.subtract(z_slice, shift, dtype=np.float64).ravel()
            count += values.size
            total += float(values.sum())
            squares += float(np.dot(values, values))
    mean = total / count
    return float(mean + (shift or 0.0)), float(np.sqrt(max(squares / count - mean**2, 0.0)))


def _median_and_mad(blocks: Iterable[NDArray[Any]]) -> tuple[float, float]:
    samples = np.concatenate([_regular_sample(z_slice) for block in blocks for z_slice in block])
    if not np.isfinite(samples).all():
        return float("nan"), float("nan")
    median = float(np.median(samples))
    return median, _MAD_TO_SD * float(np.median(np.abs(samples - median)))


def all_finite(values: NDArray[Any]) -> bool:
    """Return whether an array holds neither NaN nor infinity, without an array of flags where it does not."""
    with np.errstate(all="ignore"):
        total = values.sum(dtype=np.float64)
    return bool(np.isfinite(total))


def _regular_sample(z_slice: NDArray[Any]) -> NDArray[np.float64]:
    if not all_finite(z_slice):
        return np.array([np.nan])  # between the samples it would be missed
    step = max(1, int(np.ceil(np.sqrt(z_slice.size / _MOST_SAMPLES_PER_SLICE))))
    return z_slice[::step, ::step].astype(np.float64).ravel()


def sidecar_path(tomogram: Path | str) -> Path:
    """Return where the normalisation of a crop stands: ``crop.mrc`` has ``crop.normalisation.json``."""
    return Path(tomogram).with_suffix(".normalisation.json")


def write_normalisations(
    tomogram: Path | str, normalisations: Sequence[Normalisation], *, overwrite: bool = False
) -> None:
    """Write the normalisations, one a method, of the tomogram that a crop came from beside the crop."""
    values = [one.model_dump() for one in normalisations]
    with new_file(sidecar_path(tomogram), overwrite=overwrite) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_normalisation(tomogram: Path | str, method: str) -> Normalisation | None:
    """Return the normalisation of one method that stands beside a crop; None where there is no such file.

    Raises
    ------
    ValueError
        If the file is broken, or holds other methods only.
    """
    path = sidecar_path(tomogram)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a normalisation ({error})") from error
    entries = values if isinstance(values, list) else [values]
    found = [parse_config(entry, Normalisation, str(path)) for entry in entries]
    for one in found:
        if one.method == method:
            return one
    known = ", ".join(one.method for one in found) or "none"
    raise ValueError(f"{path}: normalisation {known}; wanted {method} as the network and its other data")
