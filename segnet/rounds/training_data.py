"""Corrections as parts of a training block."""

from __future__ import annotations

from collections.abc import Iterable

from segnet.block import BlockSource
from segnet.rounds.corrections import Correction
from segnet.rounds.crop import read_crop_record


def block_sources(corrections: Iterable[Correction]) -> tuple[BlockSource, ...]:
    """Return corrections as sources of `segnet.block.make_block`, named by their regions.

    Hard negatives keep their domain; train and held-out rows are real data. Grey values are normalised as in
    the tomograms that the crops were cut from.
    """
    return tuple(
        BlockSource(
            tomogram=row.image_path,
            labels=row.labels_path,
            domain="hard_negative" if row.role == "hard_negative" else "real",
            contrast=read_crop_record(row.provenance_path).contrast,
            name=row.region_id,
        )
        for row in corrections
    )
