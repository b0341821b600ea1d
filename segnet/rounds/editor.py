"""The napari editor of a crop: image, labels, uncertainty, one key to save."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segnet.rounds.crop import CropRecord, read_crop_image, read_crop_record, read_seed_labels
from segnet.rounds.formats import read_any
from tomoio import IGNORE, ClassTable, write_labels
from tomoio.labels import as_labels

_IGNORE_COLOUR = "#7f7f7f"
_CONTRAST_PERCENTILES = (0.5, 99.5)
_SMOOTHING_VOXELS = 1.5
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EditorContent:
    """What the editor shows; all volumes (z, y, x) have the shape of the crop."""

    record: CropRecord
    image: NDArray[Any]
    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.float32] | None


def load_content(crop_dir: Path, region_id: str, draft: Path, *, from_network: bool) -> EditorContent:
    """Read a crop and, unless ``from_network``, the work on it that was saved before."""
    record = read_crop_record(crop_dir / f"{region_id}.json")
    labels = read_seed_labels(crop_dir, record)
    if draft.is_file() and not from_network:
        labels = as_labels(read_any(draft).data, str(draft))
        if labels.shape != record.shape:
            raise ValueError(
                f"{draft}: shape {labels.shape}; wanted {record.shape} as in the crop; "
                "move the file away, or start again with --from-network"
            )
        _logger.info("going on with %s", draft)
    uncertainty = None
    if record.uncertainty_file and (crop_dir / record.uncertainty_file).is_file():
        uncertainty = read_any(crop_dir / record.uncertainty_file).data.astype(np.float32)
    return EditorContent(record, read_crop_image(crop_dir, record), labels, uncertainty)


def build_viewer(
    content: EditorContent, classes: ClassTable, save: Callable[[NDArray[np.uint8]], None]
) -> Any:
    """Return a napari viewer of a crop, with S and Ctrl-S bound to ``save(labels)``."""
    import napari

    record = content.record
    viewer = napari.Viewer(title=f"{record.region_id}: {record.reason or record.tomogram_id}")
    viewer.add_image(content.image, name="image", contrast_limits=_limits(content.image), visible=False)
    smooth = gaussian_filter(content.image.astype(np.float32), _SMOOTHING_VOXELS)
    viewer.add_image(smooth, name="image, smoothed", contrast_limits=_limits(smooth))
    if content.uncertainty is not None:
        viewer.add_image(
            content.uncertainty,
            name="uncertainty",
            colormap="inferno",
            blending="additive",
            opacity=0.6,
            contrast_limits=_limits(content.uncertainty, low=50.0),
            visible=False,
        )
    layer = viewer.add_labels(
        content.labels.copy(),
        name="labels",
        opacity=0.45,
        colormap=napari.utils.DirectLabelColormap(color_dict=_colours(classes)),
        features=_features(classes),
    )
    layer.brush_size = 6
    layer.selected_label = classes.labels[min(1, len(classes.labels) - 1)]
    layer.preserve_labels = False
    viewer.dims.axis_labels = ("z", "y", "x")
    viewer.dims.set_current_step(0, record.shape[0] // 2)
    viewer.layers.selection.active = layer
    viewer.window.add_dock_widget(_class_list(classes, layer), name="classes", area="right")
    note = viewer.canvas.overlays.text
    note.visible = True
    note.text = f"{record.region_id}   S: save   slices {_context_text(record)}: context"

    def save_now(_: Any = None) -> None:
        save(np.asarray(layer.data, dtype=np.uint8))
        viewer.status = "saved"
        note.text = f"{record.region_id}   saved"

    for key in ("s", "Control-S"):
        viewer.bind_key(key, save_now, overwrite=True)
        layer.bind_key(key, save_now, overwrite=True)
    return viewer


def _limits(volume: NDArray[Any], low: float = _CONTRAST_PERCENTILES[0]) -> tuple[float, float]:
    """Return grey values to show as black and white: percentiles, apart by something even if all are one."""
    black, white = np.percentile(volume, [low, _CONTRAST_PERCENTILES[1]])
    return float(black), float(max(white, np.nextafter(np.float32(black), np.float32(np.inf))))


def _colours(classes: ClassTable) -> dict[int | None, str]:
    colours: dict[int | None, str] = {entry.label: entry.colour for entry in classes if entry.label}
    return colours | {0: "transparent", IGNORE: _IGNORE_COLOUR, None: "#ff00ff"}


def _features(classes: ClassTable) -> dict[str, list[Any]]:
    """Return the table from which napari shows a class name under the pointer."""
    return {
        "index": [*classes.labels, IGNORE],
        "class": [*classes.names, "ignore"],
    }


def _context_text(record: CropRecord) -> str:
    parts = []
    if record.core.start:
        parts.append(f"0-{record.core.start - 1}")
    if record.core.stop < record.shape[0]:
        parts.append(f"{record.core.stop}-{record.shape[0] - 1}")
    return " and ".join(parts) or "none"


def _class_list(classes: ClassTable, layer: Any) -> Any:
    """Return a list of coloured class names; a click selects the class to paint with."""
    from qtpy.QtGui import QColor, QIcon, QPixmap
    from qtpy.QtWidgets import QListWidget, QListWidgetItem

    widget = QListWidget()
    entries = [(entry.label, entry.name, entry.colour) for entry in classes]
    labels = [label for label, _, _ in entries] + [IGNORE]
    for label, name, colour in [*entries, (IGNORE, "ignore", _IGNORE_COLOUR)]:
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(colour))
        widget.addItem(QListWidgetItem(QIcon(swatch), f"{label}  {name}"))

    def choose(row: int) -> None:
        layer.selected_label = labels[row]

    def follow(_: Any = None) -> None:
        if layer.selected_label in labels:
            widget.setCurrentRow(labels.index(layer.selected_label))

    widget.currentRowChanged.connect(choose)
    layer.events.selected_label.connect(follow)
    follow()
    return widget


def correct_in_napari(
    crop_dir: Path, region_id: str, classes: ClassTable, draft: Path, *, from_network: bool = False
) -> bool:
    """Open the editor and wait until it is closed; return whether anything was saved to ``draft``.

    Raises
    ------
    ValueError
        If napari is not installed.
    """
    try:
        import napari
    except ImportError as error:
        raise ValueError(
            f'napari is not installed ({error}); install it with pip install "neuralseg[gui]", '
            "or correct the crop in another program"
        ) from error
    content = load_content(crop_dir, region_id, draft, from_network=from_network)
    saves = 0

    def save(labels: NDArray[np.uint8]) -> None:
        nonlocal saves
        save_draft(draft, labels, content.record)
        saves += 1

    build_viewer(content, classes, save)
    napari.run()
    return saves > 0


def save_draft(draft: Path, labels: NDArray[np.uint8], record: CropRecord) -> None:
    """Save labels under edit, whole or not at all."""
    write_labels(
        draft,
        labels,
        record.pixel_size_angstrom,
        origin_angstrom=record.origin_angstrom,
        overwrite=True,
    )
    _logger.info("saved %s", draft)
