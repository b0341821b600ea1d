"""Independent random generators from a seed and names, whatever the order or number of cores."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a stage, such as ``generator(7, "synthetic_03", "membranes")``.

    The stream depends on the seed and the names only, so a tomogram comes out the same alone or among ten.
    """
    if seed < 0:
        raise ValueError(f"seed {seed}; wanted a whole number, 0 or more")
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype=np.uint32).tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
