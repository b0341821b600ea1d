"""Fetch files of a published archive from a Python package index, checked before anything is unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from tomoio import new_file, sha256_of
from tomoio.config import Strict


class ArchiveFile(Strict):
    """One file of an archive."""

    member: str = Field(description="Path inside the archive, below its top folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Checksum of the file")


class Archive(Strict):
    """Files of a source archive on a package index, by the path that they are stored under."""

    package: str = Field(description="Name of the package")
    version: str = Field(description="Version of the package")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Checksum of the archive")
    files: dict[str, ArchiveFile] = Field(description="Files to take out of it, by where they are put")


def fetch_archive(archive: Archive, folder: Path) -> None:
    """Take an archive's files out of it and put each where ``archive.files`` says.

    An archive that was put into ``folder`` by hand is used; otherwise pip downloads it and compares its
    checksum before it opens it.

    Parameters
    ----------
    archive
        What to fetch.
    folder
        Where the archive itself is kept.

    Raises
    ------
    ValueError
        If it cannot be downloaded (the message says what to do without a network) or a checksum differs.
    """
    path = folder / f"{archive.package}-{archive.version}.tar.gz"
    if not path.exists():
        _download(archive, path)
    _check(path, archive.sha256)
    _unpack(path, archive.files)


def _download(archive: Archive, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(
            f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8"
        )
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--no-binary", archive.package, "--require-hashes", "--retries", "2"]
        command += ["-r", str(requirements), "-d", scratch]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = Path(scratch) / path.name
        if done.returncode != 0 or not found.exists():
            reason = (done.stderr.strip().splitlines() or ["pip stored no such file"])[-1]
            raise ValueError(
                f"cannot download {path.name} ({reason}). Without a network: download the source archive of "
                f"{archive.package} {archive.version} from the Python Package Index elsewhere, copy it to "
                f"{path}, and run again"
            )
        os.replace(found, path)


def _check(path: Path, sha256: str) -> None:
    found = sha256_of(path)
    if found != sha256:
        raise ValueError(f"{path}: SHA-256 {found}; wanted {sha256}: delete it and run again")


def _unpack(path: Path, files: Mapping[str, ArchiveFile]) -> None:
    top = path.name.removesuffix(".tar.gz")
    with tarfile.open(path) as tar:
        for destination, wanted in files.items():
            if f"{top}/{wanted.member}" not in tar.getnames():
                raise ValueError(f"{path}: holds no file {wanted.member}")
            with new_file(destination, overwrite=True) as partial, open(partial, "wb") as out:
                stream = tar.extractfile(f"{top}/{wanted.member}")
                shutil.copyfileobj(stream, out)
                out.flush()
                _check(partial, wanted.sha256)
