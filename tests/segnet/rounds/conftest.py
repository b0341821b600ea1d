"""A small project: one tomogram, its segmentation, its truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from segnet.config.rounds import CropConfig
from segnet.rounds.accept import accept_correction, check_correction
from segnet.rounds.crop import CropRecord, crop_region
from segnet.rounds.regions import Region
from segnet.rounds.tomograms import TomogramRow
from tomoio import ClassTable, read_class_table, read_labels, write_labels, write_volume

CLASSES = Path(__file__).parents[3] / "config" / "classes.tsv"
PIXEL_SIZE = 13.3
ORIGIN = (100.0, -50.0, 7.0)


@dataclass(frozen=True)
class Project:
    root: Path
    classes: ClassTable
    tomogram: TomogramRow
    segmentations: Path
    truth: Path
    image: np.ndarray
    labels: np.ndarray

    def crop(self, region: Region, *, overwrite: bool = False, **settings) -> CropRecord:
        config = CropConfig(**{"context_slices": 3, **settings})
        source = {"segmentations": self.segmentations, "model": "net", "classes": self.classes}
        output = self.root / "crops"
        return crop_region(region, self.tomogram, output, config, **source, overwrite=overwrite)


def paint(project, record, change=lambda labels: None, *, pixel_size=PIXEL_SIZE, origin=None):
    labels = read_labels(project.root / "crops" / record.labels_file).data
    change(labels)
    path = project.root / "painted.mrc"
    place = record.origin_angstrom if origin is None else origin
    write_labels(path, labels, pixel_size, origin_angstrom=place, overwrite=True)
    return path


def accept(project, checked, **settings):
    names = {"round_name": "1.2", "role": "train", "annotator": "A. Person"} | settings
    tables = project.root / "corrections.tsv", project.root / "regions.tsv"
    return accept_correction(checked, *tables, project.root / "store", **names)


def check(project, paths, region_id="r01", **settings):
    return check_correction(project.root / "crops", region_id, paths, project.classes, **settings)


def accept_uncorrected(project, region, role="train"):
    """Cut a region, accept the network's labels of it, return its row."""
    record = project.crop(region)
    checked = check(project, [project.root / "crops" / record.labels_file], region.region_id, role=role)
    return accept(project, checked, role=role).correction


@pytest.fixture
def project(tmp_path) -> Project:
    rng = np.random.default_rng(5)
    image = rng.normal(3, 2, size=(30, 40, 50)).astype(np.float32)
    labels = rng.integers(0, 9, size=image.shape).astype(np.uint8)
    truth = rng.integers(0, 9, size=image.shape).astype(np.uint8)
    place = {"pixel_size_angstrom": PIXEL_SIZE, "origin_angstrom": ORIGIN}
    write_volume(tmp_path / "cell.mrc", image, **place)
    write_labels(tmp_path / "seg" / "cell_labels.mrc", labels, **place)
    write_volume(tmp_path / "seg" / "cell_uncertainty.mrc", np.abs(image), **place)
    write_labels(tmp_path / "truth.mrc", truth, **place)
    row = TomogramRow("cell_1", tmp_path / "cell.mrc")
    return Project(
        tmp_path, read_class_table(CLASSES), row, tmp_path / "seg", tmp_path / "truth.mrc", image, labels
    )


@pytest.fixture
def region() -> Region:
    return Region("1.1", "r01", "cell_1", 10, 5, 8, 6, 20, 30, "unsure of actin")
