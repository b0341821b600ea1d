"""The arrays of a specimen while it is built, and the compiled loops that add to them.

Objects (particles, filaments, carbon, gold) and membranes are kept apart until the end, because a protein
displaces the lipids that it stands in. The finished model is, per voxel,

    model = objects + (1 - o) membrane + (1 - o - (1 - o) m) ice

with the excluded-volume fractions o of all objects and m of the membranes, each clipped to 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

FREE = 0
OBJECT = 1
FIRST_MEMBRANE = 2
_STEPS = 127  # occupancies of classes are kept in steps of 1/127: sums up to 2 fit into a byte

FloatVolume = NDArray[np.float32]


@dataclass
class Canvas:
    """A specimen while it is built; all arrays are (z, y, x).

    Attributes
    ----------
    shape, pixel_size_angstrom
        The grid.
    closed
        Whether objects must stay within the two faces of an axis (z, y, x).
    potential, occupancy
        Sums over all objects: potential in vacuum (V) and fraction of excluded volume.
    membrane_potential, membrane_occupancy, membrane_instance
        The same of the membranes, as if no object stood in them, and the instance of each.
    code
        What stands in a voxel that is at least half filled: ``FREE``, ``OBJECT``, or ``FIRST_MEMBRANE`` plus
        the number of a membrane.
    class_occupancy
        Sum of the excluded volume by class name, in steps of 1/127.
    instance, strength
        The object that fills most of a voxel, and how much of it.
    """

    shape: tuple[int, int, int]
    pixel_size_angstrom: float
    closed: tuple[bool, bool, bool]
    potential: FloatVolume = field(init=False)
    occupancy: FloatVolume = field(init=False)
    membrane_potential: FloatVolume = field(init=False)
    membrane_occupancy: FloatVolume = field(init=False)
    membrane_instance: NDArray[np.int32] = field(init=False)
    code: NDArray[np.int16] = field(init=False)
    class_occupancy: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    instance: NDArray[np.int32] = field(init=False)
    strength: NDArray[np.uint8] = field(init=False)
    instances: int = 0
    filled_voxels: int = 0

    def __post_init__(self) -> None:
        self.potential = np.zeros(self.shape, np.float32)
        self.occupancy = np.zeros(self.shape, np.float32)
        # a volume without membranes never touches these pages
        self.membrane_potential = np.zeros(self.shape, np.float32)
        self.membrane_occupancy = np.zeros(self.shape, np.float32)
        self.membrane_instance = np.zeros(self.shape, np.int32)
        self.code = np.zeros(self.shape, np.int16)
        self.instance = np.zeros(self.shape, np.int32)
        self.strength = np.zeros(self.shape, np.uint8)

    @property
    def filled_fraction(self) -> float:
        """Share of the voxels that are at least half filled."""
        return self.filled_voxels / float(np.prod(self.shape))

    def new_instance(self) -> int:
        """Return the id of a new object; ids count from 1."""
        self.instances += 1
        return self.instances

    def excess(
        self, occupancy: FloatVolume, corner: tuple[int, int, int], *, in_membrane: bool = False
    ) -> tuple[float, float]:
        """Return the excluded volume of a stamp that finds no room, and all of it, in voxels."""
        return _excess(occupancy, np.array(corner), self.occupancy, self.membrane_occupancy, not in_membrane)

    def add(
        self,
        potential: FloatVolume,
        occupancy: FloatVolume,
        corner: tuple[int, int, int],
        class_names: tuple[str, ...],
        instance: int,
    ) -> int:
        """Add a stamp and return the number of voxels that it filled.

        Parameters
        ----------
        potential, occupancy
            Stamp, shape (part, z, y, x); what lies outside the volume is cut off.
        corner
            Voxel (z, y, x) of its first voxel; may be negative.
        class_names
            Class of each part.
        instance
            Id of the object.
        """
        start = np.array(corner)
        total = occupancy.sum(axis=0) if len(occupancy) > 1 else occupancy[0]
        volts = potential.sum(axis=0) if len(potential) > 1 else potential[0]
        for name in dict.fromkeys(class_names):
            if name not in self.class_occupancy:
                self.class_occupancy[name] = np.zeros(self.shape, np.uint8)
            parts = [part for part, own in zip(occupancy, class_names, strict=True) if own == name]
            share = parts[0] if len(parts) == 1 else np.sum(parts, axis=0, dtype=np.float32)
            _add_class(share, start, self.class_occupancy[name])
        filled = _add_object(
            volts,
            total,
            start,
            self.potential,
            self.occupancy,
            self.code,
            self.instance,
            self.strength,
            instance,
        )
        self.filled_voxels += filled
        return int(filled)

    def add_membrane(
        self, potential: FloatVolume, occupancy: FloatVolume, corner: tuple[int, int, int], number: int
    ) -> int:
        """Add a membrane (block as a stamp) and return the number of voxels that it filled."""
        instance = self.new_instance()
        filled = _add_membrane(
            potential,
            occupancy,
            np.array(corner),
            self.membrane_potential,
            self.membrane_occupancy,
            self.membrane_instance,
            self.code,
            instance,
            FIRST_MEMBRANE + number,
        )
        self.filled_voxels += filled
        return int(filled)

    def finish(
        self, ice: FloatVolume, labels: dict[str, int], membrane_label: int, label_threshold: float
    ) -> tuple[FloatVolume, NDArray[np.uint8], NDArray[np.int32]]:
        """Return model (V), atlas and instances; the model is written into ``ice``.

        A voxel that is filled to the threshold takes the class that fills most of it, background included;
        among classes that fill it equally the one with the smallest label.

        Parameters
        ----------
        ice
            Potential of the ice alone.
        labels
            Label of each class name.
        membrane_label
            Label of the membranes.
        label_threshold
            Share of a voxel that must be filled, by whatever it is, for a label.
        """
        names = sorted(self.class_occupancy, key=lambda name: labels[name])
        atlas = np.zeros(self.shape, np.uint8)
        best = np.zeros(self.shape, np.uint8)
        for name in names:
            _take_class(self.class_occupancy[name], labels[name], best, atlas)
        _finish(
            ice,
            self.potential,
            self.occupancy,
            self.membrane_potential,
            self.membrane_occupancy,
            self.membrane_instance,
            best,
            membrane_label,
            np.float32(label_threshold),
            atlas,
            self.instance,
        )
        return ice, atlas, self.instance


@njit(cache=True, inline="always")
def _clipped_range(start: int, size: int, limit: int) -> tuple[int, int]:
    first = max(0, -start)
    return first, max(first, min(size, limit - start))


@njit(cache=True)
def _excess(stamp, start, occupancy, membrane, with_membrane):  # type: ignore[no-untyped-def]
    excess, volume = 0.0, 0.0
    z0, z1 = _clipped_range(start[0], stamp.shape[0], occupancy.shape[0])
    y0, y1 = _clipped_range(start[1], stamp.shape[1], occupancy.shape[1])
    x0, x1 = _clipped_range(start[2], stamp.shape[2], occupancy.shape[2])
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                own = stamp[z, y, x]
                if own <= 0.0:
                    continue
                volume += own
                taken = occupancy[start[0] + z, start[1] + y, start[2] + x]
                if with_membrane:
                    taken += membrane[start[0] + z, start[1] + y, start[2] + x]
                # what atoms overfill within one object, or others among themselves, does not count
                excess += max(0.0, min(own, 1.0) - max(0.0, 1.0 - taken))
    return excess, volume


@njit(cache=True)
def _add_class(stamp, start, target):  # type: ignore[no-untyped-def]
    z0, z1 = _clipped_range(start[0], stamp.shape[0], target.shape[0])
    y0, y1 = _clipped_range(start[1], stamp.shape[1], target.shape[1])
    x0, x1 = _clipped_range(start[2], stamp.shape[2], target.shape[2])
    for z in range(z0, z1):
        for y in range(y0, y1):
            # rows of their own, indexed from zero, become vector code
            share = stamp[z, y, x0:x1]
            row = target[start[0] + z, start[1] + y, start[2] + x0 : start[2] + x1]
            for x in range(len(share)):
                steps = np.int32(max(share[x], np.float32(0)) * np.float32(_STEPS) + np.float32(0.5))
                row[x] = min(row[x] + steps, 255)


@njit(cache=True)
def _add_object(volts, stamp, start, potential, occupancy, code, instance, strength, own):  # type: ignore[no-untyped-def]
    filled = 0
    z0, z1 = _clipped_range(start[0], stamp.shape[0], code.shape[0])
    y0, y1 = _clipped_range(start[1], stamp.shape[1], code.shape[1])
    x0, x1 = _clipped_range(start[2], stamp.shape[2], code.shape[2])
    first, end = start[2] + x0, start[2] + x1
    for z in range(z0, z1):
        for y in range(y0, y1):
            i, j = start[0] + z, start[1] + y
            volt, share = volts[z, y, x0:x1], stamp[z, y, x0:x1]
            volt_row, share_row = potential[i, j, first:end], occupancy[i, j, first:end]
            for x in range(len(share)):
                volt_row[x] += volt[x]
                # slightly negative in the rim, as the potential is: both are cut to the band of the pixels
                share_row[x] += share[x]
            codes, owners, most = code[i, j, first:end], instance[i, j, first:end], strength[i, j, first:end]
            for x in range(len(share)):
                if share[x] > 0.0:
                    steps = int(min(share[x], 2.0) * _STEPS + 0.5)
                    if steps > most[x]:
                        most[x] = steps
                        owners[x] = own
                    if share_row[x] >= 0.5 and codes[x] != OBJECT:
                        filled += codes[x] == FREE
                        codes[x] = OBJECT
    return filled


@njit(cache=True)
def _add_membrane(volts, stamp, start, potential, occupancy, instance, code, own, own_code):  # type: ignore[no-untyped-def]
    filled = 0
    z0, z1 = _clipped_range(start[0], stamp.shape[0], code.shape[0])
    y0, y1 = _clipped_range(start[1], stamp.shape[1], code.shape[1])
    x0, x1 = _clipped_range(start[2], stamp.shape[2], code.shape[2])
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                i, j, k = start[0] + z, start[1] + y, start[2] + x
                potential[i, j, k] += volts[z, y, x]
                if stamp[z, y, x] > occupancy[i, j, k]:
                    instance[i, j, k] = own
                occupancy[i, j, k] += stamp[z, y, x]
                if stamp[z, y, x] >= 0.5 and code[i, j, k] == FREE:
                    code[i, j, k] = own_code
                    filled += 1
    return filled


@njit(cache=True)
def _take_class(share, label, best, atlas):  # type: ignore[no-untyped-def]
    share, best, atlas = share.ravel(), best.ravel(), atlas.ravel()
    for i in range(share.size):
        if share[i] > best[i]:
            best[i] = share[i]
            atlas[i] = label


@njit(cache=True)
def _finish(  # type: ignore[no-untyped-def]
    ice,
    potential,
    occupancy,
    lipid_volts,
    lipid,
    lipid_instance,
    best,
    membrane_label,
    threshold,
    atlas,
    owner,
):
    ice, potential, occupancy = ice.ravel(), potential.ravel(), occupancy.ravel()
    lipid_volts, lipid, lipid_instance = lipid_volts.ravel(), lipid.ravel(), lipid_instance.ravel()
    best, atlas, owner = best.ravel(), atlas.ravel(), owner.ravel()
    for i in range(ice.size):
        room = 1.0 - min(max(occupancy[i], 0.0), 1.0)
        in_membrane = room * min(max(lipid[i], 0.0), 1.0)
        ice[i] = potential[i] + room * lipid_volts[i] + (room - in_membrane) * ice[i]
        if 1.0 - room + in_membrane < threshold:
            atlas[i] = 0
            owner[i] = 0
        elif in_membrane * _STEPS > best[i]:
            atlas[i] = membrane_label
            owner[i] = lipid_instance[i]
