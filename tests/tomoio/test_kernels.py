"""The line that tells a user what a first run waits for."""

from __future__ import annotations

import numba

from tomoio.kernels import announced_compilation


def test_compilation_is_announced_once_and_what_is_compiled_is_not(caplog):
    caplog.set_level("INFO")
    first, second = numba.njit(lambda x: x + 1), numba.njit(lambda x: x + 2)
    with announced_compilation():
        assert first(1) + second(1) == 5
    assert caplog.text.count("compiling kernels") == 1
    caplog.clear()
    with announced_compilation():
        assert first(1) == 2
    assert not caplog.text
    third = numba.njit(lambda x: x + 3)
    assert third(1) == 4
    assert not caplog.text
