"""The napari editor of a crop: image, labels, uncertainty, one key to save."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segnet.rounds.crop import CropRecord, read_crop_image, read_crop_record, read_seed_labels
from segnet.rounds.formats import read_any
from segnet.rounds.pictures import SMOOTHING_VOXELS
from tomoio import IGNORE, ClassTable, new_file, write_labels
from tomoio.labels import as_labels

_IGNORE_COLOUR = "#1c1c1c"  # a dark veil: a medium grey cannot be told from the image below it
_CONTRAST_PERCENTILES = (0.5, 99.5)
_OUTLINE_PIXELS = 1
_CLASS_LIST_WIDTH = 190
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


@dataclass
class Draft:
    """The file that work goes to, and the labels that need no saving: those opened, then those saved last.

    With ``keep_earlier``, a file that is there before the first save is kept beside it, as one backup.
    """

    path: Path
    record: CropRecord
    on_disk: NDArray[np.uint8]
    keep_earlier: bool = False
    was_saved: bool = False

    def lacks(self, labels: NDArray[Any]) -> bool:
        """Return whether there is anything in ``labels`` to save."""
        return not np.array_equal(self.on_disk, labels)

    def save(self, labels: NDArray[Any]) -> None:
        """Write ``labels``, after keeping what an earlier session left if that was asked for."""
        if self.keep_earlier and not self.was_saved and self.path.is_file():
            keep_backup(self.path)
        save_draft(self.path, np.asarray(labels, dtype=np.uint8), self.record)
        self.on_disk = np.array(labels, dtype=np.uint8)
        self.was_saved = True


def build_viewer(content: EditorContent, classes: ClassTable, draft: Draft) -> tuple[Any, Any]:
    """Return a napari viewer of a crop and its layer of labels; S and Ctrl-S save to ``draft``."""
    import napari

    record = content.record
    viewer = napari.Viewer(title=f"{record.region_id}: {record.reason or record.tomogram_id}")
    viewer.add_image(content.image, name="image", contrast_limits=_limits(content.image), visible=False)
    smooth = gaussian_filter(content.image.astype(np.float32), SMOOTHING_VOXELS)
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
    _fill_in_three_dimensions(layer)
    _show_progress(viewer, layer, draft)
    _bind_keys(viewer, layer, [*classes.labels, IGNORE])
    return viewer, layer


def _fill_in_three_dimensions(layer: Any) -> None:
    """Let the bucket fill a whole piece while the brush paints in one slice; what a person sets stays."""
    dimensions = {True: 3, False: 2}

    def switch(_: Any) -> None:
        layer.n_edit_dimensions = dimensions[layer.mode == "fill"]

    def remember(_: Any) -> None:
        dimensions[layer.mode == "fill"] = layer.n_edit_dimensions

    layer.events.mode.connect(switch)
    layer.events.n_edit_dimensions.connect(remember)


def _show_progress(viewer: Any, layer: Any, draft: Draft) -> None:
    """Write over the image whether all work is saved, and bind S and Ctrl-S to saving it."""
    from qtpy.QtGui import QKeySequence

    note = viewer.canvas.overlays.text
    note.visible = True
    note.box = True
    note.position = "top_left"

    def follow(_: Any = None) -> None:
        if ignore_context(layer.data, draft.record):
            layer.refresh()
        at = viewer.dims.current_step[0]
        note.text = note_text(draft.record, at, unsaved=draft.lacks(layer.data), saved=draft.was_saved)

    def save(_: Any = None) -> None:
        draft.save(layer.data)
        follow()

    layer.events.paint.connect(follow)
    # set_data comes with each slice, and with undo and redo, which have no event of their own
    layer.events.set_data.connect(follow)
    follow()
    for action in viewer.window.file_menu.actions():
        if action.shortcut() == QKeySequence(QKeySequence.StandardKey.Save):
            action.setShortcut(QKeySequence())  # napari's own Ctrl-S asks for a file name
    for key in ("S", "Control-S"):
        viewer.bind_key(key, save, overwrite=True)


def ignore_context(labels: NDArray[Any], record: CropRecord) -> bool:
    """Set labels of context slices to 255 in place, and return whether any had another value."""
    painted = False
    for context in (labels[: record.core.start], labels[record.core.stop :]):
        if (context != IGNORE).any():
            context[...] = IGNORE
            painted = True
    return painted


def note_text(record: CropRecord, at: int, *, unsaved: bool, saved: bool) -> str:
    """Return what the editor writes over slice ``at``: the state of the work, and where context is."""
    state = "unsaved changes (S saves)" if unsaved else "saved" if saved else "S saves"
    if record.core.start <= at < record.core.stop:
        return f"{record.region_id}: {state}\ncontext: slices {_context_text(record)}"
    return f"{record.region_id}: {state}\nslice {at} is context: painting has no effect"


def _bind_keys(viewer: Any, layer: Any, labels: list[int]) -> None:
    """Bind Alt and a digit, I, - and = to the choice of a class, O to outlines and U to the uncertainty."""

    def choose(label: int) -> Callable[[Any], None]:
        def chosen(_: Any) -> None:
            layer.selected_label = label

        return chosen

    def step(by: int) -> Callable[[Any], None]:
        def stepped(_: Any) -> None:
            place = labels.index(layer.selected_label) if layer.selected_label in labels else -by
            layer.selected_label = labels[(place + by) % len(labels)]

        return stepped

    def toggle_outlines(_: Any) -> None:
        layer.contour = 0 if layer.contour else _OUTLINE_PIXELS

    def toggle_uncertainty(_: Any) -> None:
        if "uncertainty" in viewer.layers:
            viewer.layers["uncertainty"].visible = not viewer.layers["uncertainty"].visible

    for label in labels:
        if label < 10:
            viewer.bind_key(f"Alt-{label}", choose(label), overwrite=True)
    viewer.bind_key("I", choose(IGNORE), overwrite=True)
    viewer.bind_key("O", toggle_outlines, overwrite=True)
    viewer.bind_key("U", toggle_uncertainty, overwrite=True)
    # napari's own - and = count through all numbers, also those of no class
    layer.bind_key("-", step(-1), overwrite=True)
    layer.bind_key("=", step(1), overwrite=True)


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
    from qtpy.QtCore import Qt
    from qtpy.QtGui import QColor, QIcon, QPixmap
    from qtpy.QtWidgets import QListWidget, QListWidgetItem

    widget = QListWidget()
    widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # or the list would take the keys: 2 the class 2, S none
    entries = [(entry.label, entry.name, entry.colour) for entry in classes]
    labels = [label for label, _, _ in entries] + [IGNORE]
    for label, name, colour in [*entries, (IGNORE, "ignore", _IGNORE_COLOUR)]:
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(colour))
        icon = QIcon(swatch)
        icon.addPixmap(swatch, QIcon.Mode.Selected)  # or Qt tints the colour of the chosen class
        widget.addItem(QListWidgetItem(icon, f"{label}  {name}"))
    widget.setMaximumWidth(_CLASS_LIST_WIDTH)
    widget.setToolTip("click, or Alt and the number")
    # napari's bar with the title covers the first pixels of the list
    widget.setStyleSheet("QListWidget { padding-top: 8px } QListWidget::item { padding: 2px }")

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
    crop_dir: Path, region_id: str, classes: ClassTable, path: Path, *, from_network: bool = False
) -> bool:
    """Open the editor and wait until it is closed; return whether anything was saved to ``path``.

    Changes that are unsaved when the window is closed are saved then.

    Raises
    ------
    ValueError
        If napari is not installed, or there is no display.
    """
    check_display(os.environ, sys.platform)
    try:
        import napari
    except ImportError as error:
        raise ValueError(
            f'napari is not installed ({error}); install it with pip install "neuralseg[gui]", '
            "or correct the crop in another program"
        ) from error
    content = load_content(crop_dir, region_id, path, from_network=from_network)
    draft = Draft(path, content.record, content.labels, keep_earlier=from_network)
    _, layer = build_viewer(content, classes, draft)
    try:
        napari.run()
    finally:  # also where Ctrl-C in the terminal closes the window
        if draft.lacks(layer.data):
            _logger.info("the editor was closed with unsaved changes; they are saved now")
            draft.save(layer.data)
    return draft.was_saved


def check_display(environment: Mapping[str, str], platform: str) -> None:
    """Raise ValueError where there is no display: Qt would abort, with no word of what to do."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if platform.startswith("linux") and not any(environment.get(name) for name in names):
        raise ValueError(
            "no display to open napari on (neither DISPLAY nor WAYLAND_DISPLAY is set); log in with ssh -X, "
            "or correct the crop in another program (docs/tutorial-cotraining.md, section 5)"
        )


def keep_backup(path: Path) -> None:
    """Copy a draft to a name beside it that `segnet accept` does not look for; an older copy goes."""
    backup = path.with_name(f"{path.stem}_earlier{path.suffix}")
    with new_file(backup, overwrite=True) as partial:
        shutil.copyfile(path, partial)
    _logger.info("the earlier work is kept as %s; rename it to %s to go back to it", backup, path.name)


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
