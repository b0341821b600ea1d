"""Bringing structures into the frames that placing them needs: along a filament, upright in a membrane."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from cts.atoms import Atoms

LOGGER = logging.getLogger(__name__)

# a neighbour along a filament may differ from the table's helix by this much
_TWIST_TOLERANCE_DEG = 8.0
_RISE_TOLERANCE_ANGSTROM = 3.0
# the helices of tubulin's outer face (H11 and H12) and the tail: Löwe et al. 2001, J. Mol. Biol.
_TUBULIN_OUTSIDE = range(384, 440)
# half the thickness of a membrane's hydrophobic core (OPM: 30 ± 2 Å for plasma membranes)
_HALF_CORE_ANGSTROM = 15.0
_DIRECTIONS = 400
# free energy of putting a side chain into the membrane's middle, kcal/mol (Hessa et al. 2005, Nature 433,
# 377; rounded). A level above zero lets the many residues of a large membrane domain outweigh the few of a
# fringe: 0.3 to 0.5 orients five known membrane proteins alike
_INSERTION_KCAL = {
    "ALA": 0.1, "ARG": 2.6, "ASN": 2.0, "ASP": 3.5, "CYS": -0.1, "GLN": 2.4, "GLU": 2.7, "GLY": 0.7,
    "HIS": 2.1, "ILE": -0.6, "LEU": -0.6, "LYS": 2.7, "MET": -0.1, "PHE": -0.3, "PRO": 2.2, "SER": 0.8,
    "THR": 0.5, "TRP": 0.3, "TYR": 0.7, "VAL": -0.3,
}  # fmt: skip
_NEUTRAL_KCAL = 0.4
_POSITIVE = ("ARG", "LYS")
_NEIGHBOUR_ANGSTROM = 10.0
_BURIED_NEIGHBOURS = 24


@dataclass(frozen=True)
class Frame:
    """A rigid motion: positions become ``rotation @ (position - origin)``."""

    rotation: NDArray[np.float64]
    origin_angstrom: NDArray[np.float64]

    def apply(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move positions (atom, 3)."""
        return (positions - self.origin_angstrom) @ self.rotation.T


def unmoved() -> Frame:
    """Return the frame that leaves positions as they are."""
    return Frame(np.eye(3), np.zeros(3))


def repeat_unit(atoms: Atoms, twist_deg: float, rise_angstrom: float) -> tuple[tuple[str, ...], ...]:
    """Find the repeat unit in the coordinates of a helix: one chain of each kind, the longest kind first.

    Chains are of a kind where they have the same residues. Of each kind that follows the helix the chain
    nearest to the middle of the first unit is taken (for the first, to the middle of all).

    Returns
    -------
    tuple
        One chain in a group of its own for each kind; empty where no kind has copies.

    Raises
    ------
    ValueError
        If there are copies, but none is a step of this helix away from another.
    """
    traces = _alpha_carbons(atoms)
    kinds: list[list[str]] = []
    for name in sorted(traces, key=lambda name: -len(traces[name])):
        alike = [kind for kind in kinds if _same_residues(traces[name], traces[kind[0]])]
        alike[0].append(name) if alike else kinds.append([name])
    copied = [kind for kind in kinds if len(kind) > 1]
    centre = np.mean([_middle(trace) for trace in traces.values()], axis=0) if traces else np.zeros(3)
    unit: list[tuple[str, ...]] = []
    for kind in copied:
        chosen = min(kind, key=lambda name: float(np.linalg.norm(_middle(traces[name]) - centre)))
        filament_frame(atoms, chosen, twist_deg, rise_angstrom)
        unit.append((chosen,))
        centre = _middle(traces[unit[0][0]])
    return tuple(unit)


def filament_frame(atoms: Atoms, chain: str, twist_deg: float, rise_angstrom: float) -> Frame:
    """Return the frame of a helix in which a chain is the repeat unit: z along its axis, rise positive.

    The chain is superposed on every other chain with the same residues; the one whose screw comes nearest to
    the table's helix gives the axis. A chain without copies must have the axis along z already.

    Raises
    ------
    ValueError
        If there are copies of the chain, but none a step of this helix away.
    """
    traces = _alpha_carbons(atoms)
    if chain not in traces:
        raise ValueError(f"chain {chain!r} has no Cα atoms; found {', '.join(sorted(traces)) or 'none'}")
    screws = [
        screw
        for name, trace in traces.items()
        if name != chain and (screw := _screw_between(traces[chain], trace)) is not None
    ]
    if not screws:
        LOGGER.warning("%s: one repeat unit only; its filament axis is taken to be z", atoms.name)
        return unmoved()
    best = min(screws, key=lambda screw: screw.distance(twist_deg, rise_angstrom))
    if best.distance(twist_deg, rise_angstrom) > 1:
        raise ValueError(
            f"chain {chain!r}: its nearest copy is {best.twist_deg:.1f} degrees and "
            f"{best.rise_angstrom:.1f} Å away; wanted {twist_deg} degrees and {rise_angstrom} Å"
        )
    unit = _middle(traces[chain])
    origin = best.point + best.axis * ((unit - best.point) @ best.axis)
    return Frame(_basis(best.axis, unit - origin), origin)


def tubulin_frame(atoms: Atoms, lower_chain: str, upper_chain: str, centre: NDArray[np.float64]) -> Frame:
    """Return the frame of a tubulin dimer: z from the lower (minus end, α) to the upper monomer, x outwards.

    The outer face is where the helices H11 and H12 and the tail lie.
    """
    traces = _alpha_carbons(atoms)
    low, high = (np.array(list(traces[name].values())) for name in (lower_chain, upper_chain))
    outside = [
        position
        for name in (lower_chain, upper_chain)
        for number, position in traces[name].items()
        if number in _TUBULIN_OUTSIDE
    ]
    if not outside:
        raise ValueError(
            f"{atoms.name}: chains {lower_chain} and {upper_chain} lack tubulin's residues 384-439"
        )
    axis = high.mean(axis=0) - low.mean(axis=0)
    return Frame(_basis(axis, np.mean(outside, axis=0) - centre), centre)


def membrane_frame(atoms: Atoms) -> Frame:
    """Return the frame of a membrane protein: origin in the middle of the membrane, +z outwards.

    Files of the OPM database have it (dummy atoms mark the planes). For others the slab of 30 Å is sought in
    which the exposed residues are most at home in lipid, over directions and heights; the end with more
    arginine and lysine next to the slab is inside (von Heijne's positive-inside rule).
    """
    if atoms.in_membrane_frame:
        return unmoved()
    is_alpha = (atoms.names == "CA") & np.isin(atoms.residue_names, list(_INSERTION_KCAL))
    trace = atoms.positions_angstrom[is_alpha]
    if len(trace) == 0:
        raise ValueError(f"{atoms.name}: no amino acids; wanted a protein to orient in a membrane")
    names = atoms.residue_names[is_alpha]
    neighbours = np.array(cKDTree(trace).query_ball_point(trace, _NEIGHBOUR_ANGSTROM, return_length=True))
    exposure = np.clip(1 - neighbours / _BURIED_NEIGHBOURS, 0, 1)
    gain = exposure * (_NEUTRAL_KCAL - np.array([_INSERTION_KCAL[name] for name in names.tolist()]))
    centre = trace.mean(axis=0)
    normal, height = _best_slab(trace - centre, gain)
    along = (trace - centre) @ normal - height
    charged = np.isin(names, _POSITIVE) & (np.abs(along) < 2 * _HALF_CORE_ANGSTROM)
    if np.count_nonzero(charged & (along > 0)) > np.count_nonzero(charged & (along < 0)):
        normal, height = -normal, -height
    return Frame(_basis(normal, np.array([1.0, 0.0, 0.0])), centre + normal * height)


@dataclass(frozen=True)
class _Screw:
    """A helical step along an axis through a point; rise is positive."""

    axis: NDArray[np.float64]
    point: NDArray[np.float64]
    twist_deg: float
    rise_angstrom: float

    def distance(self, twist_deg: float, rise_angstrom: float) -> float:
        """Return how far a helix is off, in tolerances."""
        turn = (self.twist_deg - twist_deg + 180) % 360 - 180
        rise = self.rise_angstrom - rise_angstrom
        return float(max(abs(turn) / _TWIST_TOLERANCE_DEG, abs(rise) / _RISE_TOLERANCE_ANGSTROM))


def _alpha_carbons(atoms: Atoms) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Return the Cα positions of each chain (or segment, where there are any) by residue number."""
    is_alpha = (atoms.names == "CA") & (atoms.elements == "C")
    labels = (
        np.where(atoms.segments != "", atoms.segments, atoms.chains) if _segmented(atoms) else atoms.chains
    )
    traces: dict[str, dict[int, NDArray[np.float64]]] = {}
    for index in np.flatnonzero(is_alpha).tolist():
        traces.setdefault(str(labels[index]), {})[int(atoms.residue_numbers[index])] = (
            atoms.positions_angstrom[index]
        )
    return traces


def _segmented(atoms: Atoms) -> bool:
    """Whether segments, not chains, tell molecules apart, as in files of molecular dynamics."""
    return len(np.unique(atoms.segments)) > len(np.unique(atoms.chains))


def _middle(trace: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(np.mean(list(trace.values()), axis=0))


def _same_residues(first: dict[int, NDArray[np.float64]], second: dict[int, NDArray[np.float64]]) -> bool:
    common = len(first.keys() & second.keys())
    return common >= max(3, 0.8 * max(len(first), len(second)))


def _screw_between(
    first: dict[int, NDArray[np.float64]], second: dict[int, NDArray[np.float64]]
) -> _Screw | None:
    """Return the screw that takes one chain onto another of the same residues, or None."""
    if not _same_residues(first, second):
        return None
    common = sorted(first.keys() & second.keys())
    here, there = (np.array([trace[number] for number in common]) for trace in (first, second))
    middle, target = here.mean(axis=0), there.mean(axis=0)
    turn, _ = Rotation.align_vectors(there - target, here - middle)
    vector = turn.as_rotvec()
    angle = float(np.linalg.norm(vector))
    if angle < 1e-3:
        return None
    axis = vector / angle
    step = target - turn.apply(middle)
    if axis @ step < 0:
        axis, angle = -axis, -angle
    across = step - axis * (axis @ step)
    # the point on the axis solves (1 - R) p = across; the axis itself is what the solution leaves open
    point = np.linalg.lstsq(np.eye(3) - turn.as_matrix(), across, rcond=None)[0]
    return _Screw(axis, point, float(np.degrees(angle)), float(axis @ step))


def _basis(z_direction: NDArray[np.float64], x_hint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation whose rows are x, y, z: z along the first vector, x near the second."""
    z = z_direction / np.linalg.norm(z_direction)
    x = x_hint - z * (x_hint @ z)
    if np.linalg.norm(x) < 1e-6:
        x = np.cross(z, np.eye(3)[int(np.argmin(np.abs(z)))])
    x = x / np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z])


def _best_slab(trace: NDArray[np.float64], gain: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the normal and height of the slab that gains most from the residues in it."""
    best = (-np.inf, np.array([0.0, 0.0, 1.0]), 0.0)
    for normal in _hemisphere(_DIRECTIONS):
        heights = trace @ normal
        order = np.argsort(heights, kind="stable")
        sums = np.concatenate([[0.0], np.cumsum(gain[order])])
        levels = np.arange(heights.min(), heights.max(), 1.0)
        low = np.searchsorted(heights[order], levels - _HALF_CORE_ANGSTROM)
        high = np.searchsorted(heights[order], levels + _HALF_CORE_ANGSTROM)
        scores = sums[high] - sums[low]
        at = int(np.argmax(scores))
        if scores[at] > best[0]:
            best = (float(scores[at]), normal, float(levels[at]))
    return best[1], best[2]


def _hemisphere(count: int) -> NDArray[np.float64]:
    """Return directions spread evenly over half a sphere (a Fibonacci lattice), shape (count, 3)."""
    z = (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
