"""The announcement of a first run's compilation, shared with `segnet`."""

from tomoio.kernels import announced_compilation

__all__ = ["announced_compilation"]
