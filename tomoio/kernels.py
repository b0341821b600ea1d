"""Telling the user what a first run waits for: the compilation of kernels, which happens once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

LOGGER = logging.getLogger(__name__)


class _FirstCompilation(event.Listener):
    """Says once that kernels are compiled; loading them from the cache is no compilation."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: event.Event) -> None:
        if not self._said:
            self._said = True
            LOGGER.info("compiling kernels; this happens once and takes up to a minute ...")

    def on_end(self, event: event.Event) -> None:
        pass


@contextmanager
def announced_compilation() -> Iterator[None]:
    """Log a line when, within the block, a numba kernel is compiled because no cache of it fits.

    Works from numba's own events, so that a cache which is there but stale (another version of the source, of
    numba, or another processor) is told from one that can be used.
    """
    with event.install_listener("numba:compile", _FirstCompilation()):
        yield
