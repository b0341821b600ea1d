"""Cut a region out of a tomogram: image, the network's labels, and where all of it belongs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from segnet.config.rounds import CropConfig
from segnet.normalisation import Normalisation, measure
from segnet.rounds.class_numbers import class_numbers
from segnet.rounds.formats import SUFFIXES, read_any, write_any
from segnet.rounds.regions import Region, check_region_fits
from segnet.rounds.tomograms import TomogramRow, segmentation_file
from tomoio import BACKGROUND, IGNORE, ClassTable, VolumeHeader, VolumeReader, new_file, sha256_of
from tomoio.labels import as_labels

PROVENANCE = "provenance.json"  # of an accepted correction; holds the record of its crop
_STATISTICS_SLICES = 16
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CropRecord:
    """Where a crop belongs and what it came from: the JSON file beside it.

    ``start_voxels`` and ``size_voxels`` (z, y, x) are the labelled region in the tomogram; the files hold
    ``context_before`` and ``context_after`` further slices. Mean, standard deviation, median and robust
    deviation (1.4826 MAD) are those of the whole tomogram, so that a network sees the crop with the grey
    values that it sees in the tomogram. ``class_labels`` are the numbers of the classes, by name, in the
    labels beside it. These, the median and the robust deviation are missing from records of earlier versions.
    """

    round: str
    region_id: str
    tomogram_id: str
    tomogram_path: str
    contrast: str
    pixel_size_angstrom: float
    origin_angstrom: tuple[float, float, float]
    start_voxels: tuple[int, int, int]
    size_voxels: tuple[int, int, int]
    context_before: int
    context_after: int
    tomogram_mean: float
    tomogram_standard_deviation: float
    model: str
    reason: str
    image_file: str
    labels_file: str
    uncertainty_file: str
    image_sha256: str
    labels_sha256: str
    tomogram_median: float | None = None
    tomogram_robust_deviation: float | None = None
    class_labels: dict[str, int] | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")  # of the type adapter in `read_crop_record`

    @property
    def normalisations(self) -> tuple[Normalisation, ...]:
        """What takes the crop to the grey values of training: protein dark, as in `segnet.tomogram`."""
        sign = -1 if self.contrast == "bright" else 1
        zscore = Normalisation(
            method="zscore", centre=sign * self.tomogram_mean, spread=self.tomogram_standard_deviation
        )
        if self.tomogram_median is None or self.tomogram_robust_deviation is None:
            return (zscore,)
        centre, spread = sign * self.tomogram_median, self.tomogram_robust_deviation
        return zscore, Normalisation(method="robust", centre=centre, spread=spread)

    @property
    def shape(self) -> tuple[int, int, int]:
        depth, height, width = self.size_voxels
        return self.context_before + depth + self.context_after, height, width

    @property
    def core(self) -> slice:
        """The labelled slices of the crop, without context."""
        return slice(self.context_before, self.context_before + self.size_voxels[0])

    @property
    def region(self) -> Region:
        return Region(
            self.round, self.region_id, self.tomogram_id, *self.start_voxels, *self.size_voxels, self.reason
        )


def read_crop_record(path: Path | str) -> CropRecord:
    """Read the JSON file of a crop or the provenance of an accepted one.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is not such a file.
    """
    path = Path(path)
    if not path.is_file():
        advice = (
            "it belongs to an accepted correction; bring it back, or accept that anew with --replace"
            if path.name == PROVENANCE
            else f"no such crop; make it with segnet crop {path.stem}"
        )
        raise FileNotFoundError(f"{path}: no such file; {advice}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"{type(values).__name__}; wanted an object")
        record = TypeAdapter(CropRecord).validate_json(json.dumps(values.get("crop", values)), strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path}: not the record of a crop ({key}: {fault['msg']})") from error
    except ValueError as error:
        raise ValueError(f"{path}: not the record of a crop ({error})") from error
    return record


def folder_name(provenance: Path) -> str:
    """Return the name of the folder that holds an accepted correction with this provenance."""
    return sha256_of(provenance)[:12]


def crop_region(
    region: Region,
    tomogram: TomogramRow,
    output_dir: Path,
    config: CropConfig,
    *,
    segmentations: Path | None = None,
    model: str = "",
    classes: ClassTable | None = None,
    overwrite: bool = False,
) -> CropRecord:
    """Write ``{region_id}_image``, ``_labels``, ``_uncertainty`` (where there is one), ``{region_id}.json``.

    Image and labels have one shape: the region plus ``config.context_slices`` above and below, fewer at the
    ends of the tomogram. Labels of the context slices are 255. Without a segmentation, labels are background.

    Parameters
    ----------
    region
        What to cut out; context is added here.
    tomogram
        Row of the tomogram that the region lies in.
    output_dir
        Folder for the files.
    config
        Context and file format.
    segmentations
        Folder with ``{stem}_labels.mrc`` and, where there is one, ``{stem}_uncertainty.mrc``.
    model
        Name of the network whose labels these are; recorded.
    classes
        Class table of these labels, where it is known; recorded.
    overwrite
        Replace an earlier crop.

    Raises
    ------
    ValueError
        If the region reaches beyond the tomogram, or the segmentation has another shape.
    FileExistsError
        If the crop exists and ``overwrite`` is not set.
    """
    with VolumeReader(tomogram.path, pixel_size_angstrom=tomogram.pixel_size_angstrom) as reader:
        header = reader.header
        check_region_fits(region, header.shape)
        first, last = _slices_with_context(region, config.context_slices, header.shape[0])
        image = _window(reader.read(first, last), region)
        statistics = _measure_whole(reader, tomogram)
    record = _make_record(region, tomogram, header, first, last, statistics, config.format, model)
    record = replace(record, class_labels=class_numbers(classes) if classes else None)
    files = {record.image_file: image}
    labels = _read_map(segmentations, tomogram, "labels", region, header.shape, (first, last))
    if labels is None:
        _logger.warning("%s: no segmentation of %s; its labels start empty", region.region_id, tomogram.path)
        labels = np.full(image.shape, BACKGROUND)
        record = replace(record, model="", class_labels=None)
    files[record.labels_file] = _with_ignored_context(as_labels(labels, "segmentation"), record)
    uncertainty = _read_map(segmentations, tomogram, "uncertainty", region, header.shape, (first, last))
    if uncertainty is not None:
        record = replace(record, uncertainty_file=record.labels_file.replace("_labels", "_uncertainty"))
        files[record.uncertainty_file] = uncertainty.astype(np.float32)
    return _write_crop(output_dir, files, record, overwrite)


def _slices_with_context(region: Region, context: int, depth: int) -> tuple[int, int]:
    return max(0, region.z_start - context), min(depth, region.z_start + region.z_size + context)


def _window(slices: NDArray[Any], region: Region) -> NDArray[Any]:
    return np.ascontiguousarray(
        slices[
            :,
            region.y_start : region.y_start + region.y_size,
            region.x_start : region.x_start + region.x_size,
        ]
    )


def _measure_whole(reader: VolumeReader, tomogram: TomogramRow) -> dict[str, float]:
    """Return the grey-value statistics of `CropRecord`."""

    def slabs() -> Iterator[NDArray[Any]]:
        depth = reader.header.shape[0]
        return (reader.read(z, z + _STATISTICS_SLICES) for z in range(0, depth, _STATISTICS_SLICES))

    zscore = measure(slabs(), "zscore", str(tomogram.path))
    robust = measure(slabs(), "robust", str(tomogram.path))
    return {
        "tomogram_mean": zscore.centre,
        "tomogram_standard_deviation": zscore.spread,
        "tomogram_median": robust.centre,
        "tomogram_robust_deviation": robust.spread,
    }


def _make_record(
    region: Region,
    tomogram: TomogramRow,
    header: VolumeHeader,
    first: int,
    last: int,
    statistics: dict[str, float],
    file_format: str,
    model: str,
) -> CropRecord:
    step = header.pixel_size_angstrom
    corner_xyz = (region.x_start, region.y_start, first)
    origin = tuple(
        round(o + index * step, 4) for o, index in zip(header.origin_angstrom, corner_xyz, strict=True)
    )
    suffix = SUFFIXES[file_format]
    return CropRecord(
        round=region.round,
        region_id=region.region_id,
        tomogram_id=region.tomogram_id,
        tomogram_path=str(tomogram.path),
        contrast=tomogram.contrast,
        pixel_size_angstrom=step,
        origin_angstrom=(origin[0], origin[1], origin[2]),
        start_voxels=region.start,
        size_voxels=region.size,
        context_before=region.z_start - first,
        context_after=last - region.z_start - region.z_size,
        **statistics,
        model=model,
        reason=region.reason,
        image_file=f"{region.region_id}_image{suffix}",
        labels_file=f"{region.region_id}_labels{suffix}",
        uncertainty_file="",
        image_sha256="",
        labels_sha256="",
        class_labels=None,
    )


def _read_map(
    segmentations: Path | None,
    tomogram: TomogramRow,
    kind: str,
    region: Region,
    shape: tuple[int, int, int],
    slices: tuple[int, int],
) -> NDArray[Any] | None:
    path = segmentation_file(segmentations, tomogram, kind) if segmentations is not None else None
    if path is None:
        return None
    with VolumeReader(path, pixel_size_angstrom=tomogram.pixel_size_angstrom) as reader:
        if reader.header.shape != shape:
            raise ValueError(f"{path}: shape {reader.header.shape}; wanted {shape} as in {tomogram.path}")
        return _window(reader.read(*slices), region)


def _with_ignored_context(labels: NDArray[np.uint8], record: CropRecord) -> NDArray[np.uint8]:
    labels = labels.copy()
    labels[: record.core.start] = IGNORE
    labels[record.core.stop :] = IGNORE
    return labels


def _write_crop(
    output_dir: Path, files: dict[str, NDArray[Any]], record: CropRecord, overwrite: bool
) -> CropRecord:
    target = output_dir / f"{record.region_id}.json"
    with new_file(target, overwrite=overwrite) as partial:  # refuses before anything is written
        for name, data in files.items():
            write_any(
                output_dir / name,
                _storable(data),
                record.pixel_size_angstrom,
                origin_angstrom=record.origin_angstrom,
                overwrite=overwrite,
            )
        record = replace(
            record,
            image_sha256=sha256_of(output_dir / record.image_file),
            labels_sha256=sha256_of(output_dir / record.labels_file),
        )
        partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    return record


def _storable(data: NDArray[Any]) -> NDArray[Any]:
    """Return half-precision images as float32, which every program reads."""
    return data.astype(np.float32) if data.dtype == np.float16 else data


def read_seed_labels(crop_dir: Path, record: CropRecord) -> NDArray[np.uint8]:
    """Return the network's labels of a crop; ValueError if the file was edited since it was cut."""
    path = crop_dir / record.labels_file
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make it with segnet crop {record.region_id}")
    if sha256_of(path) != record.labels_sha256:
        raise ValueError(
            f"{path}: changed since it was cut; wanted the network's labels there. Keep your work under "
            f"another name, run segnet crop {record.region_id} --overwrite, and accept the other file"
        )
    return as_labels(read_any(path).data, str(path))


def read_crop_image(crop_dir: Path, record: CropRecord) -> NDArray[Any]:
    """Return the image of a crop; ValueError if the file was edited since it was cut."""
    path = crop_dir / record.image_file
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make it with segnet crop {record.region_id}")
    if sha256_of(path) != record.image_sha256:
        raise ValueError(f"{path}: changed since it was cut; wanted the image as segnet crop wrote it")
    return read_any(path).data
