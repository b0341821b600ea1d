"""A person who makes no mistakes: corrects a crop from a known truth, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segnet.rounds.crop import CropRecord, read_crop_record
from segnet.rounds.formats import stated_voxel_size
from segnet.rounds.regions import check_region_fits
from tomoio import IGNORE, VolumeReader, write_labels
from tomoio.labels import as_labels

_SIZE_TOLERANCE = 1e-3


def oracle_labels(record: CropRecord, truth: Path) -> NDArray[np.uint8]:
    """Return the true labels of a crop, with 255 in its context slices.

    Parameters
    ----------
    record
        Record of the crop.
    truth
        Label volume of the whole tomogram, such as ``atlas.mrc``.

    Raises
    ------
    ValueError
        If the truth has another voxel size or, where the tomogram is there, another shape than that; if it is
        too small to hold the region.
    """
    region = record.region
    with VolumeReader(truth, pixel_size_angstrom=record.pixel_size_angstrom) as reader:
        _check_voxel_size(truth, record)
        _check_shape(truth, reader.header.shape, record)
        check_region_fits(region, reader.header.shape)
        slices = reader.read(region.z_start, region.z_start + region.z_size)
    core = slices[
        :, region.y_start : region.y_start + region.y_size, region.x_start : region.x_start + region.x_size
    ]
    labels = np.full(record.shape, IGNORE, dtype=np.uint8)
    labels[record.core] = as_labels(core, str(truth))
    return labels


def _check_voxel_size(truth: Path, record: CropRecord) -> None:
    stated, wanted = stated_voxel_size(truth), record.pixel_size_angstrom
    if stated is not None and abs(stated / wanted - 1) > _SIZE_TOLERANCE:
        raise ValueError(
            f"{truth}: voxel size {stated:g} Å; wanted {wanted:g} Å as in {record.tomogram_path}"
        )


def _check_shape(truth: Path, found: tuple[int, int, int], record: CropRecord) -> None:
    """Raise ValueError unless the truth is that of the whole tomogram: elsewhere its box is another place."""
    if not Path(record.tomogram_path).is_file():
        return
    with VolumeReader(record.tomogram_path, pixel_size_angstrom=record.pixel_size_angstrom) as tomogram:
        wanted = tomogram.header.shape
    if found != wanted:
        raise ValueError(f"{truth}: shape {found} (z, y, x); wanted {wanted} as in {record.tomogram_path}")


def correct_from_truth(
    crop_dir: Path, region_id: str, truth: Path, output: Path, *, overwrite: bool = False
) -> None:
    """Write the true labels of a crop to ``output`` as if a person had painted them."""
    record = read_crop_record(crop_dir / f"{region_id}.json")
    write_labels(
        output,
        oracle_labels(record, truth),
        record.pixel_size_angstrom,
        origin_angstrom=record.origin_angstrom,
        overwrite=overwrite,
    )
