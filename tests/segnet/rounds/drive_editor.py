"""Open the editor as `segnet correct` does; paint with the mouse, undo a fill, save with the key, close."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from segnet.rounds.editor import correct_in_napari
from tests.segnet.rounds.conftest import CLASSES
from tomoio import read_class_table


def main(crop_dir: str, region_id: str, draft: str, picture: str) -> None:
    QApplication.instance() or napari.qt.get_qapp()
    QTimer.singleShot(3000, lambda: _work(picture))
    saved = correct_in_napari(Path(crop_dir), region_id, read_class_table(CLASSES), Path(draft))
    sys.exit(0 if saved else 1)


def _work(picture: str) -> None:
    viewer = napari.current_viewer()
    viewer.window._qt_window.resize(1300, 800)
    QApplication.processEvents()
    viewer.reset_view()
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    layer = viewer.layers["labels"]
    _fill_and_undo(layer)
    layer.selected_label = 6
    layer.mode = "paint"
    layer.brush_size = 4
    _drag(canvas)
    QTest.keyClick(canvas, Qt.Key_S)
    QApplication.processEvents()
    viewer.window.screenshot(picture, canvas_only=False, flash=False)
    viewer.close()


def _fill_and_undo(layer: napari.layers.Labels) -> None:
    before = layer.data.copy()
    layer.fill((5, 3, 3), 2)
    assert (layer.data != before).any()
    layer.undo()
    assert (layer.data == before).all()


def _drag(canvas: object) -> None:
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mousePress(canvas, Qt.LeftButton, pos=middle)
    for step in range(1, 12):
        QTest.mouseMove(canvas, middle + QPoint(8 * step, 2 * step))
        QApplication.processEvents()
    QTest.mouseRelease(canvas, Qt.LeftButton, pos=middle + QPoint(96, 24))
    QApplication.processEvents()


if __name__ == "__main__":
    main(*sys.argv[1:])
