"""Density maps (MRC) as structures: points on the map's grid whose Gaussians interpolate it."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from cts.scattering import PROTEIN_ANGSTROM3_PER_DA
from cts.structure import Scatterer, Structure, Submodel
from tomoio import read_volume

MAP_SUFFIXES = (".mrc", ".map", ".ccp4", ".rec")
# the mean potential within the contour is set to that of protein, since maps have no absolute scale
_INSIDE_VOLT = 8.0
# width of the Gaussian that carries a voxel, in voxels
_SIGMA_VOXELS = 0.5
# what the sharpening that undoes the Gaussians may amplify at most
_MOST_SHARPENING = 8.0
# the potential fades out over this many voxels from the contour
_SKIRT_VOXELS = 2


def read_map(path: Path, structure_id: str, *, as_it_lies: bool = False) -> Structure:
    """Read a density map as a structure of one submodel.

    The contour is Otsu's threshold; the density inside is scaled to a mean of 8 V above the solvent's
    level (the median of the map's faces), and what is more than two voxels outside is dropped. The voxels
    within the contour displace solvent. Origin: the centre of mass, or the middle of the map's box.

    Parameters
    ----------
    path
        MRC file, bright where there is matter, with its voxel size; also with ``.gz``.
    structure_id
        Name.
    as_it_lies
        Keep the middle of the box as origin, since the map says where an axis or a membrane is.

    Raises
    ------
    ValueError
        If the map is constant, is not whole, or states no voxel size.
    """
    density, spacing = _read(path)
    solvent = _median_of_faces(density)
    above = density - solvent
    if not float(above.max()) > 0:
        raise ValueError(f"{path}: no density above the level of its faces; wanted a map with bright matter")
    inside = above > threshold_otsu(above)
    above *= ndimage.binary_dilation(inside, iterations=_SKIRT_VOXELS)
    above *= _INSIDE_VOLT / above[inside].mean()
    sharp = _sharpen(above)
    wet = ndimage.binary_dilation(inside, iterations=2 * _SKIRT_VOXELS)
    middle = (np.array(density.shape[::-1]) - 1) / 2 * spacing
    centre = middle if as_it_lies else _positions(inside, spacing).mean(axis=0)
    points = np.concatenate([_positions(wet, spacing), _positions(inside, spacing)]) - centre
    counts = (np.count_nonzero(wet), np.count_nonzero(inside))
    part = Submodel(
        name=path.name.split(".")[0],
        class_name="",
        positions_angstrom=points,
        scatterers=np.repeat(np.array([0, 1], dtype=np.int32), counts),
        weights=np.concatenate([sharp[wet].astype(np.float64), np.ones(counts[1])]),
    )
    return Structure(structure_id, (part,), _voxel_scatterers(spacing))


def _voxel_scatterers(spacing: float) -> tuple[Scatterer, Scatterer]:
    """Return a voxel's potential (weight: V) and a voxel's room."""
    volume = spacing**3
    sigma = _SIGMA_VOXELS * spacing
    return (
        Scatterer("map_potential", (volume,), (sigma,), 0.0, 0.0),
        Scatterer("map_room", (0.0,), (sigma,), volume, volume / PROTEIN_ANGSTROM3_PER_DA),
    )


def _read(path: Path) -> tuple[NDArray[np.float64], float]:
    try:
        return _read_volume(path)
    except ValueError as error:
        # its advice to pass the size as an option does not hold for the maps of a table
        if "none was set" in str(error):
            raise ValueError(f"{path}: no voxel size in its header; wanted a map that states it") from None
        raise


def _read_volume(path: Path) -> tuple[NDArray[np.float64], float]:
    if path.suffix.lower() != ".gz":
        volume = read_volume(path)
    else:
        with tempfile.TemporaryDirectory() as folder, gzip.open(path) as packed:
            whole = Path(folder) / path.stem
            with open(whole, "wb") as out:
                shutil.copyfileobj(packed, out)
            volume = read_volume(whole)
    return np.asarray(volume.data, dtype=np.float64), volume.pixel_size_angstrom


def _median_of_faces(density: NDArray[np.float64]) -> float:
    faces = [np.take(density, [0, -1], axis=axis).ravel() for axis in range(3)]
    return float(np.median(np.concatenate(faces)))


def _sharpen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide by the Gaussians' transform, so that their sum passes through the voxels' values."""
    spectrum = np.fft.rfftn(values)
    axes = [np.fft.fftfreq(n) for n in values.shape[:2]] + [np.fft.rfftfreq(values.shape[2])]
    squares = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    gain = np.minimum(np.exp(2 * np.pi**2 * _SIGMA_VOXELS**2 * squares), _MOST_SHARPENING)
    return np.asarray(np.fft.irfftn(spectrum * gain, s=values.shape))


def _positions(mask: NDArray[np.bool_], spacing: float) -> NDArray[np.float64]:
    """Return the voxels of a mask as x, y, z in Å, shape (voxel, 3)."""
    return np.asarray(np.argwhere(mask)[:, ::-1] * spacing, dtype=np.float64)
