"""Reading a folder of CTS-named structure files into rows of structures.tsv."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cts.config.structures import StructureRow
from cts.structure import Structure
from cts.structure_files import is_structure_file, read_structure_file

LOGGER = logging.getLogger(__name__)

# the paper divides large from small at this mass
_LARGE_DA = 200_000
_DISTRACTOR_MARK = "distract"
_PLACEMENTS = ("complex", "assembly", "bundle", "cluster", "membrane", "vesicle", "cytosol")
# flags that old releases of CTS knew
_OLD_PLACEMENTS = {"memplex": "membrane", "inmem": "vesicle", "outmem": "cytosol"}
_FLAGS = {*_PLACEMENTS, *_OLD_PLACEMENTS, "group", "single", "distract"}


@dataclass(frozen=True)
class CtsName:
    """What a CTS file name says.

    Attributes
    ----------
    class_ids
        Leading parts of the name, one for each submodel in order.
    placement
        The first flag that says how to place it; ``single`` without one.
    other_placements
        What further flags ask for.
    is_distractor
        Whether ``distract`` stands anywhere in the name.
    """

    class_ids: tuple[str, ...]
    placement: str
    other_placements: tuple[str, ...]
    is_distractor: bool


def parse_cts_name(name: str) -> CtsName:
    """Read a CTS file name: class ids, flags and free text, separated by ``.`` or ``__``.

    Tokens before the first flag are class ids; what follows the flags is free text. Hyphens become
    underscores, and an id that starts with a digit gets ``fix_`` in front.

    Examples
    --------
    >>> parse_cts_name("kinase__hub__CaMK2_5u6y.complex.vesicle.pdb").placement
    'complex'
    """
    stem = re.sub(r"\.(pdb1?|ent|cif|mmcif|mrc|map)(\.gz)?$", "", name, flags=re.IGNORECASE)
    tokens = [token for token in re.split(r"\.|__", stem) if token]
    flags = [token.lower() for token in tokens if token.lower() in _FLAGS]
    first = next((i for i, token in enumerate(tokens) if token.lower() in _FLAGS), len(tokens))
    placements = [_OLD_PLACEMENTS.get(flag, flag) for flag in flags]
    placements = [placement for placement in placements if placement in _PLACEMENTS]
    return CtsName(
        class_ids=tuple(_clean(token) for token in tokens[:first]) or (_clean(tokens[0]),),
        placement=placements[0] if placements else "single",
        other_placements=tuple(p for p in dict.fromkeys(placements) if p != placements[0]),
        is_distractor=_DISTRACTOR_MARK in name.lower(),
    )


def import_folder(folder: Path, renamed: Mapping[str, str]) -> tuple[StructureRow, ...]:
    """Turn the structure files of a folder into rows, in the order of their names.

    Classes come from the mmCIF data blocks of a file where it has several, otherwise from its name; the large
    are those of 200 kDa and more. Files of other kinds are named in a warning and left out.

    Parameters
    ----------
    folder
        Folder with CTS-named ``.pdb``, ``.cif`` or ``.mrc`` files.
    renamed
        Class names of ours for class ids of theirs.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds no structure files, or one cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    for path in paths:
        if not is_structure_file(path):
            LOGGER.warning("%s: left out; wanted PDB, mmCIF or MRC (import the file it was made from)", path)
    rows = [import_file(path, renamed) for path in paths if is_structure_file(path)]
    if not rows:
        raise ValueError(f"{folder}: no structure files; wanted .pdb, .cif or .mrc")
    return tuple(rows)


def import_file(path: Path, renamed: Mapping[str, str]) -> StructureRow:
    """Turn one CTS-named file into a row."""
    name = parse_cts_name(path.name)
    # the frame does not matter here, only submodels and mass
    probe = StructureRow.model_validate(
        {
            "structure_id": _identifier(path),
            "source": f"file:{path}",
            "class": ("background",),
            "role": "target",
            "size": "large",
            "placement": "single",
        }
    )
    (structure,) = read_structure_file(path, probe)
    if name.other_placements:
        LOGGER.warning(
            "%s: flags %s and %s: a structure has one placement, %s was taken; CTS alternates between them",
            path,
            name.placement,
            ", ".join(name.other_placements),
            name.placement,
        )
    return probe.model_copy(
        update={
            "classes": ("background",) if name.is_distractor else _classes(name, structure, renamed),
            "role": "distractor" if name.is_distractor else "target",
            "size": "large" if structure.mass_da >= _LARGE_DA else "small",
            "placement": name.placement,
            "note": path.name,
        }
    )


def _classes(name: CtsName, structure: Structure, renamed: Mapping[str, str]) -> tuple[str, ...]:
    count = len(structure.submodels)
    own = [_clean(re.sub(r"_[0-9]$", "", part.name).replace(".", "")) for part in structure.submodels]
    ids: Sequence[str] = (
        own if count > 1 and len(set(own)) > 1 and not _numbered(structure) else name.class_ids
    )
    padded = [*ids, *[ids[-1]] * count][:count]
    classes = tuple(renamed.get(identifier, identifier) for identifier in padded)
    return classes[:1] if len(set(classes)) == 1 else classes


def _numbered(structure: Structure) -> bool:
    """Whether the submodels are MODEL blocks, which have numbers and no names."""
    stems = {re.sub(r"_[0-9]+$", "", part.name) for part in structure.submodels}
    return len(stems) == 1


def _clean(token: str) -> str:
    identifier = token.replace("-", "_")
    return f"fix_{identifier}" if identifier[:1].isdigit() else identifier


def _identifier(path: Path) -> str:
    stem = re.sub(r"(\.(pdb1?|ent|cif|mmcif|mrc|map))?(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9_.-]", "_", stem).lstrip("_.-")
