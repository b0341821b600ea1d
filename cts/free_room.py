"""Where there is still room: a coarse map of distances from which positions are proposed.

Proposals only have to be good, not right: every position is tested exactly afterwards. So the map is coarse
(two voxels), its distances are chamfer distances, and it is renewed now and then rather than always.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cts.canvas import Canvas

_STEP = 3  # chamfer distances 3, 4, 5 for neighbours across faces, edges, corners (Borgefors 1986)
_FAR = 60_000
_COARSE_FROM_VOXELS = 24


class FreeRoom:
    """Proposes positions for objects whose core has a certain radius.

    Parameters
    ----------
    canvas
        Specimen.
    compartments
        Inside (1) or outside (0) of closed membranes for each voxel (z, y, x), or None.
    """

    def __init__(self, canvas: Canvas, compartments: NDArray[np.uint8] | None = None) -> None:
        self._canvas = canvas
        self._factor = 2 if min(canvas.shape) >= _COARSE_FROM_VOXELS else 1
        f = self._factor
        self._compartments = None if compartments is None else compartments[::f, ::f, ::f]
        self._coarse_shape = tuple(-(-size // f) for size in canvas.shape)
        self.renew()

    def renew(self) -> None:
        """Measure the distances again."""
        closed = np.array(self._canvas.closed)
        self._distance = _coarse_distance(self._canvas.code, self._factor, closed)
        self._candidates: dict[tuple[int, str], NDArray[np.int64]] = {}

    def propose(
        self, core_radius_voxels: float, count: int, rng: np.random.Generator, where: str = ""
    ) -> NDArray[np.int64]:
        """Return up to ``count`` voxels (position, 3), z, y, x, drawn from where the core might fit.

        Parameters
        ----------
        core_radius_voxels
            Radius of the largest ball about the origin that lies within the object.
        where
            ``"vesicle"`` inside closed membranes, ``"cytosol"`` outside, ``""`` anywhere.
        """
        candidates = self._candidates_for(core_radius_voxels, where)
        if not len(candidates):
            return np.empty((0, 3), np.int64)
        chosen = candidates[rng.integers(len(candidates), size=count)]
        within = rng.integers(self._factor**3, size=count)
        positions = np.empty((count, 3), np.int64)
        _voxels(chosen, within, self._factor, self._coarse_shape, self._canvas.shape, positions)
        return positions

    def _candidates_for(self, core_radius_voxels: float, where: str) -> NDArray[np.int64]:
        # a coarse voxel less than the radius: the distance is to centres of coarse voxels
        level = max(1, int(_STEP * (core_radius_voxels / self._factor - 1.0)))
        if (level, where) not in self._candidates:
            possible = self._distance >= level
            if self._compartments is not None and where:
                possible &= self._compartments == (1 if where == "vesicle" else 0)
            self._candidates[level, where] = np.flatnonzero(possible)
        return self._candidates[level, where]


@njit(cache=True)
def _voxels(chosen, within, factor, coarse_shape, shape, positions):  # type: ignore[no-untyped-def]
    """Write the voxels (z, y, x) with numbers ``within`` in coarse voxels with flat indices ``chosen``."""
    for i in range(len(chosen)):
        coarse, fine = chosen[i], within[i]
        for axis in (2, 1, 0):
            position = (coarse % coarse_shape[axis]) * factor + fine % factor
            positions[i, axis] = min(position, shape[axis] - 1)
            coarse //= coarse_shape[axis]
            fine //= factor


@njit(cache=True, inline="always")
def _from_beside(row, beside, plane, edge, other_edge):  # type: ignore[no-untyped-def]
    """Shorten the distances of a row by way of the four rows that a pass has been through already.

    ``beside`` lies in the same plane, ``plane`` in the last one, the two edges beside that. No voxel
    depends on another of its row, so that this becomes vector code.
    """
    for x in range(1, len(row) - 1):
        faces = min(beside[x], plane[x]) + 3
        sides = min(min(beside[x - 1], beside[x + 1]), min(plane[x - 1], plane[x + 1]))
        edges = min(sides, min(edge[x], other_edge[x])) + 4
        corners = min(min(edge[x - 1], edge[x + 1]), min(other_edge[x - 1], other_edge[x + 1])) + 5
        row[x] = min(row[x], min(min(faces, edges), corners))


@njit(cache=True)
def _coarse_distance(code, factor, closed):  # type: ignore[no-untyped-def]
    """Return chamfer distances (z, y, x), in thirds of a coarse voxel, to what is at least half filled.

    Closed faces count as filled, open faces as free.
    """
    nz, ny, nx = (
        (code.shape[0] - 1) // factor + 1,
        (code.shape[1] - 1) // factor + 1,
        (code.shape[2] - 1) // factor + 1,
    )
    padded = np.full((nz + 2, ny + 2, nx + 2), np.uint16(_FAR))
    if closed[0]:
        padded[0], padded[nz + 1] = 0, 0
    if closed[1]:
        padded[:, 0], padded[:, ny + 1] = 0, 0
    if closed[2]:
        padded[:, :, 0], padded[:, :, nx + 1] = 0, 0
    filled = np.empty(code.shape[2], np.int32)
    for z in range(nz):
        for y in range(ny):
            filled[:] = 0
            rows = 0
            for i in range(z * factor, min((z + 1) * factor, code.shape[0])):
                for j in range(y * factor, min((y + 1) * factor, code.shape[1])):
                    rows += 1
                    own = code[i, j]
                    for k in range(len(own)):
                        filled[k] += own[k] != 0
            for x in range(nx):
                start, end = x * factor, min((x + 1) * factor, len(filled))
                count = 0
                for k in range(start, end):
                    count += filled[k]
                if 2 * count > rows * (end - start):
                    padded[z + 1, y + 1, x + 1] = 0
    for z in range(1, nz + 1):
        for y in range(1, ny + 1):
            row = padded[z, y]
            _from_beside(row, padded[z, y - 1], padded[z - 1, y], padded[z - 1, y - 1], padded[z - 1, y + 1])
            for x in range(1, nx + 1):
                row[x] = min(row[x], row[x - 1] + 3)
    for z in range(nz, 0, -1):
        for y in range(ny, 0, -1):
            row = padded[z, y]
            _from_beside(row, padded[z, y + 1], padded[z + 1, y], padded[z + 1, y + 1], padded[z + 1, y - 1])
            for x in range(nx, 0, -1):
                row[x] = min(row[x], row[x + 1] + 3)
    return padded[1 : nz + 1, 1 : ny + 1, 1 : nx + 1].copy()
