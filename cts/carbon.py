"""The edge of a holey carbon film."""

from __future__ import annotations

import numpy as np
from scipy import special

from cts.canvas import Canvas
from cts.config.specimen import CarbonConfig

CARBON_CLASS = "carbon"
_SURFACE_SIGMA_PIXELS = 0.45
_ROUGHNESS_ANGSTROM = 12.0
# 2 g/cm³; long-wave fluctuations of the density of amorphous carbon are a tenth of those of a gas
_ATOMS_PER_ANGSTROM3 = 0.1
_STRUCTURE_FACTOR = 0.1


def add_carbon(canvas: Canvas, config: CarbonConfig, rng: np.random.Generator) -> int:
    """Add a film with a round hole whose edge crosses the volume; return its instance id.

    The film reaches ``share`` of the volume's width in from a random side, lies near the middle of the ice,
    and has a rough edge. It may leave through any face.
    """
    pixel = canvas.pixel_size_angstrom
    nz, ny, nx = canvas.shape
    azimuth = rng.uniform(0, 2 * np.pi)
    outward = np.array([np.sin(azimuth), np.cos(azimuth)])
    half = np.abs(outward) @ np.array([ny - 1, nx - 1]) / 2
    radius = config.hole_radius_angstrom / pixel
    edge = half * (1 - 2 * config.share)
    centre_yx = np.array([ny - 1, nx - 1]) / 2 + outward * (edge - radius)
    y, x = np.mgrid[:ny, :nx].astype(np.float32)
    roughness = _rough_edge(y - centre_yx[0], x - centre_yx[1], radius, pixel, rng)
    beyond_edge = np.hypot(y - centre_yx[0], x - centre_yx[1]) - radius + roughness
    height = (nz - 1) / 2 + rng.uniform(-0.15, 0.15) * nz
    z = np.arange(nz, dtype=np.float32)[:, None, None]
    beyond_face = config.thickness_angstrom / pixel / 2 - np.abs(z - height)
    # distance into the film: from its edge or its faces, whichever is nearer
    depth = np.minimum(beyond_edge, beyond_face)
    occupancy = (special.erfc(-depth / (np.sqrt(2) * _SURFACE_SIGMA_PIXELS)) / 2).astype(np.float32)
    occupancy[occupancy < 1e-3] = 0
    grain = np.sqrt(_STRUCTURE_FACTOR / (_ATOMS_PER_ANGSTROM3 * pixel**3))
    texture = rng.standard_normal(canvas.shape, dtype=np.float32) * np.float32(grain) + 1
    potential = (occupancy * texture * np.float32(config.mean_volt)).astype(np.float32)
    instance = canvas.new_instance()
    canvas.add(potential[None], occupancy[None], (0, 0, 0), (CARBON_CLASS,), instance)
    return instance


def _rough_edge(
    y: np.ndarray, x: np.ndarray, radius: float, pixel_size_angstrom: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a displacement of the edge, voxels, that changes over some tens of nanometres along it."""
    along = np.arctan2(y, x) * radius * pixel_size_angstrom
    waves = rng.uniform(200, 1500, 6)
    phases = rng.uniform(0, 2 * np.pi, 6)
    bends = sum(np.sin(2 * np.pi * along / wave + phase) for wave, phase in zip(waves, phases, strict=True))
    return np.asarray(bends * _ROUGHNESS_ANGSTROM / np.sqrt(3) / pixel_size_angstrom, dtype=np.float32)
