"""Fetching entries of the Protein Data Bank as mmCIF: from a server or from a folder that mirrors it."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from cts.atoms import read_atoms
from cts.config.structures import DownloadConfig
from tomoio import new_file

LOGGER = logging.getLogger(__name__)

_FOLDER = "pdb"
_CHUNK_BYTES = 1 << 16
_IDENTIFIER = re.compile(r"[0-9a-z]{4}|pdb_[0-9a-z]{8}")


def fetch_entry(pdb_id: str, store: Path, config: DownloadConfig) -> Path:
    """Return the mmCIF file of an entry in the store; download it first where it is missing.

    A download is kept only when it is whole and parses as a structure with atoms.

    Parameters
    ----------
    pdb_id
        Identifier, such as 6T1Y or pdb_00006t1y.
    store
        Folder of downloads.
    config
        Where from, how often to try, how long to wait.

    Raises
    ------
    ValueError
        If the identifier is malformed.
    FileNotFoundError
        If the server or folder has no such entry.
    OSError
        If every attempt failed; it says why the last one did.
    """
    name = pdb_id.lower()
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"pdb:{pdb_id}: wanted an identifier of four characters, such as pdb:6T1Y, or pdb_ and eight"
        )
    target = Path(store) / _FOLDER / f"{name}.cif.gz"
    if not target.is_file():
        if "://" in config.base_url:
            _download(f"{config.base_url.rstrip('/')}/{name}.cif.gz", target, config)
        else:
            _copy(_find(Path(config.base_url), name), target)
    return target


def _find(folder: Path, name: str) -> Path:
    """Find an entry in a folder, flat or divided by the middle letters as the PDB's own archive is."""
    tried = [
        candidate
        for place in (folder, folder / name[1:3])
        for stem in (name, name.upper())
        for candidate in (place / f"{stem}.cif.gz", place / f"{stem}.cif")
    ]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{folder}: no entry {name}; looked for {name}.cif.gz and {name}.cif")


def _copy(source: Path, target: Path) -> None:
    opener = gzip.open if source.suffix == ".gz" else open
    with new_file(target, overwrite=True) as partial:
        with opener(source, "rb") as packed, gzip.open(partial, "wb") as out:
            shutil.copyfileobj(packed, out)
        read_atoms(partial)


def _download(url: str, target: Path, config: DownloadConfig) -> None:
    """Try to download until a file is whole and parses."""
    for attempt in range(1, config.attempts + 1):
        try:
            with new_file(target, overwrite=True) as partial:
                _transfer(url, partial, config.timeout_seconds)
                read_atoms(partial)
            return
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                raise FileNotFoundError(f"{url}: no such entry (HTTP {error.code})") from None
            failure: Exception = error
        except (OSError, ValueError) as error:
            failure = error
        LOGGER.warning("%s: attempt %d of %d failed: %s", url, attempt, config.attempts, failure)
        if attempt < config.attempts:
            time.sleep(config.pause_seconds * 2 ** (attempt - 1))
    reason = " ".join(str(failure).split())
    raise OSError(f"{url}: {config.attempts} attempts failed, the last one with: {reason}")


def _transfer(url: str, path: Path, timeout_seconds: float) -> None:
    """Copy a response into a file; a transfer that is shorter than announced or too slow is an error."""
    deadline = time.monotonic() + 20 * timeout_seconds
    with urllib.request.urlopen(url, timeout=timeout_seconds) as response, open(path, "wb") as out:
        announced = response.headers.get("Content-Length")
        received = 0
        for chunk in _chunks(response):
            out.write(chunk)
            received += len(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {received} bytes in {20 * timeout_seconds:g} s")
    if announced is not None and received != int(announced):
        raise OSError(f"{received} of {announced} bytes arrived")


def _chunks(response: object) -> Iterator[bytes]:
    while chunk := response.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
        yield chunk
