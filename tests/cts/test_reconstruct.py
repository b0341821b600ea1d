"""Tilt series in files: alignment, binning, engines, and the real series of EMPIAR-10499."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cts.config.imaging import StackReconstructionConfig
from cts.projection import cut_rows, project
from cts.reconstruct import (
    TiltSeries,
    fourier_shell_correlation,
    half_set_correlation,
    load_tilt_series,
    reconstruct_tilt_series,
)
from cts.reconstruction import reconstruct
from cts.resample import align_image, bin_image
from tests.cts.test_optics import DATA
from tests.cts.test_reconstruction import astra_back_projection
from tomoio import read_manifest, read_stack, read_volume, write_stack
from tomoio.command import run_command_line

REAL = DATA / "empiar10499"
ANGLES = np.arange(-60, 61, 4.0)


@pytest.fixture
def series(tmp_path):
    """Return a phantom and the folder of its projections: bright background, dark matter."""
    truth = gaussian_filter(np.random.default_rng(1).standard_normal((20, 40, 60)), 2).astype(np.float32)
    images = 100 - project(cut_rows(truth), ANGLES)[:, 0]
    write_stack(tmp_path / "series.mrc", images, 10.0)
    (tmp_path / "series.tlt").write_text("".join(f"{angle}\n" for angle in ANGLES))
    return truth, tmp_path


def _config(**options):
    return StackReconstructionConfig(thickness_angstrom=200, **options)


def test_a_series_in_files_becomes_a_dark_tomogram(series):
    truth, folder = series
    reconstruct_tilt_series(folder / "series.mrc", folder / "series.tlt", _config(), folder / "tomogram.mrc")
    tomogram = read_volume(folder / "tomogram.mrc")
    assert tomogram.data.shape == truth.shape
    assert tomogram.pixel_size_angstrom == 10
    assert np.corrcoef(tomogram.data[:, 5:-5, 10:-10].ravel(), truth[:, 5:-5, 10:-10].ravel())[0, 1] < -0.7
    assert read_manifest(folder / "tomogram.manifest.json")["configuration"]["thickness_angstrom"] == 200
    with pytest.raises(FileExistsError, match=r"tomogram\.mrc: exists already"):
        reconstruct_tilt_series(
            folder / "series.mrc", folder / "series.tlt", _config(), folder / "tomogram.mrc"
        )


def test_inverted_angles_mirror_the_tomogram(series):
    _, folder = series
    volumes = []
    for name, angles, invert in (("a", ANGLES, False), ("b", -ANGLES, True)):
        (folder / f"{name}.tlt").write_text("".join(f"{angle}\n" for angle in angles))
        config = _config(invert_angles=invert)
        reconstruct_tilt_series(folder / "series.mrc", folder / f"{name}.tlt", config, folder / f"{name}.mrc")
        volumes.append(read_volume(folder / f"{name}.mrc").data)
    np.testing.assert_allclose(volumes[0], volumes[1], atol=1e-5)


@pytest.mark.parametrize("axis_deg", [0.0, 4.3, 85.0])
def test_a_turned_and_shifted_series_is_brought_back(series, axis_deg):
    """Raw images are made by the inverse of the transforms that are then given."""
    truth, folder = series
    images = 100 - project(cut_rows(truth), ANGLES, width=60)[:, 0]
    square = np.pad(images, [(0, 0), (25, 25), (15, 15)], mode="edge")
    radians = np.deg2rad(axis_deg)
    matrix = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    shifts = np.random.default_rng(2).uniform(-4, 4, (len(images), 2))
    inverse = np.linalg.inv(matrix)
    raw = np.stack([align_image(i, inverse, -inverse @ s) for i, s in zip(square, shifts, strict=True)])
    write_stack(folder / "raw.mrc", raw, 10.0)
    rows = [" ".join(f"{v:.6f}" for v in (*matrix.ravel(), *shift)) for shift in shifts]
    (folder / "raw.xf").write_text("\n".join(rows))
    loaded = load_tilt_series(
        folder / "raw.mrc", folder / "series.tlt", _config(), transforms=folder / "raw.xf"
    )
    middle = loaded.images[:, 30:60, 20:70]
    assert np.corrcoef(middle.ravel(), square[:, 30:60, 20:70].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("factor", [1.4, 2.0, 2.5])
@pytest.mark.parametrize("shape", [(60, 71), (61, 70)])
def test_binning_keeps_centre_and_mean(factor, shape):
    y, x = np.indices(shape)
    centre = ((shape[0] - 1) / 2 + 3.7, (shape[1] - 1) / 2 - 8.2)
    image = (5 + np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * 5.0**2))).astype(np.float32)
    binned = bin_image(image, factor)
    assert binned.shape == tuple(int(n / factor + 1e-6) for n in shape)
    weights = binned - 5
    y, x = np.indices(binned.shape)
    found = [
        (weights * axis).sum() / weights.sum() - (n - 1) / 2
        for axis, n in ((y, binned.shape[0]), (x, binned.shape[1]))
    ]
    np.testing.assert_allclose(np.array(found) * factor, [3.7, -8.2], atol=0.1)
    assert weights.max() == pytest.approx(1, abs=0.03)


def test_a_binned_series_has_the_asked_for_pixel_size(series):
    _, folder = series
    config = _config(output_pixel_size_angstrom=14)
    reconstruct_tilt_series(folder / "series.mrc", folder / "series.tlt", config, folder / "binned.mrc")
    binned = read_volume(folder / "binned.mrc")
    assert binned.pixel_size_angstrom == pytest.approx(14)
    assert binned.data.shape == (14, 28, 42)
    with pytest.raises(ValueError, match="output pixel size of at least"):
        load_tilt_series(folder / "series.mrc", folder / "series.tlt", _config(output_pixel_size_angstrom=5))


def test_fourier_shell_correlation_of_equal_and_unrelated_volumes():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 24, 24, 24)).astype(np.float32)
    assert min(fourier_shell_correlation(a, a, 10.0, 8)[1]) == pytest.approx(1)
    assert np.abs(fourier_shell_correlation(a, b, 10.0, 8)[1][2:]).max() < 0.2


FAKE_TILT = """#!{python}
import json, sys
import numpy as np
from tomoio import read_stack, write_stack
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
json.dump(sys.argv[1:], open({log!r}, "w"))
stack = read_stack(arguments["-InputProjections"])
angles = [float(line) for line in open(arguments["-TILTFILE"])]
assert len(angles) == len(stack.data)
depth = int(arguments["-THICKNESS"])
out = np.zeros((stack.data.shape[1], depth, stack.data.shape[2]), np.float32)
out[3, 1, 7] = 1
write_stack(arguments["-OutputFile"], out, stack.pixel_size_angstrom)
"""


def _install(folder, text, monkeypatch):
    program = folder / "bin" / "tilt"
    program.parent.mkdir()
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_imod_engine_passes_options_and_turns_the_slices(series, monkeypatch):
    import json

    _, folder = series
    log = folder / "log.json"
    _install(folder, FAKE_TILT.format(python=sys.executable, log=str(log)), monkeypatch)
    config = _config(engine="imod", radial_cutoff=0.3)
    reconstruct_tilt_series(folder / "series.mrc", folder / "series.tlt", config, folder / "imod.mrc")
    said = json.loads(log.read_text())
    for option, value in (("-THICKNESS", "20"), ("-RADIAL", "0.3,0.035"), ("-MODE", "2")):
        assert said[said.index(option) + 1] == value
    volume = read_volume(folder / "imod.mrc").data
    assert np.argwhere(volume).tolist() == [[18, 3, 7]]  # slice y = 3, second line from the top


def test_imod_engine_shows_errors_and_absence(series, monkeypatch):
    _, folder = series
    config = _config(engine="imod")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="wanted IMOD on the PATH"):
        reconstruct_tilt_series(folder / "series.mrc", folder / "series.tlt", config, folder / "imod.mrc")
    _install(
        folder, f"#!{sys.executable}\nimport sys\nsys.exit('ERROR: TILT - no tilt angles')\n", monkeypatch
    )
    with pytest.raises(ValueError, match="ERROR: TILT - no tilt angles"):
        reconstruct_tilt_series(folder / "series.mrc", folder / "series.tlt", config, folder / "imod.mrc")
    assert not (folder / "imod.mrc").exists()


def test_command_reconstructs_prints_the_correlation_and_refuses(series, capsys):
    _, folder = series
    command = ["reconstruct", str(folder / "series.mrc"), "--angles", str(folder / "series.tlt"), "-o"]
    command += [str(folder / "t.mrc"), "--thickness-angstrom", "200", "--method", "sirt", "--iterations", "2"]
    assert run_command_line("cts", "", "cts", ("reconstruct",), [*command, "--fsc"]) == 0
    assert capsys.readouterr().out.startswith("resolution_angstrom\tfsc\n")
    assert read_manifest(folder / "t.manifest.json")["configuration"]["method"] == "sirt"
    for extra, said in (
        ([], "exists already"),
        (["--overwrite", "--thickness-angstrom", "-5"], "thickness_angstrom: Input should be greater than 0"),
        (["--overwrite", "--ctf", "nowhere.txt"], "nowhere.txt: no such file; wanted defocus values"),
        (["--overwrite", "--dose-weight"], "series.tlt: no exposure for the image at -60"),
    ):
        assert run_command_line("cts", "", "cts", ("reconstruct",), [*command, *extra]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_inputs_are_never_replaced_and_manifests_not_without_asking(series, tmp_path):
    _, folder = series
    config = StackReconstructionConfig(thickness_angstrom=200)
    stack, angles = folder / "series.mrc", folder / "series.tlt"
    before = stack.read_bytes(), angles.read_bytes()
    for name in (stack, angles):
        with pytest.raises(ValueError, match="an input; wanted another name"):
            reconstruct_tilt_series(stack, angles, config, name, overwrite=True)
    assert (stack.read_bytes(), angles.read_bytes()) == before
    (tmp_path / "new.manifest.json").touch()
    with pytest.raises(FileExistsError, match=r"new\.manifest\.json: exists already"):
        reconstruct_tilt_series(stack, angles, config, tmp_path / "new.mrc")
    assert not (tmp_path / "new.mrc").exists()


def test_an_image_that_is_shifted_away_and_halves_of_one_image_are_refused(series, tmp_path):
    _, folder = series
    config = StackReconstructionConfig(thickness_angstrom=200)
    stack = read_stack(folder / "series.mrc").data
    away = tmp_path / "away.xf"
    away.write_text("1 0 0 1 1e5 0\n" * len(stack))
    with pytest.raises(ValueError, match=r"away\.xf: image 0 shifted by 100000, 0 pixels"):
        load_tilt_series(folder / "series.mrc", folder / "series.tlt", config, transforms=away)
    with pytest.raises(ValueError, match="of 1 image; wanted at least 2"):
        half_set_correlation(TiltSeries(stack[:1], np.zeros(1), 10.0), config)


def _turned_alignments(folder, angles):
    """Write the alignment of a stack whose tilt axis lies at 90 degrees as five programs would."""
    count = len(angles)
    head = "[T =     Tilt axis angle = 90.0, binning = 1  spot = 8  camera = 0]\n"
    labels = (
        "rlnMicrographName",
        "rlnTomoYTilt",
        "rlnTomoZRot",
        "rlnDefocusU",
        "rlnDefocusV",
        "rlnDefocusAngle",
    )
    star = "data_t\n\nloop_\n" + "".join(f"_{label} #{i + 1}\n" for i, label in enumerate(labels))
    texts = {
        "r.xf": "0 1 -1 0 0 0\n" * count,
        "r.aln": "".join(f"{i} 90 1 0 0 1 1 1 0 {angle}\n" for i, angle in enumerate(angles)),
        "r.mdoc": head + "".join(f"[ZValue = {i}]\nTiltAngle = {angle}\n" for i, angle in enumerate(angles)),
        "r.star": star
        + "".join(f"{i + 1}@r.mrc {angle} 90 21500 18500 115\n" for i, angle in enumerate(angles)),
        "r.txt": "".join(f"{i + 1} 21500 18500 115 0 0.1 10\n" for i in range(count)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


def test_a_turned_stack_gives_the_same_tomogram_from_every_format(series):
    _, folder = series
    config = StackReconstructionConfig(thickness_angstrom=200, ctf_correction="phase_flip")
    table = folder / "upright.txt"
    table.write_text("".join(f"{i + 1} 21500 18500 25 0 0.1 10\n" for i in range(len(ANGLES))))
    upright = load_tilt_series(folder / "series.mrc", folder / "series.tlt", config, ctf=table)
    stack = read_stack(folder / "series.mrc").data
    # With the axis at 90 degrees, x of the aligned image is y of the raw one, and its y is -x of the raw one.
    write_stack(folder / "r.mrc", np.ascontiguousarray(stack.swapaxes(1, 2)[:, :, ::-1]), 10.0)
    files = _turned_alignments(folder, ANGLES)
    for angles, others in (
        (folder / "series.tlt", {"transforms": files["r.xf"], "ctf": files["r.txt"]}),
        (folder / "series.tlt", {"tilt_axis_deg": 90.0, "ctf": files["r.txt"]}),
        (files["r.aln"], {"ctf": files["r.star"]}),
        (files["r.mdoc"], {"ctf": files["r.txt"]}),
        (files["r.star"], {}),
    ):
        turned = load_tilt_series(folder / "r.mrc", angles, config, **others)
        np.testing.assert_allclose(turned.images, upright.images, atol=1e-4)
        np.testing.assert_array_equal(turned.tilt_deg, upright.tilt_deg)


def test_images_without_numbers_and_turned_differently_are_refused(series):
    _, folder = series
    config = StackReconstructionConfig(thickness_angstrom=200)
    stack = read_stack(folder / "series.mrc").data.copy()
    rows = ["1 0 0 1 0 0\n", *["0 1 -1 0 0 0\n"] * (len(stack) - 1)]
    (folder / "mixed.xf").write_text("".join(rows))
    with pytest.raises(ValueError, match=r"mixed\.xf: some images turned"):
        reconstruct_tilt_series(
            folder / "series.mrc",
            folder / "series.tlt",
            config,
            folder / "never.mrc",
            transforms=folder / "mixed.xf",
        )
    stack[3, 2, 1] = np.nan
    write_stack(folder / "holes.mrc", stack, 10.0)
    with pytest.raises(ValueError, match=r"holes\.mrc: NaN or infinite values in image 3"):
        reconstruct_tilt_series(folder / "holes.mrc", folder / "series.tlt", config, folder / "never.mrc")
    assert not (folder / "never.mrc").exists()


real_data = pytest.mark.skipif(not REAL.is_dir(), reason="no real tilt series (shared/data/empiar10499)")


@pytest.fixture(scope="module")
def real_series():
    config = StackReconstructionConfig(
        thickness_angstrom=2400, output_pixel_size_angstrom=20, invert_angles=True
    )
    series = load_tilt_series(
        REAL / "tiltseries_10A_int8.mrc", REAL / "angles.tlt", config, transforms=REAL / "transforms.xf"
    )
    return series, config


@real_data
def test_the_real_series_agrees_with_astra(real_series):
    astra = pytest.importorskip("astra")
    series, _ = real_series
    rows = series.images[:, 140:180]
    config = StackReconstructionConfig(thickness_angstrom=2400, radial_cutoff=0.5, radial_falloff=0)
    ours = reconstruct(rows, series.tilt_deg, 120, config)
    theirs = astra_back_projection(astra, rows, series.tilt_deg, 120)
    correlation = np.corrcoef(ours[:, :, 20:-20].ravel(), theirs[:, :, 20:-20].ravel())[0, 1]
    assert correlation > 0.95


@real_data
def test_the_real_membrane_is_a_dark_line(real_series):
    """The left edge of the cell runs straight through these rows, 0.39 columns a row (as seen in a "
    "picture)."""
    series, config = real_series
    smooth = gaussian_filter(reconstruct(series.images[:, 100:200], series.tilt_deg, 120, config), 3)
    columns = np.argmin(smooth[55:65].mean(axis=0)[:, 20:110], axis=1)
    assert np.median((columns[20:] - columns[:-20]) / 20) == pytest.approx(0.39, abs=0.08)


@real_data
def test_odd_and_even_images_agree_at_low_resolution(real_series, capsys):
    series, config = real_series
    part = replace(series, images=series.images[:, 100:200])
    frequency, correlation = half_set_correlation(part, config)
    with capsys.disabled():
        print("\nresolution (Å): correlation of odd and even images")
        print(", ".join(f"{1 / f:.0f}: {c:.2f}" for f, c in zip(frequency, correlation, strict=True)))
    assert correlation[0] > 0.8
    assert np.mean(correlation[-5:]) < 0.1
