"""The slab that the beam passes: its thickness along the beam, and the electrons that it takes out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from cts.config.imaging import SampleConfig, number
from cts.projection import Doubles, Floats

_MEAN_FREE_PATH_300_KV_ANGSTROM = 3800.0  # as in CTS
_LOSS_EV = 7.6 * 7.42**0.36  # mean energy loss 7.6 Z^0.36, effective Z of water 7.42
_COLLECTION_MRAD = 10.0


def mean_free_path_angstrom(sample: SampleConfig, voltage_kv: float) -> float:
    """Return the mean free path for inelastic scattering, Å.

    3800 Å at 300 kV; other voltages in proportion to F E / ln(2 β E / Em) with
    F = (1 + E/1022) / (1 + E/511)², E in kV (Malis, Cheng & Egerton, J. Electron
    Microsc. Tech. 8 (1988) 193).
    """
    if sample.mean_free_path_angstrom is not None:
        return sample.mean_free_path_angstrom
    return _MEAN_FREE_PATH_300_KV_ANGSTROM * _malis(voltage_kv) / _malis(300.0)


def _malis(voltage_kv: float) -> float:
    relativistic = (1 + voltage_kv / 1022.1) / (1 + voltage_kv / 511.06) ** 2
    return relativistic * voltage_kv / math.log(2 * _COLLECTION_MRAD * voltage_kv / _LOSS_EV)


@dataclass(frozen=True)
class Surfaces:
    """Heights of the two faces above their mean, Å, on (y, x) grids that reach beyond the model in x."""

    top_angstrom: Floats
    bottom_angstrom: Floats


def rough_surfaces(
    shape: tuple[int, int], sample: SampleConfig, pixel_size_angstrom: float, rng: np.random.Generator
) -> Surfaces | None:
    """Draw the two faces of the slab, or None where they are flat."""
    deviation = number(sample.roughness_angstrom)
    if deviation == 0:
        return None
    length = sample.roughness_length_angstrom / pixel_size_angstrom
    faces = [_rough_face(shape, length, sample.milled, rng) * np.float32(deviation) for _ in range(2)]
    return Surfaces(*faces)


def _rough_face(shape: tuple[int, int], length_px: float, milled: bool, rng: np.random.Generator) -> Floats:
    """Return smooth noise of unit deviation; milled faces vary along x only."""
    noise = rng.standard_normal((1 if milled else shape[0], shape[1]), np.float32)
    smooth = gaussian_filter(noise, length_px / 2, mode="wrap")
    return np.broadcast_to((smooth - smooth.mean()) / smooth.std(), shape)


def path_angstrom(
    shape: tuple[int, int],
    tilt_deg: float,
    thickness_angstrom: float,
    pixel_size_angstrom: float,
    surfaces: Surfaces | None,
) -> Floats:
    """Return the length of each ray inside the slab, Å, for an image (y, x').

    A ray at x' enters and leaves a slab of half-thickness h at x = (x' ∓ h sinθ) / cosθ.
    """
    cosine, sine = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
    if surfaces is None:
        return np.full(shape, thickness_angstrom / cosine, np.float32)
    columns = np.arange(shape[1]) - 0.5 * (shape[1] - 1)
    half = 0.5 * thickness_angstrom / pixel_size_angstrom
    top = _columns_at(surfaces.top_angstrom, (columns - half * sine) / cosine)
    bottom = _columns_at(surfaces.bottom_angstrom, (columns + half * sine) / cosine)
    return np.maximum(thickness_angstrom + top - bottom, 0).astype(np.float32) / np.float32(cosine)


def _columns_at(face: Floats, x: Doubles) -> Floats:
    """Sample a face at columns measured from its centre; it repeats beyond its ends."""
    position = (x + 0.5 * (face.shape[1] - 1)) % face.shape[1]
    left = np.floor(position).astype(int) % face.shape[1]
    share = (position - np.floor(position)).astype(np.float32)
    return face[:, left] * (1 - share) + face[:, (left + 1) % face.shape[1]] * share


def transmission(path: Floats, sample: SampleConfig, voltage_kv: float) -> Floats:
    """Return the fraction of electrons that an energy filter lets pass: exp(-path / mean free path)."""
    rate = number(sample.inelastic_scale) / mean_free_path_angstrom(sample, voltage_kv)
    return np.exp(-np.float32(rate) * path)
