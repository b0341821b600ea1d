"""Crops in the formats of other programs, and corrections back: MRC, TIFF, NRRD; label volumes or layers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from segnet.rounds.nrrd import read_nrrd, write_nrrd
from tomoio import BACKGROUND, IGNORE, ClassTable, new_file, read_volume, write_volume
from tomoio.labels import as_labels

SUFFIXES = {"mrc": ".mrc", "tiff": ".tif", "nrrd": ".nrrd"}
_FORMAT_OF_SUFFIX = {
    ".mrc": "mrc",
    ".map": "mrc",
    ".rec": "mrc",
    ".st": "mrc",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".nrrd": "nrrd",
}
_LAYER_NAME = re.compile(r"(add|remove|ignore)(?:[ _-]*)(.*)", re.IGNORECASE)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnyVolume:
    """A volume of another program: ``data`` (z, y, x); what its header does not state is None."""

    data: NDArray[Any]
    pixel_size_angstrom: float | None
    origin_angstrom: tuple[float, float, float] | None


def format_of(path: Path | str) -> str:
    """Return mrc, tiff or nrrd by a file's suffix; ValueError names the suffixes that are known."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMAT_OF_SUFFIX:
        raise ValueError(f"{path}: unknown format {suffix!r}; wanted one of {', '.join(_FORMAT_OF_SUFFIX)}")
    return _FORMAT_OF_SUFFIX[suffix]


def write_any(
    path: Path | str,
    data: NDArray[Any],
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write a volume (z, y, x) in the format of its suffix; MRC has no uint8 and takes it as int16."""
    kind = format_of(path)
    if kind == "nrrd":
        write_nrrd(path, data, pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite)
    elif kind == "tiff":
        _write_tiff(Path(path), data, pixel_size_angstrom, overwrite)
    else:
        stored = data.astype(np.int16) if data.dtype == np.uint8 else data
        write_volume(path, stored, pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite)


def _write_tiff(path: Path, data: NDArray[Any], pixel_size_angstrom: float, overwrite: bool) -> None:
    import tifffile

    with new_file(path, overwrite=overwrite) as partial:
        tifffile.imwrite(
            partial,
            data,
            photometric="minisblack",
            imagej=data.dtype.str[1:] in ("u1", "u2", "f4"),
            resolution=(1 / pixel_size_angstrom, 1 / pixel_size_angstrom),
            metadata={"axes": "ZYX", "spacing": pixel_size_angstrom, "unit": "angstrom"},
        )


def read_any(path: Path | str) -> AnyVolume:
    """Read MRC, TIFF or NRRD.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown or the file is damaged or not three-dimensional.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    kind = format_of(path)
    if kind == "nrrd":
        return AnyVolume(*read_nrrd(path))
    if kind == "tiff":
        return _read_tiff(path)
    return _read_mrc(path)


def _read_mrc(path: Path) -> AnyVolume:
    # the size is judged by the caller: programs that drop it are common, and the crop knows it
    volume = read_volume(path, pixel_size_angstrom=1.0)
    with mrcfile.open(path, header_only=True) as mrc:
        sizes = [float(mrc.voxel_size[axis]) for axis in "xyz"]
    stated = sizes[0] if all(size > 0 and size != 1 for size in sizes) else None
    return AnyVolume(volume.data, stated, volume.origin_angstrom)


def _read_tiff(path: Path) -> AnyVolume:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            data = np.squeeze(tiff.asarray())
            described = tiff.imagej_metadata or (tiff.shaped_metadata and tiff.shaped_metadata[0]) or {}
    except (tifffile.TiffFileError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a readable TIFF file ({error})") from error
    if data.ndim != 3:
        raise ValueError(f"{path}: pages of shape {data.shape}; wanted one grey image for each z slice")
    stated = described.get("spacing") if str(described.get("unit", "")).startswith("ang") else None
    return AnyVolume(data, float(stated) if stated else None, None)


def is_layer(path: Path | str) -> bool:
    """Return whether a file name is that of an add, remove or ignore layer."""
    return _LAYER_NAME.fullmatch(Path(path).stem) is not None


def parse_layer_name(path: Path | str, classes: ClassTable) -> tuple[str, str]:
    """Return (action, class name) of a layer such as ``Add_actin.nrrd`` or ``ignore.tif``.

    Raises
    ------
    ValueError
        If the name is not that of a layer, or names no class of the table.
    """
    match = _LAYER_NAME.fullmatch(Path(path).stem)
    if match is None:
        raise ValueError(f"{path}: not a layer; wanted add_CLASS, remove_CLASS or ignore with a suffix")
    action, name = match[1].lower(), match[2].lower()
    if action == "ignore":
        return action, ""
    if name not in classes.names:
        raise ValueError(f"{path}: layer of class {name!r}; wanted one of {', '.join(classes.names)}")
    return action, name


def apply_layers(
    labels: NDArray[np.uint8], layers: Mapping[tuple[str, str], NDArray[np.bool_]], classes: ClassTable
) -> NDArray[np.uint8]:
    """Return labels with layers applied: first what is removed, then what is added, last what is ignored.

    Parameters
    ----------
    labels
        Labels (z, y, x) of the network.
    layers
        Boolean masks of the same shape by (action, class name), as `parse_layer_name` gives them.
    classes
        The class table.

    Raises
    ------
    ValueError
        If two layers add different classes in one voxel.
    """
    corrected = labels.copy()
    added = np.full(labels.shape, IGNORE, dtype=np.uint8)
    for (action, name), mask in layers.items():
        if action == "remove":
            corrected[mask & (labels == classes.label_of(name))] = BACKGROUND
        elif action == "add":
            _refuse_shared(added, mask, name, classes)
            added[mask] = classes.label_of(name)
    corrected = np.where(added == IGNORE, corrected, added)
    for (action, _), mask in layers.items():
        if action == "ignore":
            corrected[mask] = IGNORE
    return corrected


def _refuse_shared(added: NDArray[np.uint8], mask: NDArray[np.bool_], name: str, classes: ClassTable) -> None:
    shared = mask & (added != IGNORE)
    if shared.any():
        other = classes.name_of(int(added[shared][0]))
        raise ValueError(
            f"layers add_{other} and add_{name} share {int(shared.sum())} voxels; wanted one class in each"
        )


def read_correction(
    paths: Sequence[Path], seed: NDArray[np.uint8], classes: ClassTable
) -> tuple[NDArray[np.uint8], list[AnyVolume]]:
    """Read a correction: one label volume, or any number of layers over the network's labels ``seed``.

    Returns the labels and the volumes as read, whose voxel sizes and origins the caller judges.

    Raises
    ------
    ValueError
        If there is more than one label volume, layers and label volumes are mixed, or a shape differs.
    """
    volumes = [read_any(path) for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        _check_shape(path, volume.data.shape, seed.shape)
    if all(is_layer(path) for path in paths):
        layers = {
            parse_layer_name(path, classes): volume.data > 0
            for path, volume in zip(paths, volumes, strict=True)
        }
        return apply_layers(seed, layers, classes), volumes
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{names}: several label volumes; wanted one, or only add_, remove_, ignore layers")
    return as_labels(volumes[0].data, str(paths[0]), classes), volumes


def _check_shape(path: Path, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found == wanted:
        return
    hint = "; its axes are in the order x, y, z" if found == wanted[::-1] else ""
    raise ValueError(
        f"{path}: shape {'×'.join(map(str, found))} (z, y, x); wanted {'×'.join(map(str, wanted))} "
        f"as in the crop, context slices included{hint}"
    )
