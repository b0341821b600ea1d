"""Published archives are checked before anything is taken out of them."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from workflow.fetch import Archive, fetch_archive


@pytest.fixture
def make_archive(tmp_path):
    def make(content=b"images", claimed=None, member="data/stack.mrc"):
        folder = tmp_path / "archives"
        folder.mkdir(exist_ok=True)
        with tarfile.open(folder / "thing-1.0.tar.gz", "w:gz") as tar:
            info = tarfile.TarInfo("thing-1.0/data/stack.mrc")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        whole = hashlib.sha256((folder / "thing-1.0.tar.gz").read_bytes()).hexdigest()
        checksum = claimed or hashlib.sha256(content).hexdigest()
        files = {str(tmp_path / "out" / "stack.mrc"): {"member": member, "sha256": checksum}}
        values = {"package": "thing", "version": "1.0", "sha256": whole, "files": files}
        return Archive.model_validate(values), folder

    return make


def test_an_archive_put_there_by_hand_is_used(make_archive, tmp_path):
    fetch_archive(*make_archive())
    assert (tmp_path / "out" / "stack.mrc").read_bytes() == b"images"


def test_a_wrong_archive_is_refused(make_archive, tmp_path):
    archive, folder = make_archive()
    (folder / "thing-1.0.tar.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        fetch_archive(archive, folder)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"claimed": "0" * 64}, "SHA-256"), ({"member": "data/other.mrc"}, "holds no file data/other.mrc")],
)
def test_a_wrong_member_leaves_nothing(make_archive, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        fetch_archive(*make_archive(**change))
    assert not list(tmp_path.glob("out/*"))


def test_without_a_network_it_says_what_to_do(make_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    archive, _ = make_archive()
    with pytest.raises(ValueError, match=r"Without a network: download .* thing 1\.0 .* copy it to"):
        fetch_archive(archive, tmp_path / "empty")
    assert not list((tmp_path / "empty").glob("*"))
