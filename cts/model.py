"""`cts model`: draw a specimen, build it, write the model and its truth."""

from __future__ import annotations

from pathlib import Path

from cts.config.specimen import SpecimenConfig
from tomoio import ClassTable


def model_specimen(
    config: SpecimenConfig,
    classes: ClassTable,
    output_dir: Path,
    *,
    seed: int,
    tomogram_id: str,
    store: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Build a specimen and write ``model.mrc``, ``atlas.mrc``, ``instances.mrc``, lists and a manifest.

    Parameters
    ----------
    config
        What to place; ranges are drawn here, and the drawn values go to the manifest.
    classes
        The classes that structures are labelled with.
    output_dir
        Folder to write to.
    seed, tomogram_id
        Together they fix every random number.
    store
        Folder of downloaded structures.
    overwrite
        Replace files that exist.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError
        If a structure, class or file is missing, or the output exists already.
    """
    raise NotImplementedError
