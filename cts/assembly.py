"""Biological assemblies: which chains of a file are copied, and by which operations."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gemmi
import numpy as np
from numpy.typing import NDArray

_GENERATORS = ("assembly_id", "oper_expression", "asym_id_list")
_MATRIX = tuple(f"matrix[{row}][{column}]" for row in (1, 2, 3) for column in (1, 2, 3))
_VECTOR = tuple(f"vector[{row}]" for row in (1, 2, 3))


@dataclass(frozen=True)
class Operation:
    """A rotation (3, 3) on xyz columns, and the shift that follows it, Å."""

    rotation: NDArray[np.float64]
    shift_angstrom: NDArray[np.float64]

    def after(self, first: Operation) -> Operation:
        """Return the operation that does ``first`` and then this one."""
        shift = self.rotation @ first.shift_angstrom + self.shift_angstrom
        return Operation(self.rotation @ first.rotation, shift)


@dataclass(frozen=True)
class Generator:
    """Chains and the operations that copy them.

    Attributes
    ----------
    column
        Which names of an atom the chains are: ``chains`` in PDB files, ``subchains`` in mmCIF.
    chains, operations
        What is copied, and how.
    """

    column: Literal["chains", "subchains"]
    chains: tuple[str, ...]
    operations: tuple[Operation, ...]


Assemblies = dict[str, tuple[Generator, ...]]


def assemblies_of_pdb(structure: gemmi.Structure) -> Assemblies:
    """Return the assemblies of a PDB file (BIOMT records of REMARK 350) by their names."""
    return {
        assembly.name: tuple(
            Generator(
                "chains",
                tuple(generator.chains),
                tuple(_operation_of(operator.transform) for operator in generator.operators),
            )
            for generator in assembly.generators
        )
        for assembly in structure.assemblies
    }


def assemblies_of_mmcif(block: gemmi.cif.Block) -> Assemblies:
    """Return the assemblies of an mmCIF data block by their names.

    Read here rather than by gemmi, which takes only the first group of a product such as ``(X0)(1-60)``.

    Raises
    ------
    ValueError
        If an expression names an operation that the file does not list.
    """
    operations = {
        gemmi.cif.as_string(row[0]): Operation(
            np.array([gemmi.cif.as_number(row[i]) for i in range(1, 10)]).reshape(3, 3),
            np.array([gemmi.cif.as_number(row[i]) for i in range(10, 13)]),
        )
        for row in block.find("_pdbx_struct_oper_list.", ["id", *_MATRIX, *_VECTOR])
    }
    found: dict[str, list[Generator]] = {}
    for row in block.find("_pdbx_struct_assembly_gen.", list(_GENERATORS)):
        name, expression, chains = (gemmi.cif.as_string(row[i]) for i in range(3))
        names = tuple(chain.strip() for chain in chains.split(",") if chain.strip())
        own = tuple(_combined(names, operations) for names in operation_names(expression))
        found.setdefault(name, []).append(Generator("subchains", names, own))
    return {name: tuple(generators) for name, generators in found.items()}


def operation_names(expression: str) -> list[tuple[str, ...]]:
    """Return the operations that an ``oper_expression`` asks for, each a chain of names.

    ``1,2,5`` and ``(1-60)`` list operations; groups in parentheses side by side multiply: every operation of
    the right one is followed by every one of the left one (PDBx/mmCIF dictionary,
    ``_pdbx_struct_assembly_gen.oper_expression``).

    Examples
    --------
    >>> operation_names("(1,2)(3-5)")
    [('1', '3'), ('1', '4'), ('1', '5'), ('2', '3'), ('2', '4'), ('2', '5')]

    Raises
    ------
    ValueError
        If the expression has no such form.
    """
    text = re.sub(r"\s", "", expression)
    groups = re.findall(r"\(([^()]*)\)", text)
    if "(" not in text:
        groups = [text]
    elif not groups or re.sub(r"\([^()]*\)", "", text):
        raise ValueError(f"oper_expression {expression!r}; wanted such as 1, (1-60) or (1,2)(3-5)")
    return list(itertools.product(*(_listed(group) for group in groups)))


def _listed(group: str) -> list[str]:
    """Return the names in a list such as ``1-3,X0``."""
    names: list[str] = []
    for part in group.split(","):
        ends = re.fullmatch(r"(\d+)-(\d+)", part)
        names += [str(i) for i in range(int(ends[1]), int(ends[2]) + 1)] if ends else [part]
    return names


def _combined(names: Sequence[str], operations: dict[str, Operation]) -> Operation:
    missing = [name for name in names if name not in operations]
    if missing:
        raise ValueError(f"an assembly asks for operation {missing[0]!r}, which the file does not list")
    total = operations[names[-1]]
    for name in names[-2::-1]:
        total = operations[name].after(total)
    if not math.isfinite(float(total.rotation.sum() + total.shift_angstrom.sum())):
        raise ValueError(f"operation {'×'.join(names)} of an assembly is not made of numbers")
    return total


def _operation_of(transform: gemmi.Transform) -> Operation:
    return Operation(np.array(transform.mat.tolist()), np.array(transform.vec.tolist()))
