"""Vitreous ice: a mean potential with the density fluctuations of an amorphous network of water."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cts.config.specimen import IceConfig

# 0.94 g/cm³
MOLECULES_PER_ANGSTROM3 = 0.0314
# Structure factor of low-density amorphous ice, rounded from X-ray work (Mariedahl et al. 2018, J. Phys.
# Chem. B 122, 7616): hardly compressible over long distances, first peak at 1.7 per Å.
_WAVE_NUMBERS_PER_ANGSTROM = (0.0, 0.5, 1.0, 1.3, 1.5, 1.7, 1.9, 2.1, 2.5, 3.0, 4.0)
_STRUCTURE_FACTOR = (0.035, 0.05, 0.12, 0.35, 0.9, 1.6, 1.2, 0.9, 0.9, 1.25, 1.0)


def vitreous_ice(
    config: IceConfig, shape: tuple[int, int, int], pixel_size_angstrom: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the potential of ice that fills a volume.

    A Gaussian random field whose power spectrum is mean² S(k) / (number density): fluctuations of the number
    of molecules in a voxel, correlated as in a real network. At 10 Å their standard deviation is 3-4 % of the
    mean, a fifth of what independent molecules would give.

    Parameters
    ----------
    config
        Drawn mean potential and granularity.
    shape
        Volume (z, y, x).
    pixel_size_angstrom
        Voxel size.

    Returns
    -------
    NDArray[np.float32]
        Potential, V, shape (z, y, x).
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    frequencies = [np.fft.fftfreq(size, pixel_size_angstrom) for size in shape[:2]]
    frequencies.append(np.fft.rfftfreq(shape[2], pixel_size_angstrom))
    spectrum = fft.rfftn(noise)
    molecules = MOLECULES_PER_ANGSTROM3 * pixel_size_angstrom**3
    scale = config.mean_volt * config.granularity / np.sqrt(molecules)
    flat = frequencies[1][:, None] ** 2 + frequencies[2] ** 2
    for plane, frequency in zip(spectrum, frequencies[0], strict=True):
        wave_numbers = 2 * np.pi * np.sqrt(flat + frequency**2)
        factor = np.interp(wave_numbers, _WAVE_NUMBERS_PER_ANGSTROM, _STRUCTURE_FACTOR)
        plane *= (scale * np.sqrt(factor)).astype(np.float32)
    spectrum[0, 0, 0] = 0
    ice = fft.irfftn(spectrum, s=shape, overwrite_x=True)
    ice += np.float32(config.mean_volt)
    return np.asarray(ice, dtype=np.float32)
