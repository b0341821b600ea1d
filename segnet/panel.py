"""A picture of tomogram, truth and prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from tomoio import IGNORE, ClassTable, new_file

_GREY_RANGE_SD = 3.0
_IGNORE_COLOUR = (90, 90, 90)
_GAP_PX = 4


def colour_lookup(classes: ClassTable) -> NDArray[np.uint8]:
    """Return the colour (256, 3) of each channel; 255 (ignore) is grey."""
    colours = np.zeros((256, 3), np.uint8)
    for channel, entry in enumerate(classes):
        colours[channel] = entry.rgb
    colours[IGNORE] = _IGNORE_COLOUR
    return colours


def save_panel(
    path: Path,
    image: NDArray[np.float32],
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    classes: ClassTable,
) -> None:
    """Write a PNG: one normalised slice (y, x), its true and its predicted channels, side by side."""
    grey = np.clip((image / _GREY_RANGE_SD + 1) * 127.5, 0, 255).astype(np.uint8)
    colours = colour_lookup(classes)
    gap = np.full((len(image), _GAP_PX, 3), 255, np.uint8)
    pictures = [np.repeat(grey[..., None], 3, axis=2), gap, colours[truth], gap, colours[predicted]]
    with new_file(path, overwrite=True) as partial:
        imsave(partial, np.concatenate(pictures, axis=1))
