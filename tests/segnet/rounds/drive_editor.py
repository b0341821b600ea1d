"""Work in the editor as a person does, by keys and the mouse alone, and write down what came of each step."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QListWidget

from segnet.cli import main as segnet


class Person:
    """Hands and eyes: keys go to whatever has the focus, the mouse to the picture or to the list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.current_viewer()
        self.window = self.viewer.window._qt_window
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        self.layer = self.viewer.layers["labels"]
        self.seen: dict[str, dict] = {}
        self.window.resize(1300, 800)
        self.window.activateWindow()
        self.wait(0.5)
        self.viewer.reset_view()
        self.wait(0.2)

    def wait(self, seconds: float = 0.1) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.NoModifier) -> None:
        QTest.keyClick(self.window.windowHandle(), key, modifier)
        self.wait()

    def place(self, y: float, x: float) -> QPoint:
        """Return where a voxel of the slice in view is on the canvas."""
        _, centre_y, centre_x = self.viewer.scene.camera.center
        zoom = self.viewer.scene.camera.zoom
        across = self.canvas.width() / 2 + (x - centre_x) * zoom
        return QPoint(round(across), round(self.canvas.height() / 2 + (y - centre_y) * zoom))

    def click(self, y: float, x: float) -> None:
        QTest.mouseMove(self.canvas, self.place(y, x))
        self.wait()
        QTest.mouseClick(self.canvas, Qt.LeftButton, pos=self.place(y, x))
        self.wait()

    def drag(self, y: float, from_x: float, to_x: float) -> None:
        QTest.mouseMove(self.canvas, self.place(y, from_x))
        QTest.mousePress(self.canvas, Qt.LeftButton, pos=self.place(y, from_x))
        for x in np.linspace(from_x, to_x, 12):
            QTest.mouseMove(self.canvas, self.place(y, x))
            self.wait(0.02)
        QTest.mouseRelease(self.canvas, Qt.LeftButton, pos=self.place(y, to_x))
        self.wait()

    def choose(self, name: str) -> None:
        lists = self.window.findChildren(QListWidget)
        for entries in lists:
            for item in entries.findItems(name, Qt.MatchEndsWith):
                where = entries.visualItemRect(item).center()
                QTest.mouseClick(entries.viewport(), Qt.LeftButton, pos=where)
        self.wait()

    def note(self, step: str) -> None:
        """Write down the labels and what the window says."""
        np.save(self.folder / f"{step}.npy", self.layer.data)
        self.seen[step] = {
            "text": self.viewer.canvas.overlays.text.text,
            "mode": str(self.layer.mode),
            "label": int(self.layer.selected_label),
            "dimensions": int(self.layer.n_edit_dimensions),
            "outline": int(self.layer.contour),
            "labels visible": bool(self.layer.visible),
            "uncertainty visible": bool(self.viewer.layers["uncertainty"].visible),
        }
        (self.folder / "seen.json").write_text(json.dumps(self.seen))


def work(person: Person) -> None:
    """Paint, save, fill, undo, redo, save, paint, close without saving."""
    person.note("opened")
    person.key(Qt.Key_6, Qt.AltModifier)
    person.key(Qt.Key_2)
    person.drag(3, 12, 26)
    person.note("painted")
    person.key(Qt.Key_S)
    person.note("saved")
    person.choose("ribosome")
    person.key(Qt.Key_4)
    person.note("took the bucket")
    person.click(12, 6)
    person.note("filled")
    person.window.grab().save(str(person.folder / "editor.png"))
    person.key(Qt.Key_Z, Qt.ControlModifier)
    person.note("undone")
    person.key(Qt.Key_Z, Qt.ControlModifier | Qt.ShiftModifier)
    person.note("redone")
    person.key(Qt.Key_S, Qt.ControlModifier)
    person.note("saved by Ctrl-S")
    person.key(Qt.Key_I)
    person.key(Qt.Key_2)
    person.drag(16, 12, 26)
    person.note("painted again")


def look(person: Person) -> None:
    """Press the keys that change what is seen and chosen, paint in a context slice, and close."""
    person.note("opened")
    for key in (Qt.Key_V, Qt.Key_O, Qt.Key_U):
        person.key(key)
    person.note("toggled")
    for key in (Qt.Key_V, Qt.Key_O, Qt.Key_U):
        person.key(key)
    person.note("toggled back")
    for step, key in {
        "ignored": Qt.Key_I,
        "after the last": Qt.Key_Equal,
        "before the first": Qt.Key_Minus,
    }.items():
        person.key(key)
        person.note(step)
    person.key(Qt.Key_4)
    person.key(Qt.Key_3)
    person.note("polygon")
    person.key(Qt.Key_2)
    person.layer.n_edit_dimensions = 3
    person.key(Qt.Key_4)
    person.key(Qt.Key_2)
    person.note("brush that a person made three-dimensional")
    person.layer.n_edit_dimensions = 2
    for _ in range(3):
        person.key(Qt.Key_Right)
    person.choose("gold")
    person.drag(3, 12, 26)
    person.note("painted context")


def fill_from_ignored(person: Person) -> None:
    """Turn ignored voxels that touch the context into a class, undo, redo, and stop the program by Ctrl-C."""
    person.choose("membrane")
    person.key(Qt.Key_4)
    person.click(12, 6)
    person.note("filled")
    person.key(Qt.Key_Z, Qt.ControlModifier)
    person.note("undone")
    person.key(Qt.Key_Z, Qt.ControlModifier | Qt.ShiftModifier)
    person.note("redone")
    os.kill(os.getpid(), signal.SIGINT)


def main(deed: str, folder: str, arguments: list[str]) -> int:
    def start() -> None:
        try:
            {"work": work, "look": look, "fill_from_ignored": fill_from_ignored}[deed](Person(Path(folder)))
        except Exception:
            traceback.print_exc()
        napari.current_viewer().close()

    napari.qt.get_qapp()
    QTimer.singleShot(3000, start)
    return segnet(["correct", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
