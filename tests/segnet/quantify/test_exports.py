"""Exports read back with their own libraries; skipped where the extra [portal] is not installed."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.run import quantify
from segnet.quantify.tomogram import LabelsSource
from tests.segnet.quantify.phantom import CLASSES, draw_ball, draw_tube, line
from tomoio import write_labels

PIXEL = 13.0
CENTRES = [(15, 20, 20), (15, 50, 45)]


def _quantify(folder, export):
    volume = np.zeros((40, 80, 100), np.uint8)
    for centre in CENTRES:
        draw_ball(volume, centre, 6.0, 6)
    draw_tube(volume, line((30, 70, 10), (30, 70, 90)), 2.8, 3)
    write_labels(folder / "a_labels.mrc", volume, PIXEL)
    source = LabelsSource(folder / "a_labels.mrc", "a")
    quantify([source], QuantificationConfig(exports=(export,)), folder / "out", classes=CLASSES)
    return volume


def test_copick_reads_labels_points_and_filaments_back(tmp_path):
    copick = pytest.importorskip("copick")
    volume = _quantify(tmp_path, "copick")
    root = copick.from_file(str(tmp_path / "out" / "copick" / "config.json"))
    run = root.get_run("a")
    (segmentation,) = run.get_segmentations(name="classes", is_multilabel=True)
    np.testing.assert_array_equal(segmentation.numpy(), volume)
    assert segmentation.voxel_size == PIXEL
    (picks,) = run.get_picks(object_name="tric")
    found = sorted((p.location.z, p.location.y, p.location.x) for p in picks.points)
    np.testing.assert_allclose(found, np.array(CENTRES) * PIXEL, atol=0.5)
    (filaments,) = run.get_filaments(object_name="actin")
    (actin,) = filaments.filaments
    points = np.array(actin.points)
    assert abs(points[-1, 0] - points[0, 0]) == pytest.approx(80 * PIXEL, rel=0.03)
    np.testing.assert_allclose(points[:, 2], 30 * PIXEL, atol=8)
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= PIXEL
    assert {o.name: o.label for o in root.pickable_objects}["actin"] == 3


def test_ome_zarr_reads_labels_and_measures_back(tmp_path):
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    volume = _quantify(tmp_path, "ome-zarr")
    nodes = list(Reader(parse_url(tmp_path / "out" / "ome_zarr" / "a.zarr"))())
    by_name = {
        node.zarr.path.rstrip("/").split("/")[-1] if hasattr(node.zarr, "path") else str(node): node
        for node in nodes
    }
    image = nodes[0]
    np.testing.assert_array_equal(np.asarray(image.data[0]), volume)
    assert image.metadata["coordinateTransformations"][0][0]["scale"] == [PIXEL] * 3
    assert [axis["unit"] for axis in image.metadata["axes"]] == ["angstrom"] * 3
    labels = {str(node.zarr).rstrip("/").split("/")[-1]: node for node in nodes[1:]}
    classes, instances = (
        next(node for name, node in labels.items() if wanted in name) for wanted in ("classes", "instances")
    )
    np.testing.assert_array_equal(np.asarray(classes.data[0]), volume)
    properties = instances.metadata["properties"]
    centres = [p["centre_angstrom"] for p in properties.values() if p["class"] == "tric"]
    np.testing.assert_allclose(sorted(centres), np.array(CENTRES) * PIXEL, atol=0.5)
    ids = np.asarray(instances.data[0])
    assert set(np.unique(ids)) - {0} == set(properties)
    assert by_name


def test_an_export_without_its_library_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("segnet.quantify.run.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="portal"):
        _quantify(tmp_path, "copick")
    assert not (tmp_path / "out").exists()
