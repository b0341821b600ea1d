from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cts.cli import main
from cts.config.structures import DownloadConfig
from cts.download import fetch_entry
from cts.structures import load_structures

from .structure_samples import blocks_text, row

CLASSES = Path(__file__).parents[2] / "config" / "classes.tsv"
WHOLE = gzip.compress(blocks_text({"6ABC": 5.0}).encode())


class _Server:
    """A server whose answers to one address follow a script, then all succeed."""

    def __init__(self, script):
        self.requests = []
        outer, pending = self, list(script)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                outer.answer(self, pending.pop(0) if pending else "whole")

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/download/"

    def answer(self, handler, step):
        if isinstance(step, int):
            handler.send_error(step)
            return
        body = {"garbage": b"<html>busy</html>", "empty": gzip.compress(b"data_x\n")}.get(step, WHOLE)
        handler.send_response(200)
        if step != "unannounced":
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if step in ("truncate", "stall", "unannounced") else body)
        if step == "stall":
            handler.wfile.flush()
            time.sleep(2)


@pytest.fixture
def serve():
    servers = []

    def start(*script):
        servers.append(_Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.server.shutdown()
        server.server.server_close()


def _config(url, **values):
    return DownloadConfig(
        base_url=url, **({"attempts": 3, "timeout_seconds": 0.4, "pause_seconds": 0} | values)
    )


@pytest.mark.parametrize("fault", [500, 503, "truncate", "unannounced", "stall", "garbage", "empty"])
def test_a_fault_is_tried_again(serve, tmp_path, fault):
    server = serve(fault)
    path = fetch_entry("6ABC", tmp_path, _config(server.url))
    assert path.read_bytes() == WHOLE
    assert server.requests == ["/download/6abc.cif.gz"] * 2
    assert [p.name for p in path.parent.iterdir()] == ["6abc.cif.gz"]


@pytest.mark.parametrize("fault", [500, "truncate", "stall", "garbage"])
def test_when_all_attempts_fail_nothing_is_left(serve, tmp_path, fault):
    server = serve(*[fault] * 3)
    with pytest.raises(OSError, match=r"6abc\.cif\.gz: 3 attempts failed, the last one with") as error:
        fetch_entry("6abc", tmp_path, _config(server.url))
    assert "\n" not in str(error.value)
    # not even the folder that was to hold it
    assert not list(tmp_path.iterdir())


def test_an_entry_that_is_not_there_is_not_tried_again(serve, tmp_path):
    server = serve(404)
    with pytest.raises(FileNotFoundError, match="no such entry"):
        fetch_entry("6abc", tmp_path, _config(server.url))
    assert len(server.requests) == 1


def test_nobody_listens(tmp_path):
    with pytest.raises(OSError, match="attempts failed"):
        fetch_entry("6abc", tmp_path, _config("http://127.0.0.1:9/", attempts=2))


def test_the_second_time_nothing_is_asked(serve, tmp_path):
    server = serve()
    for _ in range(2):
        (structure,) = load_structures([row("pdb:6ABC")], tmp_path, _config(server.url))["sample"]
    assert len(server.requests) == 1
    assert len(structure.submodels[0].positions_angstrom) == 1


@pytest.mark.parametrize("place", ["6abc.cif.gz", "ab/6abc.cif.gz", "6ABC.cif"])
def test_a_folder_serves_as_well(tmp_path, place):
    source = tmp_path / "mirror" / place
    source.parent.mkdir(parents=True)
    source.write_bytes(WHOLE if place.endswith("gz") else gzip.decompress(WHOLE))
    path = fetch_entry("6abc", tmp_path / "store", _config(str(tmp_path / "mirror")))
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(WHOLE)
    with pytest.raises(FileNotFoundError, match="no entry 7xyz"):
        fetch_entry("7xyz", tmp_path / "store", _config(str(tmp_path / "mirror")))


@pytest.mark.parametrize("name", ["../etc", "6ABCD", "pdb_../../etc", "pdb_0000", ""])
def test_malformed_identifiers_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="four characters"):
        fetch_entry(name, tmp_path, DownloadConfig())


def test_both_verbs_take_the_source_from_the_configuration(serve, tmp_path, monkeypatch):
    server = serve()
    (tmp_path / "structures.tsv").write_text(
        "structure_id\tsource\tclass\trole\tsize\tplacement\n"
        "sample\tpdb:6ABC\tribosome\ttarget\tlarge\tsingle\n"
    )
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        f"specimen:\n  structures: structures.tsv\n  shape_voxels: [8, 16, 16]\n  membranes: []\n"
        f"  layers: [{{name: all, attempts: 1}}]\n  download: {{base_url: '{server.url}'}}\n"
    )
    classes = ["--classes", str(CLASSES)]
    monkeypatch.chdir(tmp_path)
    fetch = ["structures", "fetch", "structures.tsv", "--config", str(config), *classes]
    assert main([*fetch, "--store", "a"]) == 0
    assert main(["model", str(config), "-o", "out", "--store", "b", *classes]) == 0
    assert server.requests == ["/download/6abc.cif.gz"] * 2
    # what a verb fetched, the other finds: both have one default store
    assert main(fetch) == 0
    assert main(["model", str(config), "-o", "out", *classes, "--overwrite"]) == 0
    assert len(server.requests) == 3
