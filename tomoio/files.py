"""Files that appear under their final name only when whole, and their checksums."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def new_file(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The temporary name ends in the same suffixes as ``path``, so writers that choose a format by suffix
    work. Missing parent folders are made. If the block fails, the temporary file and folders made for it
    are removed, and an existing ``path`` stays as it was.

    Raises
    ------
    FileExistsError
        If ``path`` exists and ``overwrite`` is not set.
    NotADirectoryError
        If there is a file where a folder would have to be.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: exists already; pass --overwrite or choose another name")
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(f"{path.parent}: is a file or below one; wanted a folder") from error
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # something else stands in it by now
                folder.rmdir()
        raise


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
