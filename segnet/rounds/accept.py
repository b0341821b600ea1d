"""Check a correction, show what it changed, store it for good, and add its row to corrections.tsv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.config.rounds import round_key
from segnet.remap import label_lookup
from segnet.rounds.class_numbers import check_class_names, class_numbers, renamed_labels
from segnet.rounds.corrections import Correction, find_correction, put_correction, read_corrections
from segnet.rounds.crop import PROVENANCE, CropRecord, read_crop_image, read_crop_record, read_seed_labels
from segnet.rounds.formats import read_any
from segnet.rounds.layers import check_segments, combine, is_layer
from segnet.rounds.overlaps import check_overlap, place_of, place_of_crop
from segnet.rounds.place import describe_turn, place_in_crop
from segnet.rounds.regions import add_region, check_same_box, read_regions
from segnet.rounds.store import store_correction
from segnet.rounds.tables import check_writable
from tomoio import BACKGROUND, IGNORE, ClassTable
from tomoio.labels import as_labels


@dataclass(frozen=True)
class ClassChange:
    """What a correction did to one class, in voxels."""

    name: str
    before: int
    after: int
    added: int
    removed: int


@dataclass(frozen=True)
class CheckedCorrection:
    """A correction that passed all checks; ``labels`` and ``image`` (z, y, x) have the shape of the crop."""

    record: CropRecord
    image: NDArray[Any]
    labels: NDArray[np.uint8]
    changes: tuple[ClassChange, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Acceptance:
    """What was stored.

    ``replaced`` is the row that it took the place of, whose files are kept; ``notes`` name corrections that
    say something else of the same voxels.
    """

    correction: Correction
    checked: CheckedCorrection
    replaced: Correction | None
    notes: tuple[str, ...]


def check_correction(
    crop_dir: Path,
    region_id: str,
    paths: Sequence[Path],
    classes: ClassTable,
    *,
    role: str = "train",
    mapping: Sequence[tuple[str, str]] = (),
) -> CheckedCorrection:
    """Read a correction and compare it with the crop that it belongs to.

    Parameters
    ----------
    crop_dir
        Folder that `crop_region` wrote.
    region_id
        Which crop.
    paths
        One label volume, or layers (see `combine`), of the crop's shape or of its labelled slices alone. A
        hard negative needs none; of one that is given the 255 (ignore) are kept.
    classes
        The class table; any other label is refused.
    role
        train, held_out or hard_negative. A hard negative is background wherever it is not ignored.
    mapping
        Pairs (old, new) that take the labels of a volume to those of the table (see `label_lookup`).

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing, shape, labels, voxel size, place or checksum are not those of the crop, or a
        label has another name now than when the crop was cut.
    """
    record = read_crop_record(crop_dir / f"{region_id}.json")
    seed = read_seed_labels(crop_dir, record)
    image = read_crop_image(crop_dir, record)
    if not paths and role != "hard_negative":
        raise ValueError(
            f"region {region_id}: no corrected labels; wanted what segnet correct {region_id} saves, "
            "one label volume, or layers"
        )
    if role != "hard_negative":  # of which no class is kept
        _check_seed(crop_dir / record.labels_file, seed, record, classes)
    corrected, notes = _read_correction(paths, seed, record, classes, mapping) if paths else (seed, [])
    corrected, painted = _ignore_context(corrected, record)
    turned = describe_turn(corrected[record.core], seed[record.core])
    notes += [note for note in (painted, turned) if note]
    if role == "hard_negative":
        notes += _name_dropped(corrected) if paths else []
        corrected = np.where(corrected == IGNORE, IGNORE, BACKGROUND).astype(np.uint8)
    as_labels(corrected, ", ".join(map(str, paths)), classes)
    if (corrected == IGNORE).all():
        notes.append("all voxels are 255 (ignore): nothing can be learnt from them, and nothing scored")
    changes = count_changes(seed[record.core], corrected[record.core], classes)
    if not any(change.added or change.removed for change in changes):
        notes.append("no voxel differs from the network's labels")
    record = replace(record, class_labels=class_numbers(classes))  # of these labels from now on
    return CheckedCorrection(record, image, corrected, changes, tuple(notes))


def _check_seed(path: Path, seed: NDArray[np.uint8], record: CropRecord, classes: ClassTable) -> None:
    advice = (
        f"run segnet crop {record.region_id} --overwrite once a network that is trained with this table has "
        "labelled the tomogram, or now with --segmentations none, which starts from empty labels"
    )
    check_class_names(str(path), seed, renamed_labels(record.class_labels, classes), advice)


def _name_dropped(labels: NDArray[np.uint8]) -> list[str]:
    dropped = int(np.count_nonzero((labels != BACKGROUND) & (labels != IGNORE)))
    return [f"a hard negative: {dropped:,} voxels with a class become background"] if dropped else []


def _read_correction(
    paths: Sequence[Path],
    seed: NDArray[np.uint8],
    record: CropRecord,
    classes: ClassTable,
    mapping: Sequence[tuple[str, str]],
) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the labels of a correction in the shape of the crop, and notes on its files."""
    layers = all(is_layer(path, classes) for path in paths)
    if layers and mapping:
        raise ValueError(f"{paths[0]}: a layer, whose name gives its class; wanted a label volume with --map")
    lookup = label_lookup(mapping, classes)
    placed, notes = [], []
    for path in paths:
        volume = read_any(path)
        data, said = place_in_crop(path, volume, record, BACKGROUND if layers else IGNORE)
        if not layers:
            if not mapping:
                _check_names(path, data, record, classes)
            check_segments(path, volume.segments, lookup, classes)
            data = lookup[as_labels(data, str(path))]
        placed.append(data)
        notes += said
    return combine(paths, placed, seed, classes), notes


def _check_names(path: Path, labels: NDArray[Any], record: CropRecord, classes: ClassTable) -> None:
    """Raise unless labels mean what they did when they were stored or, if others, when the crop was cut."""
    provenance = path.with_name(PROVENANCE)
    source = read_crop_record(provenance) if provenance.is_file() else record
    renamed = renamed_labels(source.class_labels, classes)
    check_class_names(str(path), labels, renamed, "say what the numbers mean with --map OLD=NEW")


def _ignore_context(labels: NDArray[np.uint8], record: CropRecord) -> tuple[NDArray[np.uint8], str | None]:
    """Return labels with 255 in the context slices, and a note that names those that held something else."""
    kept = np.full_like(labels, IGNORE)
    kept[record.core] = labels[record.core]
    touched = np.flatnonzero((kept != labels).any(axis=(1, 2)))
    if not touched.size:
        return kept, None
    numbers = ", ".join(str(number) for number in touched.tolist())
    return kept, f"context slices {numbers} of the crop (from 0) were painted; they stay 255 (ignore)"


def count_changes(
    before: NDArray[np.uint8], after: NDArray[np.uint8], classes: ClassTable
) -> tuple[ClassChange, ...]:
    """Count the voxels that each class and ``ignore`` gained and lost; classes in neither are left out."""
    pairs = np.bincount(before.ravel().astype(np.int64) * 256 + after.ravel(), minlength=65536)
    table = pairs.reshape(256, 256)
    names = {entry.label: entry.name for entry in classes} | {IGNORE: "ignore"}
    changes = []
    for label, name in names.items():
        old, new, kept = int(table[label].sum()), int(table[:, label].sum()), int(table[label, label])
        if old or new:
            changes.append(ClassChange(name, old, new, new - kept, old - kept))
    return tuple(changes)


def accept_correction(
    checked: CheckedCorrection,
    table: Path,
    regions_table: Path,
    store: Path,
    *,
    round_name: str,
    role: str,
    annotator: str,
    note: str = "",
    replace: bool = False,
) -> Acceptance:
    """Store a checked correction, put its row into corrections.tsv and its box into regions.tsv.

    The files go to ``store/{round}/{region_id}/{checksum}/`` (see `store_correction`), so an earlier
    acceptance of the region is never overwritten; the row is what decides which of them counts. All that can
    be refused is refused before anything is stored.

    Raises
    ------
    FileExistsError
        If the region was accepted already and ``replace`` is not set.
    ValueError
        If the round is not one, training and held-out regions would share voxels, or regions.tsv has another
        box under this id.
    OSError
        If a table or the store cannot be written, or nothing says where an earlier correction lies.
    """
    round_key(round_name)  # it names a folder
    rows = read_corrections(table) if table.is_file() else ()
    record = checked.record
    earlier = find_correction(rows, record.region_id)
    if earlier is not None and not replace:
        raise FileExistsError(
            f"region {record.region_id} was accepted already ({earlier.labels_path}); "
            "pass --replace to use this correction in its place, the old one is kept"
        )
    regions = read_regions(regions_table) if regions_table.is_file() else ()
    others = [place_of(row, regions) for row in rows if row is not earlier]
    found = [check_overlap(place_of_crop(record, role), other) for other in others]
    notes = tuple(note for note in found if note)
    check_same_box(regions_table, regions, record.region)
    for path in (regions_table, table):
        check_writable(path)
    provenance = {
        "round": round_name,
        "role": role,
        "annotator": annotator,
        "note": note,
        "changes": [asdict(change) for change in checked.changes],
        "notes": [*checked.notes, *notes],
    }
    parent = store / round_name / record.region_id
    folder, checksum = store_correction(parent, record, checked.image, checked.labels, provenance)
    path = folder / "labels.mrc"
    correction = Correction(round_name, record.region_id, role, path, checksum, record.model, annotator, note)
    add_region(regions_table, record.region)
    put_correction(table, correction)
    return Acceptance(correction, checked, earlier, notes)
