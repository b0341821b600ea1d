from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import ndimage

import segnet
from segnet import segment_files
from segnet.cli import main
from segnet.config.segmentation import SegmentationConfig
from segnet.islands import remove_small_islands
from segnet.model_folder import load_model
from segnet.normalisation import Normalisation, write_normalisations
from segnet.segment_files import segment_tomograms
from tests.segnet.phantoms import CLASSES, phantom
from tomoio import read_labels, read_volume, write_volume

EXACT = SegmentationConfig(precision="float32", threads=1)


def dice(a: np.ndarray, b: np.ndarray, label: int) -> float:
    return 2 * np.sum((a == label) & (b == label)) / (np.sum(a == label) + np.sum(b == label))


def test_a_volume_in_memory_is_segmented(model):
    grey, truth = phantom(4)
    found = segnet.segment(grey, 13.0, model, EXACT)
    assert found.dtype == np.uint8
    assert dice(found, truth, 5) > 0.8
    assert dice(found, truth, 1) > 0.8
    loaded = load_model(model)
    np.testing.assert_array_equal(segnet.segment(grey, 13.0, loaded, EXACT), found)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32, ">f4", ">i2"])
def test_files_of_every_type_give_the_labels_of_the_array(tmp_path, model, dtype):
    grey = np.round(phantom(4)[0])
    path = tmp_path / "t.mrc"
    if np.dtype(dtype).byteorder == ">":
        with mrcfile.new(path, overwrite=True) as mrc:
            mrc.set_data(grey.astype(dtype))
            mrc.voxel_size = 13.0
    else:
        write_volume(path, grey.astype(dtype), 13.0)
    with mrcfile.open(path, header_only=True) as mrc:
        assert (mrc.header.nx.dtype.byteorder == ">") == (np.dtype(dtype).byteorder == ">")
    (labels,) = segment_tomograms(model, [path], tmp_path / "out", EXACT)
    np.testing.assert_array_equal(read_labels(labels).data, segnet.segment(grey, 13.0, model, EXACT))


@pytest.mark.parametrize("pixel_size", [8.0, 19.5])
def test_labels_come_back_on_the_grid_of_another_pixel_size(tmp_path, model, pixel_size):
    grey, truth = phantom(4, (24, 96, 96))
    zoom = 13.0 / pixel_size
    grey = ndimage.zoom(grey, zoom, order=1, grid_mode=True, mode="nearest").astype(np.float32)
    truth = ndimage.zoom(truth, zoom, order=0, grid_mode=True, mode="nearest")
    write_volume(tmp_path / "t.mrc", grey, pixel_size, origin_angstrom=(1, 2, 3))
    (path,) = segment_tomograms(model, [tmp_path / "t.mrc"], tmp_path / "out", EXACT)
    found = read_labels(path)
    assert found.data.shape == grey.shape
    assert (found.pixel_size_angstrom, found.origin_angstrom) == (pixel_size, (1, 2, 3))
    agreement = dice(found.data, truth, 5)
    assert agreement > 0.5  # pixels that large hold less than those that the network knows
    for axis in range(3):  # and the labels lie where they belong
        for shift in (-2, 2):
            assert dice(found.data, np.roll(truth, shift, axis), 5) < agreement
    np.testing.assert_array_equal(found.data, segnet.segment(grey, pixel_size, model, EXACT))


def test_inverted_contrast_warns_and_can_be_said(model, caplog):
    grey = phantom(4)[0]
    grey[:, :10] -= 60  # a thick dark layer, so that the skewness is clear
    wanted = segnet.segment(grey, 13.0, model, EXACT)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        segnet.segment(-grey, 13.0, model, EXACT)
    assert "looks inverted" in caplog.text
    assert "say contrast: bright" in caplog.text
    caplog.clear()
    bright = EXACT.model_copy(update={"contrast": "bright"})
    np.testing.assert_array_equal(segnet.segment(-grey, 13.0, model, bright), wanted)
    assert not caplog.records


def test_an_empty_result_is_never_silent(model, caplog):
    nothing_left = EXACT.model_copy(update={"min_island_voxels": 10**6})
    with caplog.at_level(logging.WARNING):
        found = segnet.segment(phantom(4)[0], 13.0, model, nothing_left)
    assert not found.any()
    assert "every voxel" in caplog.text


def test_a_crop_is_segmented_with_the_normalisation_that_it_carries(tmp_path, model):
    grey = phantom(4)[0]
    whole = Normalisation(method="zscore", centre=float(grey.mean()), spread=float(grey.std()))
    write_volume(tmp_path / "crop.mrc", grey[:, :12, :12], 13.0)
    write_normalisations(tmp_path / "crop.mrc", [whole])
    (path,) = segment_tomograms(model, [tmp_path / "crop.mrc"], tmp_path / "out", EXACT)
    wanted = segnet.segment(grey[:, :12, :12], 13.0, model, EXACT, normalisation=whole)
    np.testing.assert_array_equal(read_labels(path).data, wanted)


def test_probabilities_and_uncertainty_fit_to_the_labels(tmp_path, model):
    write_volume(tmp_path / "t.mrc", phantom(4)[0], 13.0)
    config = EXACT.model_copy(update={"probabilities": ("all",), "uncertainty": True})
    (path,) = segment_tomograms(model, [tmp_path / "t.mrc"], tmp_path / "out", config)
    maps = np.stack(
        [read_volume(tmp_path / "out" / f"t_probability_{name}.mrc").data for name in CLASSES.names]
    ).astype(np.float32)
    np.testing.assert_allclose(maps.sum(0), 1, atol=0.005)
    labels = np.array(CLASSES.labels)[maps.argmax(0)]
    sure = np.sort(maps, axis=0)[-1] - np.sort(maps, axis=0)[-2] > 0.01  # float16 may tie otherwise
    np.testing.assert_array_equal(labels[sure], read_labels(path).data[sure])
    uncertainty = read_volume(tmp_path / "out" / "t_uncertainty.mrc").data.astype(np.float32)
    wanted = -(maps * np.log(np.maximum(maps, 1e-9))).sum(0) / np.log(4)
    np.testing.assert_allclose(uncertainty, wanted, atol=0.01)
    assert uncertainty.max() <= 1.001
    with pytest.raises(ValueError, match="unknown class 'actin'"):
        segment_tomograms(
            model,
            [tmp_path / "t.mrc"],
            tmp_path / "b",
            EXACT.model_copy(update={"probabilities": ("actin",)}),
        )


def test_what_is_done_is_passed_over(tmp_path, model, monkeypatch):
    for name, seed in (("a", 4), ("b", 5)):
        write_volume(tmp_path / f"{name}.mrc", phantom(seed)[0], 13.0)
    segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", EXACT)
    started, run_job = [], segment_files._run_job
    monkeypatch.setattr(
        segment_files, "_run_job", lambda job, *rest: started.append(job.stem) or run_job(job, *rest)
    )
    both = [tmp_path / "a.mrc", tmp_path / "b.mrc"]
    assert len(segment_tomograms(model, both, tmp_path / "out", EXACT)) == 2
    assert started == ["b"]
    other = EXACT.model_copy(update={"min_island_voxels": 5})
    with pytest.raises(FileExistsError, match=r"a_labels.mrc: exists already, from another network or other"):
        segment_tomograms(model, both, tmp_path / "out", other)
    segment_tomograms(model, both, tmp_path / "out", other, overwrite=True)
    assert started == ["b", "a", "b"]


@pytest.mark.slow
def test_several_devices_share_the_tomograms(tmp_path, model):
    paths = []
    for seed in (4, 5, 6):
        write_volume(tmp_path / f"{seed}.mrc", phantom(seed)[0], 13.0)
        paths.append(tmp_path / f"{seed}.mrc")
    jobs = [segment_files.Job(path, model, tmp_path / "out", EXACT, None) for path in paths]
    segment_files._run_on_devices(jobs, ["cpu", "cpu"])
    for job, seed in zip(jobs, (4, 5, 6), strict=True):
        wanted = segnet.segment(phantom(seed)[0], 13.0, model, EXACT)
        np.testing.assert_array_equal(read_labels(job.labels).data, wanted)


@pytest.mark.parametrize("min_voxels", [2, 20, 100])
def test_small_islands_go_and_no_other_voxel(min_voxels):
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(0, 1, (15, 40, 40)), 1)
    labels = np.digitize(noise, [0.15, 0.2, 0.3]).astype(np.uint8)
    labels[3, :5] = 255
    wanted = labels.copy()
    for label in (1, 2, 3):
        pieces, n = ndimage.label(labels == label, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel(), minlength=n + 1)
        wanted[(pieces > 0) & (sizes[pieces] < min_voxels)] = 0
    removed = remove_small_islands(labels, min_voxels)
    np.testing.assert_array_equal(labels, wanted)
    assert removed > 0
    assert remove_small_islands(np.zeros((2, 3, 4), np.uint8), 5) == 0


def test_wrong_input_stops_before_anything_is_written(tmp_path, model, capsys):
    write_volume(tmp_path / "a.mrc", phantom(4)[0], 13.0)
    with mrcfile.new(tmp_path / "b.mrc") as mrc:
        mrc.set_data(phantom(4)[0])
    out = ["-o", str(tmp_path / "out")]
    assert main(["segment", str(model), str(tmp_path / "a.mrc"), str(tmp_path / "b.mrc"), *out]) == 2
    assert "b.mrc: voxel size 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "c").mkdir()
    write_volume(tmp_path / "c" / "a.mrc", phantom(4)[0], 13.0)
    assert main(["segment", str(model), str(tmp_path / "a.mrc"), str(tmp_path / "c" / "a.mrc"), *out]) == 2
    assert "two tomograms are called a" in capsys.readouterr().err
    arguments = [str(tmp_path / "b.mrc"), "--pixel-size-angstrom", "13", "--min-island-voxels", "4"]
    assert main(["segment", str(model), *arguments, *out, "--threads", "1"]) == 0
    assert read_labels(tmp_path / "out" / "b_labels.mrc").pixel_size_angstrom == 13
    with pytest.raises(ValueError, match="three dimensions"):
        segnet.segment(np.zeros((3, 4)), 13.0, model)
    with pytest.raises(ValueError, match="every value is 0"):
        segnet.segment(np.zeros((3, 4, 5)), 13.0, model)


@pytest.mark.parametrize(
    ("volume", "pixel_size", "message"),
    [
        (phantom(4)[0], 0.0, "pixel_size_angstrom 0.0; wanted a positive number"),
        (phantom(4)[0], float("nan"), "pixel_size_angstrom nan; wanted a positive number"),
        (phantom(4)[0], 130.0, "130 Å a pixel is too far from the network's 13 Å"),
        (phantom(4)[0], 1.3, "wanted at most 8 times more or less"),
        (phantom(4)[0].astype(complex), 13.0, "volume of type complex128; wanted real numbers"),
    ],
)
def test_the_function_names_what_it_cannot_take(model, volume, pixel_size, message):
    with pytest.raises(ValueError, match=message):
        segnet.segment(volume, pixel_size, model)


def test_a_crop_is_refused_where_its_normalisation_is_not_the_networks(model):
    carried = Normalisation(method="robust", centre=95, spread=12)
    with pytest.raises(ValueError, match="volume: carries a robust normalisation; wanted zscore"):
        segnet.segment(phantom(4)[0], 13.0, model, normalisation=carried)


def test_a_crop_with_a_value_that_is_not_finite_is_refused(model):
    grey = phantom(4)[0]
    grey[3, 5, 7] = np.nan
    carried = Normalisation(method="zscore", centre=95, spread=12)
    with pytest.raises(ValueError, match="volume: values that are not finite"):
        segnet.segment(grey, 13.0, model, normalisation=carried)


@pytest.mark.parametrize("device", ["autobahn", "mycpu", "cuda:"])
def test_an_unknown_device_is_a_wrong_setting(tmp_path, model, capsys, device):
    write_volume(tmp_path / "a.mrc", phantom(4)[0], 13.0)
    arguments = ["segment", str(model), str(tmp_path / "a.mrc"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--device", device]) == 2
    assert "device: String should match pattern" in capsys.readouterr().err


def tampered(model: Path, folder: Path, key: str, value: object) -> Path:
    """Return a copy of a model folder whose card says something else."""
    shutil.copytree(model, folder)
    card = json.loads((folder / "model.json").read_text())
    card[key] = value
    (folder / "model.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("pixel_sizes_angstrom", lambda _: [0, 0], "pixel_sizes_angstrom: wanted two sizes above 0"),
        ("pixel_sizes_angstrom", lambda _: [14, 12], "pixel_sizes_angstrom: wanted two sizes above 0"),
        ("classes", lambda rows: [rows[0], *rows[:-1]], r"classes: labels \[0, 0, 1, 5\] of background"),
        ("classes", lambda rows: [rows[0] | {"label": 9}, *rows[1:]], r"classes: labels \[9, 1, 5, 6\]"),
        (
            "classes",
            lambda rows: [*rows[:3], rows[3] | {"name": "ribosome"}],
            "classes: .*wanted rising labels .* name once",
        ),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(tmp_path, model, key, change, message):
    card = json.loads((model / "model.json").read_text())
    folder = tampered(model, tmp_path / "m", key, change(card[key]))
    with pytest.raises(ValueError, match=f"model.json: {message}"):
        load_model(folder)


def test_a_card_that_is_no_text_is_named(tmp_path):
    (tmp_path / "model.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match=r"model.json: not a model card"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t * float("nan"), "classify.bias holds values that are not finite"),
        (lambda t: t.to(torch.int32), "classify.bias is of type torch.int32; wanted torch.float32"),
        (lambda t: t[:-1], r"classify.bias is \(3,\); wanted \(4,\)"),
    ],
)
def test_weights_that_cannot_be_right_are_refused(tmp_path, model, change, message):
    shutil.copytree(model, tmp_path / "m")
    weights = load_file(tmp_path / "m" / "weights.safetensors")
    weights["classify.bias"] = change(weights["classify.bias"])
    save_file(weights, tmp_path / "m" / "weights.safetensors")
    with pytest.raises(ValueError, match=f"weights.safetensors: {message}"):
        load_model(tmp_path / "m")


def test_no_file_is_replaced_unasked_and_a_lost_map_is_made_again(tmp_path, model):
    write_volume(tmp_path / "a.mrc", phantom(4)[0], 13.0)
    config = EXACT.model_copy(update={"probabilities": ("ribosome",), "uncertainty": True})
    theirs = tmp_path / "out" / "a_uncertainty.mrc"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a_uncertainty.mrc: exists already"):
        segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", config)
    assert theirs.read_text() == "mine"
    theirs.unlink()
    segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", config)
    (tmp_path / "out" / "a_probability_ribosome.mrc").unlink()
    segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", config, overwrite=True)
    assert read_volume(tmp_path / "out" / "a_probability_ribosome.mrc").data.max() > 0.5


def test_a_tomogram_is_never_replaced_by_results(tmp_path, model):
    for name in ("a.mrc", "a_labels.mrc"):
        write_volume(tmp_path / name, phantom(4)[0], 13.0)
    both = [tmp_path / "a.mrc", tmp_path / "a_labels.mrc"]
    with pytest.raises(ValueError, match=r"a_labels.mrc: would be replaced by the labels"):
        segment_tomograms(model, both, tmp_path, EXACT, overwrite=True)


def test_a_tomogram_without_suffix_gives_its_name_to_the_labels(tmp_path, model):
    write_volume(tmp_path / "position_7", phantom(4)[0], 13.0)
    done = segment_tomograms(model, [tmp_path / "position_7"], tmp_path / "out", EXACT)
    assert [path.name for path in done] == ["position_7_labels.mrc"]


def test_another_normalisation_beside_a_crop_is_another_result(tmp_path, model):
    write_volume(tmp_path / "a.mrc", phantom(4)[0], 13.0)
    segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", EXACT)
    write_normalisations(tmp_path / "a.mrc", [Normalisation(method="zscore", centre=90, spread=12)])
    with pytest.raises(FileExistsError, match=r"a_labels.mrc: exists already, from another network or other"):
        segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "out", EXACT)


def test_a_file_in_place_of_the_folder_is_named(tmp_path, model):
    write_volume(tmp_path / "a.mrc", phantom(4)[0], 13.0)
    with pytest.raises(NotADirectoryError, match=r"a.mrc: is a file or below one; wanted a folder"):
        segment_tomograms(model, [tmp_path / "a.mrc"], tmp_path / "a.mrc", EXACT)


def peak_memory(command: list[str]) -> int:
    """Bytes that a command held at most."""
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.parametrize("pixel_size", [13.0, 10.0])
def test_memory_stays_below_three_tomograms_and_a_gigabyte(tmp_path, model, pixel_size):
    shape = (300, 1000, 800)
    path: Path = tmp_path / "large.mrc"
    write_volume(path, np.random.default_rng(0).integers(-100, 100, shape, dtype=np.int8), pixel_size)
    command = [
        sys.executable,
        "-m",
        "segnet.cli",
        "segment",
        str(model),
        str(path),
        "-o",
        str(tmp_path / "out"),
    ]
    assert peak_memory([*command, "--threads", "1"]) < 3 * 240e6 + 1e9
