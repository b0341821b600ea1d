"""Crops of the regions that a round proposes; what someone edited in place is never replaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from segnet.config.rounds import CropConfig
from segnet.rounds.crop import crop_region, read_crop_record
from segnet.rounds.layout import model_name
from segnet.rounds.propose import labelling_classes
from segnet.rounds.regions import read_regions
from segnet.rounds.tomograms import TomogramRow, find_tomogram, labelling_model
from tomoio import ClassTable, new_file, sha256_of

log = logging.getLogger(__name__)


def crop_proposals(
    proposals: Path,
    tomograms: Sequence[TomogramRow],
    segmentations: Path,
    model: Path,
    classes: ClassTable,
    config: CropConfig,
    done: Path,
) -> None:
    """Cut every proposed region beside ``done``, then write ``done``: a list of the crops.

    Parameters
    ----------
    proposals
        Table of regions that `segnet propose` wrote.
    tomograms
        Rows of the tomograms that the regions lie in.
    segmentations
        Folder with the labels that a person starts from.
    model
        Folder of the round's network, which made them unless the tomogram's row names another.
    classes
        Class table of labels whose network says nothing of its classes.
    config
        Context and format of the crops.
    done
        Text file that is written last.
    """
    regions = read_regions(proposals)
    for region in regions:
        if _is_edited(done.parent, region.region_id):
            log.warning("%s: its labels were edited in place; the crop is kept as it is", region.region_id)
            continue
        tomogram = find_tomogram(tomograms, region.tomogram_id, proposals)
        network = labelling_model(tomogram, model)
        crop_region(
            region,
            tomogram,
            done.parent,
            config,
            segmentations=segmentations,
            model=model_name(network),
            classes=labelling_classes(network, classes),
            overwrite=True,
        )
    with new_file(done, overwrite=True) as partial:
        partial.write_text("".join(f"{region.region_id}\n" for region in regions), encoding="utf-8")


def _is_edited(folder: Path, region_id: str) -> bool:
    record_path = folder / f"{region_id}.json"
    if not record_path.is_file():
        return False
    record = read_crop_record(record_path)
    labels = folder / record.labels_file
    return labels.is_file() and sha256_of(labels) != record.labels_sha256
