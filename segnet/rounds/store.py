"""The store of accepted corrections: a folder for each, named by what is in it, whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.normalisation import sidecar_path, write_normalisations
from segnet.rounds.crop import PROVENANCE, CropRecord, folder_name
from tomoio import sha256_of, write_labels, write_volume

_logger = logging.getLogger(__name__)


def store_correction(
    parent: Path,
    record: CropRecord,
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    provenance: Mapping[str, Any],
) -> tuple[Path, str]:
    """Write labels.mrc, image.mrc, its normalisation and provenance.json into a folder below ``parent``.

    The folder's name is the start of the checksum of provenance.json, which holds those of the other files:
    another correction, or the same with another role or note, never lands in a folder that is there.

    Parameters
    ----------
    parent
        Folder of all corrections of the region.
    record
        Record of the crop; becomes part of the provenance.
    image, labels
        Volumes (z, y, x) of the crop's shape.
    provenance
        What else to say of the correction; must be fit for JSON.

    Returns
    -------
    The folder and the checksum of the labels.

    Raises
    ------
    OSError
        If the files cannot be written; nothing is stored then.
    """
    parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    try:
        checksum = _write_files(partial, record, image, labels, provenance)
        folder = parent / folder_name(partial / PROVENANCE)
        _move_into_place(partial, folder)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(f"{parent}: {error}; nothing was stored") from error  # a full disk names no file
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder, checksum


def _write_files(
    folder: Path,
    record: CropRecord,
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    provenance: Mapping[str, Any],
) -> str:
    place: dict[str, Any] = {"origin_angstrom": record.origin_angstrom}
    paths = {"labels": folder / "labels.mrc", "image": folder / "image.mrc"}
    write_labels(paths["labels"], labels, record.pixel_size_angstrom, **place)
    write_volume(paths["image"], _mrc_ready(image), record.pixel_size_angstrom, **place)
    write_normalisations(paths["image"], record.normalisations)
    paths["normalisation"] = sidecar_path(paths["image"])
    checksums = {f"{kind}_sha256": sha256_of(path) for kind, path in paths.items()}
    content = {**provenance, **checksums, "crop": asdict(record)}
    (folder / PROVENANCE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return checksums["labels_sha256"]


def _mrc_ready(image: NDArray[Any]) -> NDArray[Any]:
    return image.astype(np.int16) if image.dtype == np.uint8 else image


def _move_into_place(partial: Path, folder: Path) -> None:
    """Move new files to their folder; one that is there but is damaged is set aside, in case it is work."""
    if folder.exists():
        if _same_files(partial, folder):
            return
        aside = _free_name(folder, "damaged")
        os.replace(folder, aside)
        _logger.warning("%s: files were missing or altered; stored anew, what was there is %s", folder, aside)
    partial.chmod(0o755)
    os.replace(partial, folder)


def _same_files(wanted: Path, found: Path) -> bool:
    return all(
        (found / path.name).is_file() and sha256_of(found / path.name) == sha256_of(path)
        for path in wanted.iterdir()
    )


def _free_name(folder: Path, word: str) -> Path:
    names = (folder.with_name(f"{folder.name}-{word}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())
