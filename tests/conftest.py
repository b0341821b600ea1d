"""Tests that need a device, a window or a program skip with a reason where it is missing."""

from __future__ import annotations

import importlib.util
import shutil

import pytest


def _missing(marker: str) -> str | None:
    """Return why tests with a marker cannot run here, or None."""
    if marker == "gui":
        if importlib.util.find_spec("napari") is None:
            return "napari is not installed: pip install -c constraints.txt -e '.[gui]'"
        if shutil.which("xvfb-run") is None:
            return "no virtual display: install xvfb"
    if marker == "gpu":
        import torch

        if not torch.cuda.is_available():
            return "no CUDA device"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in ("gui", "gpu"):
        reason = _missing(marker) if item.get_closest_marker(marker) else None
        if reason:
            pytest.skip(reason)
