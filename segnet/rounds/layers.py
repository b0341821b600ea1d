"""A correction as labels of the crop: one label volume, or layers over the network's labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoio import BACKGROUND, IGNORE, ClassTable
from tomoio.labels import as_labels

_IGNORE_NAME = re.compile(r"(?i:ignore)(?!d(?![a-z])|D(?![A-Za-z])).*")  # the word ``ignored`` is another
_LAYER_NAME = re.compile(r"(add|remove)([ _-]*)(.*)", re.IGNORECASE)


def is_layer(path: Path | str, classes: ClassTable) -> bool:
    """Return whether a file name is that of an add, remove or ignore layer.

    Without a separator, as in ``AddActin``, what follows must be a class: ``additional.nrrd`` is no layer.
    Neither is ``ignored_parts.mrc``.
    """
    stem = Path(path).stem
    match = _LAYER_NAME.fullmatch(stem)
    named = match is not None and (bool(match[2]) or find_class(match[3], classes) is not None)
    return named or _IGNORE_NAME.fullmatch(stem) is not None


def find_class(name: str, classes: ClassTable) -> str | None:
    """Return the class that a name means in whatever case it is; None where it means none or several."""
    if name in classes.names:
        return name
    found = [known for known in classes.names if known.casefold() == name.casefold()]
    return found[0] if len(found) == 1 else None


def parse_layer_name(path: Path | str, classes: ClassTable) -> tuple[str, str]:
    """Return (action, class name) of a layer such as ``Add_actin.nrrd`` or ``ignore.tif``.

    Raises
    ------
    ValueError
        If the name is not that of a layer, or names no class of the table.
    """
    stem = Path(path).stem
    if _IGNORE_NAME.fullmatch(stem):
        return "ignore", ""
    match = _LAYER_NAME.fullmatch(stem)
    if match is None:
        raise ValueError(f"{path}: not a layer; wanted add_CLASS, remove_CLASS or ignore with a suffix")
    name = find_class(match[3], classes)
    if name is None:
        raise ValueError(f"{path}: layer of class {match[3]!r}; wanted one of {', '.join(classes.names)}")
    return match[1].lower(), name


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


def combine(
    paths: Sequence[Path], volumes: Sequence[NDArray[Any]], seed: NDArray[np.uint8], classes: ClassTable
) -> NDArray[np.uint8]:
    """Return the labels of a correction: its one label volume, or any number of layers over ``seed``.

    Parameters
    ----------
    paths
        The files, whose names tell layers from a label volume. Layers of one name, from different folders,
        count together.
    volumes
        Their contents (z, y, x), of the shape of ``seed``.
    seed
        Labels of the network.
    classes
        The class table.

    Raises
    ------
    ValueError
        If there is more than one label volume, or layers and label volumes are mixed.
    """
    if all(is_layer(path, classes) for path in paths):
        layers: dict[tuple[str, str], NDArray[np.bool_]] = {}
        for path, volume in zip(paths, volumes, strict=True):
            key = parse_layer_name(path, classes)
            layers[key] = layers.get(key, np.zeros(seed.shape, bool)) | (volume > 0)
        return apply_layers(seed, layers, classes)
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{names}: several label volumes; wanted one, or only add_, remove_, ignore layers")
    return as_labels(volumes[0], str(paths[0]), classes)


def check_segments(
    path: Path, segments: Mapping[str, int], lookup: NDArray[np.uint8], classes: ClassTable
) -> None:
    """Raise ValueError if a segment that is named after a class has the label of something else.

    ``lookup`` (256,) takes the labels of the file to those of the table.
    """
    for name, label in segments.items():
        known = find_class(name, classes)
        if known is not None and not (0 <= label <= IGNORE and lookup[label] == classes.label_of(known)):
            raise ValueError(
                f"{path}: segment {name!r} has label {label}; wanted {classes.label_of(known)} as in the "
                f"class table (give --map {label}={known}, or name the segment otherwise)"
            )
