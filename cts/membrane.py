"""Lipid bilayers: surfaces given by their signed distance, and the profile of two leaflets across them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import special

from cts.config.specimen import MembraneConfig

FloatVolume = NDArray[np.float32]

# Widths of the head groups and of the edge between heads and water, and how far the peak of the heads lies
# inside of that edge: fluid phosphatidylcholine bilayers, Nagle & Tristram-Nagle (2000), Biochim. Biophys.
# Acta 1469, 159, and Kučerka et al. (2008), Biophys. J. 95, 2356.
_HEAD_SIGMA_ANGSTROM = 4.0
_EDGE_SIGMA_ANGSTROM = 3.0
_EDGE_BEYOND_HEAD_ANGSTROM = 5.0
# what a pixel sees is smoothed by this share of it: enough not to alias, and without ringing
_PIXEL_SIGMA = 0.35
_ZONES = 7
# of a vesicle's cloud; a coarser cloud serves where the vesicle is much larger than any field of view
_MOST_DIRECTIONS = 500_000
_WAVES = 3


@dataclass(frozen=True)
class Profile:
    """Potential in vacuum and excluded volume across a bilayer, tabulated over the distance.

    Attributes
    ----------
    potential_volt, occupancy
        At distances from -reach to reach, float32.
    reach_angstrom, step_angstrom
        Range and spacing of the table.
    """

    potential_volt: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    reach_angstrom: float
    step_angstrom: float


def bilayer_profile(config: MembraneConfig, pixel_size_angstrom: float) -> Profile:
    """Tabulate a bilayer: two peaks of head groups, a core of tails, soft edges.

    Parameters
    ----------
    config
        Drawn values: distance of the peaks, potential of heads and core.
    pixel_size_angstrom
        Pixel size; the profile is smoothed to its band.
    """
    peak = config.leaflet_spacing_angstrom / 2
    smoothing = _PIXEL_SIGMA * pixel_size_angstrom
    head_sigma = np.hypot(_HEAD_SIGMA_ANGSTROM, smoothing)
    edge_sigma = np.hypot(_EDGE_SIGMA_ANGSTROM, smoothing)
    reach = peak + _EDGE_BEYOND_HEAD_ANGSTROM + 5 * edge_sigma
    distance = np.linspace(-reach, reach, 2 * int(np.ceil(reach / 0.25)) + 1)
    edge = peak + _EDGE_BEYOND_HEAD_ANGSTROM
    scale = 1 / (np.sqrt(2) * edge_sigma)
    occupancy = (special.erf((distance + edge) * scale) - special.erf((distance - edge) * scale)) / 2
    height = (config.head_volt - config.core_volt) * _HEAD_SIGMA_ANGSTROM / head_sigma
    heads = sum(np.exp(-(((distance - side) / head_sigma) ** 2) / 2) for side in (-peak, peak))
    potential = config.core_volt * occupancy + height * heads
    return Profile(
        potential.astype(np.float32),
        occupancy.astype(np.float32),
        float(reach),
        float(distance[1] - distance[0]),
    )


@dataclass(frozen=True)
class Vesicle:
    """A closed surface r(u) = radius (1 + sum of zonal harmonics about random axes).

    Attributes
    ----------
    radius
        Mean radius, voxels.
    axes
        Unit vectors (zone, 3), z, y, x.
    amplitudes
        Of Legendre polynomials of order 2, 3 and 4 about each axis, shape (zone, 3), relative to the radius.
    """

    radius: float
    axes: NDArray[np.float64]
    amplitudes: NDArray[np.float64]

    @property
    def greatest_radius(self) -> float:
        """Radius that no point of the surface exceeds, voxels (to a part in a hundred)."""
        return 1.01 * float(self.radii(_even_directions(2000)).max())

    def distance(
        self, centre_zyx: NDArray[np.float64], start: NDArray[np.int64], stop: NDArray[np.int64]
    ) -> FloatVolume:
        """Return the distance to the surface (voxels, negative inside) for a block of voxels."""
        block = np.empty(tuple(stop - start), np.float32)
        _vesicle_distance(
            block, start.astype(np.float64) - centre_zyx, self.radius, self.axes, self.amplitudes
        )
        return block

    def cloud(self, margin: float) -> NDArray[np.float32]:
        """Return points (point, 3), z, y, x, that fill the vesicle and a margin about it, in voxels."""
        count = max(200, int(4 * np.pi * (self.radius / 2) ** 2))
        directions = _even_directions(min(count, _MOST_DIRECTIONS))
        surface = self.radii(directions)
        shells = [surface + margin, *(surface * share for share in (0.97, 0.8, 0.6, 0.4, 0.2))]
        return np.concatenate([directions * shell[:, None] for shell in shells]).astype(np.float32)

    def radii(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the radius, voxels, in directions (direction, 3) of unit length, z, y, x."""
        radii = np.empty(len(directions))
        _vesicle_radii(directions, self.radius, self.axes, self.amplitudes, radii)
        return radii


@dataclass(frozen=True)
class Sheet:
    """A surface through a point, nearly plane: height along the normal = sum of sine waves.

    Attributes
    ----------
    centre, normal
        Point and unit normal, z, y, x.
    waves, amplitudes, phases
        Wave vectors (wave, 3) across the normal in radians per voxel, heights in voxels, phases.
    """

    centre: NDArray[np.float64]
    normal: NDArray[np.float64]
    waves: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    def distance(self, shape: tuple[int, int, int], step: int = 1) -> FloatVolume:
        """Return the distance (voxels, positive along the normal) at every ``step``-th voxel."""
        block = np.empty(_every(shape, step), np.float32)
        _sheet_distance(block, step, self.centre, self.normal, self.waves, self.amplitudes, self.phases)
        return block


@dataclass(frozen=True)
class Tube:
    """A tube about a wavy axis.

    Attributes
    ----------
    centre, direction
        Point of the axis and its mean direction, z, y, x.
    radius
        Voxels.
    sideways
        Displacements (wave, 3) across the direction, voxels.
    waves, phases
        Radians per voxel along the direction, and phases.
    """

    centre: NDArray[np.float64]
    direction: NDArray[np.float64]
    radius: float
    sideways: NDArray[np.float64]
    waves: NDArray[np.float64]
    phases: NDArray[np.float64]

    def distance(self, shape: tuple[int, int, int], step: int = 1) -> FloatVolume:
        """Return the distance to the surface (voxels, negative inside), at every ``step``-th voxel."""
        block = np.empty(_every(shape, step), np.float32)
        _tube_distance(
            block, step, self.centre, self.direction, self.radius, self.sideways, self.waves, self.phases
        )
        return block


def draw_vesicle(radius: float, irregularity: float, rng: np.random.Generator) -> Vesicle:
    """Draw a vesicle: irregularity 0 is a sphere, 1 is dented by about a third of its radius."""
    axes = rng.standard_normal((_ZONES, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    # higher orders are bent more sharply, so they get less
    amplitudes = rng.standard_normal((_ZONES, 3)) * np.array([0.11, 0.05, 0.025]) * irregularity
    return Vesicle(radius, axes, amplitudes)


def draw_sheet(
    shape: tuple[int, int, int], irregularity: float, wavelength: float, rng: np.random.Generator
) -> Sheet:
    """Draw a sheet that stands upright in the film within 25° and passes through the volume."""
    normal = _flat_direction(rng, np.deg2rad(25))
    centre = (0.2 + 0.6 * rng.random(3)) * (np.array(shape) - 1)
    waves = rng.standard_normal((_WAVES, 3))
    waves -= np.outer(waves @ normal, normal)
    lengths = 2 * np.pi / (wavelength * rng.uniform(0.6, 2.0, _WAVES))
    waves *= (lengths / np.linalg.norm(waves, axis=1))[:, None]
    # amplitudes give slopes: steeper than about one the surface would fold over
    amplitudes = 0.35 * irregularity * rng.uniform(0.5, 1.0, _WAVES) / lengths
    return Sheet(centre, normal, waves, amplitudes, rng.uniform(0, 2 * np.pi, _WAVES))


def draw_tube(
    shape: tuple[int, int, int], radius: float, irregularity: float, rng: np.random.Generator
) -> Tube:
    """Draw a tube that runs within 10° of the plane of the film."""
    direction = _flat_direction(rng, np.deg2rad(10))
    centre = (0.2 + 0.6 * rng.random(3)) * (np.array(shape) - 1)
    lengths = 2 * np.pi / (radius * rng.uniform(6, 20, _WAVES))
    sideways = rng.standard_normal((_WAVES, 3)) * np.array([0.5, 1, 1])
    sideways -= np.outer(sideways @ direction, direction)
    sideways *= (0.35 * irregularity / lengths / np.linalg.norm(sideways, axis=1))[:, None]
    return Tube(centre, direction, radius, sideways, lengths, rng.uniform(0, 2 * np.pi, _WAVES))


def apply_profile(
    distance: FloatVolume, profile: Profile, pixel_size_angstrom: float
) -> tuple[FloatVolume, FloatVolume]:
    """Return potential (V, in vacuum) and occupancy of a bilayer for distances in voxels."""
    potential, occupancy = np.empty_like(distance), np.empty_like(distance)
    _look_up(
        distance,
        pixel_size_angstrom / profile.step_angstrom,
        profile.reach_angstrom / profile.step_angstrom,
        profile.potential_volt,
        profile.occupancy,
        potential,
        occupancy,
    )
    return potential, occupancy


def surface_points(
    distance: FloatVolume, start: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on a surface and the outward normals there, each (point, 3), z, y, x, in voxels.

    Parameters
    ----------
    distance
        Distance to the surface in voxels, for a block of voxels.
    start
        Its first voxel.
    """
    inner = distance[1:-1, 1:-1, 1:-1]
    voxels = np.argwhere(np.abs(inner) < 0.5) + 1
    z, y, x = voxels.T
    gradient = np.stack(
        [
            distance[z + 1, y, x] - distance[z - 1, y, x],
            distance[z, y + 1, x] - distance[z, y - 1, x],
            distance[z, y, x + 1] - distance[z, y, x - 1],
        ],
        axis=1,
    ).astype(np.float64)
    normals = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)
    return voxels + start - normals * distance[z, y, x][:, None], normals


def _every(shape: tuple[int, int, int], step: int) -> tuple[int, int, int]:
    return -(-shape[0] // step), -(-shape[1] // step), -(-shape[2] // step)


def _flat_direction(rng: np.random.Generator, steepest_rad: float) -> NDArray[np.float64]:
    """Return a unit vector (z, y, x) within an angle of the xy plane."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(-steepest_rad, steepest_rad)
    flat = np.cos(elevation)
    return np.array([np.sin(elevation), flat * np.sin(azimuth), flat * np.cos(azimuth)])


def _even_directions(count: int) -> NDArray[np.float64]:
    """Return unit vectors spread evenly by the golden angle."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    azimuth = np.pi * (1 + np.sqrt(5)) * i
    flat = np.sqrt(1 - z * z)
    return np.stack([z, flat * np.sin(azimuth), flat * np.cos(azimuth)], axis=1)


@njit(cache=True, inline="always")
def _zone(t, amplitudes):  # type: ignore[no-untyped-def]
    """Return a sum of Legendre polynomials of order 2 to 4, and its derivative."""
    t2 = t * t
    value = (
        amplitudes[0] * (1.5 * t2 - 0.5)
        + amplitudes[1] * (2.5 * t2 - 1.5) * t
        + amplitudes[2] * (4.375 * t2 * t2 - 3.75 * t2 + 0.375)
    )
    slope = amplitudes[0] * 3 * t + amplitudes[1] * (7.5 * t2 - 1.5) + amplitudes[2] * (17.5 * t2 - 7.5) * t
    return value, slope


@njit(cache=True)
def _vesicle_radii(directions, radius, axes, amplitudes, radii):  # type: ignore[no-untyped-def]
    for i in range(len(directions)):
        bump = 1.0
        for zone in range(len(axes)):
            t = (
                directions[i, 0] * axes[zone, 0]
                + directions[i, 1] * axes[zone, 1]
                + directions[i, 2] * axes[zone, 2]
            )
            bump += _zone(t, amplitudes[zone])[0]
        radii[i] = radius * bump


@njit(cache=True)
def _vesicle_distance(block, first, radius, axes, amplitudes):  # type: ignore[no-untyped-def]
    """Distance to first order: (|p| - r(u)) / sqrt(1 + |grad r|²)."""
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            for k in range(block.shape[2]):
                z, y, x = first[0] + i, first[1] + j, first[2] + k
                length = max(np.sqrt(z * z + y * y + x * x), 1e-6)
                uz, uy, ux = z / length, y / length, x / length
                bump, gz, gy, gx = 1.0, 0.0, 0.0, 0.0
                for zone in range(len(axes)):
                    t = uz * axes[zone, 0] + uy * axes[zone, 1] + ux * axes[zone, 2]
                    value, slope = _zone(t, amplitudes[zone])
                    bump += value
                    gz += slope * (axes[zone, 0] - t * uz)
                    gy += slope * (axes[zone, 1] - t * uy)
                    gx += slope * (axes[zone, 2] - t * ux)
                steepness = (gz * gz + gy * gy + gx * gx) / (bump * bump)
                block[i, j, k] = (length - radius * bump) / np.sqrt(1.0 + steepness)


@njit(cache=True)
def _sheet_distance(block, step, centre, normal, waves, amplitudes, phases):  # type: ignore[no-untyped-def]
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            for k in range(block.shape[2]):
                z, y, x = step * i - centre[0], step * j - centre[1], step * k - centre[2]
                height = z * normal[0] + y * normal[1] + x * normal[2]
                sz, sy, sx = 0.0, 0.0, 0.0
                for wave in range(len(waves)):
                    angle = z * waves[wave, 0] + y * waves[wave, 1] + x * waves[wave, 2] + phases[wave]
                    height -= amplitudes[wave] * np.sin(angle)
                    slope = amplitudes[wave] * np.cos(angle)
                    sz += slope * waves[wave, 0]
                    sy += slope * waves[wave, 1]
                    sx += slope * waves[wave, 2]
                block[i, j, k] = height / np.sqrt(1.0 + sz * sz + sy * sy + sx * sx)


@njit(cache=True)
def _tube_distance(block, step, centre, direction, radius, sideways, waves, phases):  # type: ignore[no-untyped-def]
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            for k in range(block.shape[2]):
                z, y, x = step * i - centre[0], step * j - centre[1], step * k - centre[2]
                along = z * direction[0] + y * direction[1] + x * direction[2]
                dz, dy, dx = z - along * direction[0], y - along * direction[1], x - along * direction[2]
                tz, ty, tx = 0.0, 0.0, 0.0
                for wave in range(len(waves)):
                    angle = along * waves[wave] + phases[wave]
                    offset, slope = np.sin(angle), waves[wave] * np.cos(angle)
                    dz -= offset * sideways[wave, 0]
                    dy -= offset * sideways[wave, 1]
                    dx -= offset * sideways[wave, 2]
                    tz += slope * sideways[wave, 0]
                    ty += slope * sideways[wave, 1]
                    tx += slope * sideways[wave, 2]
                # the section across the mean direction is oblique: take out what points along the axis
                tangent = dz * tz + dy * ty + dx * tx
                squared = (
                    dz * dz + dy * dy + dx * dx - tangent * tangent / (1.0 + tz * tz + ty * ty + tx * tx)
                )
                block[i, j, k] = np.sqrt(max(squared, 0.0)) - radius


@njit(cache=True)
def _look_up(distance, per_voxel, middle, volts, filled, potential, occupancy):  # type: ignore[no-untyped-def]
    distance, potential, occupancy = distance.ravel(), potential.ravel(), occupancy.ravel()
    for i in range(distance.size):
        at = distance[i] * per_voxel + middle
        if at < 0 or at >= len(volts) - 1:
            potential[i], occupancy[i] = 0.0, 0.0
            continue
        low = int(at)
        share = np.float32(at - low)
        potential[i] = volts[low] + share * (volts[low + 1] - volts[low])
        occupancy[i] = filled[low] + share * (filled[low + 1] - filled[low])
