"""What a PDB file's text has to go through before it is parsed: is it whole, and are its elements there."""

from __future__ import annotations

import re

from cts.residues import guess_element

_COORDINATES = ("ATOM  ", "HETATM")
_IN_THE_ATOMS = (*_COORDINATES, "ANISOU", "SIGATM", "SIGUIJ")
_ELEMENT = slice(76, 78)


def check_whole(text: str) -> None:
    """Check that a PDB file was not cut off.

    Files that lack END are common and pass, unless something else shows that their end is missing.

    Raises
    ------
    ValueError
        If the last record is cut short, a MODEL has no ENDMDL, or an entry of the PDB (which has a header and
        ends with END) ends within its atoms or without any of the chains that it announces.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if not lines:
        return
    _check_last_record(text, lines)
    _check_models(lines)
    if not any(line == "END" for line in lines[-3:]):
        _check_entry(lines)


def with_elements(text: str) -> str:
    """Return a PDB file's text in which every atom has its element in the columns 77 and 78.

    Where these columns are empty, or hold what files of before 1996 have there (the entry's name and the
    number of the line), the element follows from the names of residue and atom.

    Raises
    ------
    ValueError
        If the names of an atom do not give its element.
    """
    return "\n".join(
        _with_element(line) if line.startswith(_COORDINATES) else line for line in text.splitlines()
    )


def _with_element(line: str) -> str:
    if re.fullmatch(r" ?[A-Za-z]{1,2} ?", line[_ELEMENT]):
        return line
    residue, atom = line[17:20].strip(), line[12:16].strip()
    # the names of residues may have a fourth letter, where no format says so
    return f"{line[:76]:76}{guess_element(residue, atom).upper():>2}"


def _check_last_record(text: str, lines: list[str]) -> None:
    if text.endswith(("\n", "\r")):
        return
    last = lines[-1]
    cut_name = len(last) < 6 and any(name.startswith(last) for name in _COORDINATES)
    shortest = min((len(line) for line in lines[:-1] if line.startswith(_COORDINATES)), default=0)
    if cut_name or (last.startswith(_COORDINATES) and len(last) < shortest):
        raise ValueError(f"cut off: its last line, {last!r}, is shorter than any other of its kind")


def _check_models(lines: list[str]) -> None:
    opened = sum(line.startswith("MODEL ") for line in lines)
    closed = sum(line.startswith("ENDMDL") for line in lines)
    if opened > closed:
        raise ValueError(f"cut off: {opened} MODEL records and {closed} ENDMDL")


def _check_entry(lines: list[str]) -> None:
    """Check a file without END that starts as the entries of the PDB do."""
    if not any(line.startswith(("HEADER", "SEQRES")) for line in lines):
        return
    advice = "add a line END if it is complete"
    if lines[-1].startswith(_IN_THE_ATOMS):
        raise ValueError(f"cut off: an entry of the PDB that ends within its atoms; {advice}")
    announced = {line[11] for line in lines if line.startswith("SEQRES") and len(line) > 11}
    missing = announced - {line[21] for line in lines if line.startswith(_COORDINATES) and len(line) > 21}
    if missing:
        names = ", ".join(sorted(missing))
        raise ValueError(f"cut off: no END, and no atoms of chain {names} that SEQRES announces; {advice}")
