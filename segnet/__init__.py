"""segnet: train, segment, correct in rounds, and measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segnet.segmentation import segment

__all__ = ["segment"]


def __getattr__(name: str) -> Any:
    """Import `segment`, and torch with it, only when it is asked for."""
    if name == "segment":
        from segnet.segmentation import segment

        return segment
    raise AttributeError(f"module 'segnet' has no attribute {name!r}")
