"""Every file of a stored correction is the one that was accepted, or nothing is made of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segnet.normalisation import sidecar_path
from segnet.rounds.corrections import check_corrections
from tests.segnet.rounds.conftest import PIXEL_SIZE, accept_uncorrected
from tomoio import read_labels, read_volume, write_labels, write_volume


@pytest.fixture
def stored(project, region):
    row = accept_uncorrected(project, region)
    check_corrections([row])
    return row


def test_an_image_that_was_turned_to_bright_is_noticed(stored):
    image = read_volume(stored.image_path).data
    write_volume(stored.image_path, -image, PIXEL_SIZE, overwrite=True)
    with pytest.raises(ValueError, match=r"image\.mrc: checksum .* as accepted for r01; bring it back"):
        check_corrections([stored])


def test_labels_that_were_changed_are_noticed(stored):
    labels = np.where(read_labels(stored.labels_path).data == 1, 2, 0)
    write_labels(stored.labels_path, labels, PIXEL_SIZE, overwrite=True)
    with pytest.raises(ValueError, match=r"labels\.mrc: checksum .*segnet accept r01 LABELS --replace"):
        check_corrections([stored])


def test_another_normalisation_is_noticed(stored):
    path = sidecar_path(stored.image_path)
    values = json.loads(path.read_text())
    values[0]["spread"] *= 2
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"image\.normalisation\.json: method='zscore'.*; wanted "):
        check_corrections([stored])


def test_another_contrast_is_noticed(stored):
    text = stored.provenance_path.read_text()
    stored.provenance_path.write_text(text.replace('"contrast": "dark"', '"contrast": "bright"'))
    with pytest.raises(ValueError, match=r"provenance\.json: checksum .*, the name of its folder"):
        check_corrections([stored])


def _as_earlier_versions_stored_it(row):
    values = json.loads(row.provenance_path.read_text())
    del values["normalisation_sha256"]
    row.provenance_path.write_text(json.dumps(values, indent=2))


def test_another_contrast_in_a_provenance_without_a_checksum_is_noticed(stored):
    _as_earlier_versions_stored_it(stored)
    check_corrections([stored])
    text = stored.provenance_path.read_text()
    stored.provenance_path.write_text(text.replace('"contrast": "dark"', '"contrast": "bright"'))
    with pytest.raises(ValueError, match=r"provenance\.json says of the tomogram"):
        check_corrections([stored])


def test_another_place_in_the_provenance_is_noticed(stored):
    values = json.loads(stored.provenance_path.read_text())
    values["crop"]["start_voxels"][0] = 2
    stored.provenance_path.write_text(json.dumps(values, indent=2) + "\n")
    with pytest.raises(ValueError, match=r"as accepted for r01; bring it back from a backup, or run segnet"):
        check_corrections([stored])


def test_a_provenance_that_is_no_json_is_named(stored):
    stored.provenance_path.write_text("{")
    with pytest.raises(ValueError, match=r"provenance\.json: not the record of a crop"):
        check_corrections([stored])


@pytest.mark.parametrize("name", ["labels.mrc", "image.mrc", "image.normalisation.json", "provenance.json"])
def test_a_file_that_is_gone_is_named(stored, name):
    stored.labels_path.with_name(name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}: no such file; it belongs to correction r01"):
        check_corrections([stored])
