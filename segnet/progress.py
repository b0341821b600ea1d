"""Progress bars on stderr: lively in a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(items: Any = None, **options: Any) -> tqdm:
    """Return a tqdm bar; ``options`` are tqdm's."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(items, mininterval=interval, maxinterval=max(interval, 10.0), **options)
