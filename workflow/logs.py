"""Logging of rules: to the rule's log file and, for what people wait for, to the terminal."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from types import TracebackType


def log_to(path: str) -> None:
    """Send log records to ``path`` and make an expected error one line there and on the terminal.

    Progress bars write to standard error and stay on the terminal.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=path, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s")
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    sys.excepthook = _log_exception


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("workflow").error("failed", exc_info=(kind, error, trace))
    if isinstance(error, ValueError | OSError):
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
