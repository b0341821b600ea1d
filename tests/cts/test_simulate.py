"""Model folder to tilt series and tomogram: files, registration, contrast, determinism, stages."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import starfile
from scipy.ndimage import gaussian_filter

from cts.alignment import read_alignment
from cts.config.imaging import SimulationConfig, StackReconstructionConfig
from cts.config.specimen import SpecimenConfig
from cts.defocus import with_ctf
from cts.imaging import Specimen, image_contrast, plan_series, view_specimen
from cts.projection import cut_rows
from cts.reconstruct import reconstruct_tilt_series
from cts.simulate import output_names, simulate_tomogram
from tomoio import read_manifest, read_stack, read_volume, write_volume
from tomoio.command import run_command_line
from tomoio.config import load_yaml, parse_config
from tomoio.tables import read_table

SHAPE = (24, 61, 80)
BALLS = ((12, 20, 25, 6), (8, 44, 60, 5), (15, 40, 18, 4))  # z, y, x, radius


def _model(shape=SHAPE, balls=BALLS):
    grids = np.indices(shape)
    volume = np.full(shape, 4.5, np.float32)
    for *centre, radius in balls:
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)))
        volume += 2.5 * np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
    return volume


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_volume(folder / "model.mrc", _model(), 10.0)
    return folder


def _simulate(model_dir, output, options=None, seed=1):
    config = parse_config(options or {}, SimulationConfig, "test")
    simulate_tomogram(model_dir, config, output, seed=seed, tomogram_id="a", overwrite=False)
    return output


def _correlation(model, tomogram):
    inner = (slice(3, -3), slice(6, -6), slice(6, -6))
    return np.corrcoef(model[inner].ravel(), tomogram[inner].ravel())[0, 1]


def test_files_grids_and_contrast(model_dir, tmp_path):
    folder = _simulate(
        model_dir, tmp_path / "out", {"optics": {"defocus_um": [3, 4]}, "tilt": {"step_deg": 4}}
    )
    series, tomogram = read_stack(folder / "tiltseries.mrc"), read_volume(folder / "tomogram.mrc")
    assert series.data.shape == (31, 61, 80)
    assert tomogram.data.shape == SHAPE
    assert tomogram.pixel_size_angstrom == series.pixel_size_angstrom == 10
    assert series.data[15].mean() == pytest.approx(100 / 31 * 100 * np.exp(-240 / 3800), rel=0.01)
    assert _correlation(_model(), tomogram.data) < -0.2
    manifest = read_manifest(folder / "manifest.json")
    assert 3 <= manifest["configuration"]["optics"]["defocus_um"] <= 4
    assert manifest["seed"] == 1
    rows = read_table(folder / "tiltseries.tsv", required=("tilt_deg", "defocus_um"))
    assert [float(row["tilt_deg"]) for row in rows] == np.arange(-60, 61, 4).tolist()
    assert sum(float(row["dose_e_per_angstrom2"]) for row in rows) == pytest.approx(100, rel=1e-4)


def test_other_programs_tables_read_back(model_dir, tmp_path):
    folder = _simulate(model_dir, tmp_path / "out", {"tilt": {"min_deg": -6, "max_deg": 6}})
    rows = read_table(folder / "tiltseries.tsv", required=("tilt_deg",))
    for name in ("tiltseries.tlt", "tiltseries.mrc.mdoc", "tiltseries.star"):
        images = read_alignment(folder / name, None, 5, 10.0)
        assert [image.tilt_deg for image in images] == [-6, -3, 0, 3, 6]
        np.testing.assert_allclose(images[1].matrix, np.eye(2))
    assert images[0].ctf.defocus_um == pytest.approx(5)
    mdoc = read_alignment(folder / "tiltseries.mrc.mdoc", None, 5, 10.0)
    prior = [float(row["prior_exposure_e_per_angstrom2"]) for row in rows]
    assert [image.prior_e_per_angstrom2 for image in mdoc] == pytest.approx(prior)
    assert prior == pytest.approx([80, 40, 0, 20, 60])
    assert set(starfile.read(folder / "tiltseries.star", always_dict=True)) == {"a"}
    known = starfile.read(folder / "tomograms.star", always_dict=True)["global"].iloc[0]
    assert (known.rlnTomoName, known.rlnTomoTiltSeriesStarFile) == ("a", "tiltseries.star")
    assert (known.rlnTomoSizeX, known.rlnTomoSizeY, known.rlnTomoSizeZ) == SHAPE[::-1]
    assert with_ctf(images, folder / "tiltseries.tsv", 5)[3].ctf.defocus_um == pytest.approx(5)


@pytest.mark.parametrize("shape", [(20, 40, 50), (21, 41, 51), (20, 41, 50), (21, 40, 51)])
@pytest.mark.parametrize(
    "tilt", [{}, {"min_deg": -40, "max_deg": 66, "step_deg": 2}, {"angles_deg": (-50.0, -20.0, 5.0, 45.0)}]
)
def test_tomogram_and_model_are_registered(tmp_path, shape, tilt):
    """A ball that a label would cover comes back at its place within half a voxel."""
    ball = (10.0, 18.0, 30.0, 4)
    write_volume(tmp_path / "model" / "model.mrc", _model(shape, [ball]), 10.0)
    options = {
        "tilt": tilt,
        "dose": {"total_e_per_angstrom2": 10000, "radiation_damage": 0},
        "optics": {"defocus_um": 0.5, "amplitude_contrast": 0.5},
    }
    tomogram = read_volume(_simulate(tmp_path / "model", tmp_path / "out", options) / "tomogram.mrc").data
    corner = [int(c) - 6 for c in ball[:3]]
    part = tomogram[tuple(slice(max(c, 0), c + 13) for c in corner)]
    dark = np.maximum(-part - 0.4 * (-part).max(), 0)
    found = [
        (dark * g).sum() / dark.sum() + max(c, 0) for g, c in zip(np.indices(part.shape), corner, strict=True)
    ]
    assert np.abs(np.array(found) - ball[:3]).max() < 0.5


def test_reconstructing_the_written_series_gives_the_same_tomogram(model_dir, tmp_path):
    folder = _simulate(model_dir, tmp_path / "out")
    config = StackReconstructionConfig(thickness_angstrom=240)
    reconstruct_tilt_series(
        folder / "tiltseries.mrc", folder / "tiltseries.tlt", config, tmp_path / "again.mrc"
    )
    first, second = (read_volume(path).data for path in (folder / "tomogram.mrc", tmp_path / "again.mrc"))
    np.testing.assert_allclose(first, second, atol=1e-6)


_RUN = """
import sys
from pathlib import Path
from cts.config.imaging import SimulationConfig
from cts.simulate import simulate_tomogram
config = SimulationConfig(tilt={"step_deg": 10})
simulate_tomogram(Path(sys.argv[1]), config, Path(sys.argv[2]), seed=5, tomogram_id="a")
"""


def test_one_seed_repeats_on_any_number_of_threads_and_two_differ(model_dir, tmp_path):
    sums = []
    for threads in (1, 2, 4):
        output = tmp_path / str(threads)
        subprocess.run(
            [sys.executable, "-c", _RUN, str(model_dir), str(output)],
            check=True,
            env={**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)},
        )
        sums.append(
            [
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(output.iterdir())
                if path.name != "manifest.json"  # it has timings
            ]
        )
        assert "Created" not in (output / "tiltseries.star").read_text()  # a date would change within a day
    assert sums[0] == sums[1] == sums[2]
    other = _simulate(model_dir, tmp_path / "other", {"tilt": {"step_deg": 10}}, seed=6)
    first = read_stack(tmp_path / "1" / "tiltseries.mrc").data
    assert not np.array_equal(first, read_stack(other / "tiltseries.mrc").data)


def test_stages_halves_and_ideal(model_dir, tmp_path):
    output = dict.fromkeys(("clean", "ctf", "dose", "halves", "ideal"), True)
    options = {"output": output, "tilt": {"step_deg": 5}}
    folder = _simulate(model_dir, tmp_path / "all", options)
    stacks = {
        name: read_stack(folder / f"{name}.mrc").data
        for name in ("clean", "ctf", "dose", "tiltseries", "tiltseries_even", "tiltseries_odd")
    }
    np.testing.assert_array_equal(stacks["tiltseries_even"] + stacks["tiltseries_odd"], stacks["tiltseries"])
    plain = read_stack(
        _simulate(model_dir, tmp_path / "plain", {"tilt": {"step_deg": 5}}) / "tiltseries.mrc"
    ).data
    np.testing.assert_array_equal(plain, stacks["tiltseries"])
    residual = (stacks["tiltseries"] - stacks["dose"]) / np.sqrt(stacks["dose"])
    assert residual.mean() == pytest.approx(0, abs=0.01)
    assert residual.std() == pytest.approx(1, abs=0.01)
    assert stacks["clean"].max() < 1.05
    volumes = {
        n: read_volume(folder / f"{n}.mrc").data
        for n in ("tomogram", "tomogram_even", "tomogram_odd", "ideal")
    }
    assert {volume.shape for volume in volumes.values()} == {SHAPE}
    scores = {name: _correlation(_model(), volume) for name, volume in volumes.items()}
    assert scores["ideal"] < -0.8 < scores["tomogram"] < scores["tomogram_even"] < -0.1
    mean = 0.5 * (volumes["tomogram_even"] + volumes["tomogram_odd"])
    assert np.corrcoef(mean.ravel(), volumes["tomogram"].ravel())[0, 1] > 0.999


def test_more_dose_means_less_noise(model_dir, tmp_path):
    scores = []
    for dose in (10, 100, 1000):
        options = {"dose": {"total_e_per_angstrom2": dose, "radiation_damage": 0}}
        folder = _simulate(model_dir, tmp_path / str(dose), options)
        scores.append(_correlation(_model(), read_volume(folder / "tomogram.mrc").data))
    assert scores[0] > scores[1] > scores[2]


def test_damage_dims_late_images_only_where_it_is_asked_for(model_dir, tmp_path):
    spread = {}
    for damage in (0, 1):
        options = {
            "dose": {"radiation_damage": damage},
            "output": {"dose": True},
            "detector": {"dqe": [[0, 1]]},
        }
        stack = read_stack(_simulate(model_dir, tmp_path / str(damage), options) / "dose.mrc").data
        spread[damage] = (stack / stack.mean(axis=(1, 2), keepdims=True)).std(axis=(1, 2))
    ratio = spread[1] / spread[0]
    assert ratio[20] > 0.95
    assert ratio[0] < ratio[10] < ratio[20]


@pytest.mark.parametrize("surroundings", ["mirror", "mean"])
def test_tilted_images_have_no_edges_of_the_model(tmp_path, surroundings):
    rng = np.random.default_rng(1)
    volume = (4.5 + 0.3 * rng.standard_normal((16, 48, 64))).astype(np.float32)
    write_volume(tmp_path / "model" / "model.mrc", volume, 10.0)
    options = {
        "tilt": {"angles_deg": (60.0,)},
        "output": {"ctf": True},
        "sample": {"surroundings": surroundings},
        "optics": {"defocus_um": 1},
    }
    image = read_stack(_simulate(tmp_path / "model", tmp_path / "out", options) / "ctf.mrc").data[0]
    middle, edges = image[:, 20:44], np.concatenate([image[:, :10], image[:, -10:]], axis=1)
    assert edges.mean() == pytest.approx(middle.mean(), abs=0.3 * float(middle.std()))


def test_slabs_put_matter_at_its_height_and_strips_at_the_midplane():
    """A sheet at the top of a thick box, untilted: nearer the source, so less underfocused."""
    sheet = np.zeros((240, 64, 96), np.float32)
    sheet[230] = np.random.default_rng(2).standard_normal((64, 96))
    specimen = Specimen(cut_rows(sheet), 3.0)
    height_um = (230 - 119.5) * 3.0 * 1e-4

    def image(depth, defocus_um):
        config = SimulationConfig(optics={"depth": depth, "defocus_um": defocus_um})
        shot = plan_series(
            SimulationConfig(tilt={"angles_deg": (0.0,)}, optics=config.optics), np.random.default_rng()
        )[0]
        return image_contrast(view_specimen(specimen, shot, config), shot, 3.0, config).ravel()

    at_its_height = image("slabs", 2.0)
    assert np.corrcoef(at_its_height, image("strips", 2.0 - height_um))[0, 1] > 0.995
    assert np.corrcoef(at_its_height, image("strips", 2.0))[0, 1] < 0.98
    assert np.corrcoef(at_its_height, image("strips", 2.0 + height_um))[0, 1] < 0.95


@pytest.mark.parametrize("tilt_deg", [-45.0, 30.0])
def test_slabs_and_strips_agree_on_a_thin_tilted_specimen(tilt_deg):
    sheet = np.random.default_rng(3).standard_normal((2, 64, 128)).astype(np.float32)
    specimen = Specimen(cut_rows(sheet), 4.0)
    images = []
    for depth in ("strips", "slabs"):
        config = SimulationConfig(
            optics={"depth": depth, "defocus_um": 2.0}, tilt={"angles_deg": (tilt_deg,)}
        )
        shot = plan_series(config, np.random.default_rng())[0]
        images.append(image_contrast(view_specimen(specimen, shot, config), shot, 4.0, config).ravel())
    assert np.corrcoef(images)[0, 1] > 0.98


def test_misalignment_moves_the_image(model_dir, tmp_path):
    options = {
        "tilt": {"angles_deg": (0.0,), "misalignment_angstrom": 60},
        "output": {"ctf": True, "clean": True},
    }
    folder = _simulate(model_dir, tmp_path / "out", options, seed=3)
    row = read_table(folder / "tiltseries.tsv", required=("shift_x_angstrom", "shift_y_angstrom"))[0]
    asked = np.array([float(row["shift_y_angstrom"]), float(row["shift_x_angstrom"])]) / 10
    still = _simulate(model_dir, tmp_path / "still", {**options, "tilt": {"angles_deg": (0.0,)}}, seed=3)
    moved, fixed = (read_stack(f / "ctf.mrc").data[0] - 1 for f in (folder, still))
    cross = np.fft.ifft2(np.fft.fft2(moved) * np.fft.fft2(fixed).conj()).real
    peak = np.array(np.unravel_index(np.argmax(cross), cross.shape))
    found = (peak + np.array(cross.shape) // 2) % cross.shape - np.array(cross.shape) // 2
    assert np.abs(found - asked).max() <= 1


def test_phase_flipping_within_simulate_helps(model_dir, tmp_path):
    scores = []
    for correction in ("none", "phase_flip"):
        options = {
            "reconstruction": {"ctf_correction": correction},
            "dose": {"total_e_per_angstrom2": 3000, "radiation_damage": 0},
            "optics": {"defocus_um": 6},
        }
        folder = _simulate(model_dir, tmp_path / correction, options)
        scores.append(_correlation(_model(), read_volume(folder / "tomogram.mrc").data))
    assert scores[1] < scores[0] < 0


@pytest.mark.parametrize("axis", [1, 2])
def test_a_right_handed_helix_is_right_handed_after_simulation(tmp_path, axis):
    """A helix along y or x; its mirror images would fit as well if the hand were lost."""
    n, t = 48, np.linspace(-2 * np.pi, 2 * np.pi, 3000)
    along, first, second = axis, (axis + 2) % 3, (axis + 1) % 3  # cyclic in (z, y, x): right-handed
    points = np.empty((3, t.size))
    points[along], points[first], points[second] = 20 * t / (2 * np.pi), 11 * np.cos(t), 11 * np.sin(t)
    volume = np.zeros((n, n, n))
    np.add.at(volume, tuple(np.rint(points + (n - 1) / 2).astype(int)), 1)
    volume = gaussian_filter(volume, 1.6).astype(np.float32)
    write_volume(tmp_path / "model" / "model.mrc", 20 * volume / volume.max(), 10.0)
    options = {"dose": {"total_e_per_angstrom2": 10000, "radiation_damage": 0}, "optics": {"defocus_um": 2}}
    tomogram = read_volume(_simulate(tmp_path / "model", tmp_path / "out", options) / "tomogram.mrc").data
    right = np.corrcoef(tomogram.ravel(), -volume.ravel())[0, 1]
    left = max(np.corrcoef(tomogram.ravel(), -np.flip(volume, a).ravel())[0, 1] for a in range(3))
    assert right > 0.4
    assert left < right - 0.2


_MEASURE = """
import sys
from pathlib import Path
from cts.cli import main
assert main(sys.argv[1:]) == 0
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak[0].split()[1]) * 1024)  # getrusage would count the parent's memory too
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from Linux's /proc")
def test_memory_stays_below_tomogram_and_series_and_half_a_gigabyte(tmp_path):
    shape = (200, 600, 600)
    write_volume(tmp_path / "model.mrc", np.full(shape, 4.5, np.float32), 10.0)
    (tmp_path / "config.yaml").write_text("tilt: {step_deg: 3}")
    command = [
        "simulate",
        str(tmp_path),
        str(tmp_path / "config.yaml"),
        "-o",
        str(tmp_path / "out"),
        "--seed",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], check=True, capture_output=True, text=True
    )
    allowed = 4 * np.prod(shape) + 4 * 41 * 600 * 600 + 500e6
    assert int(done.stdout.split()[-1]) < allowed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optics: {defocus_um: -5}", "optics.defocus_um: negative defocus"),
        ("optics: {defocus: 5}", "optics.defocus: unknown key; wanted one of voltage_kv"),
        ("tilt: {min_deg: 60, max_deg: -60}", "min_deg is above max_deg"),
        ("dose: {total_e_per_angstrom2: [0, 10]}", "wanted 0.1 to 10000"),
        ("tilt: {angles_deg: [0, .nan]}", "tilt.angles_deg.1: Input should be a finite number"),
        ("tilt: {step_deg: {choice: [2, two]}}", "tilt.step_deg: wanted numbers"),
        ("detector: {dqe: [[0, 0.8], [1, 0.2], [0.5, 0.5]]}", "detector.dqe: wanted pairs"),
        ("dose: {per_tilt_e_per_angstrom2: [1, 1e30]}", "at most 10000 e/Å²"),
        ("dose: {per_tilt_e_per_angstrom2: [1, 2]}", "2 doses; wanted one for each of 41"),
    ],
)
def test_wrong_configurations_end_in_one_line(model_dir, tmp_path, capsys, text, said):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    command = ["simulate", str(model_dir), str(config), "-o", str(tmp_path / "out"), "--seed", "1"]
    assert run_command_line("cts", "", "cts", ("simulate",), command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_missing_model_and_existing_results_are_refused(model_dir, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("simulation:\n  tilt: {step_deg: 20}\n")
    command = ["simulate", str(model_dir), str(config), "-o", str(tmp_path / "out"), "--seed", "1"]
    assert run_command_line("cts", "", "cts", ("simulate",), command) == 0
    assert run_command_line("cts", "", "cts", ("simulate",), command) == 2
    assert "exists already" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["results"]["tomogram_id"] == "out"
    command[4] = str(config)
    assert run_command_line("cts", "", "cts", ("simulate",), command) == 2
    assert "config.yaml: a file; wanted a folder" in capsys.readouterr().err
    command[1] = str(tmp_path / "nowhere")
    assert run_command_line("cts", "", "cts", ("simulate",), command) == 2
    assert "model.mrc: no such file" in capsys.readouterr().err


def test_nothing_is_made_where_any_result_exists_or_the_model_lies(model_dir, tmp_path):
    halves = {"output": {"halves": True, "ideal": True}, "tilt": {"step_deg": 40}}
    written = {path.name for path in _simulate(model_dir, tmp_path / "all", halves).iterdir()}
    assert written == set(output_names(parse_config(halves, SimulationConfig, "test")))
    (tmp_path / "partly").mkdir()
    (tmp_path / "partly" / "tomogram_odd.mrc").touch()
    with pytest.raises(FileExistsError, match=r"tomogram_odd\.mrc: exists already"):
        _simulate(model_dir, tmp_path / "partly", halves)
    assert len(list((tmp_path / "partly").iterdir())) == 1
    with pytest.raises(ValueError, match="the model's own folder"):
        _simulate(model_dir, model_dir)


def test_a_model_that_holds_no_number_is_refused(tmp_path, capsys):
    potential = np.full((4, 8, 8), 4.5, np.float32)
    potential[1, 2, 3] = np.nan
    write_volume(tmp_path / "model.mrc", potential, 10.0)
    (tmp_path / "config.yaml").write_text("tilt: {step_deg: 20}")
    command = ["simulate", str(tmp_path), str(tmp_path / "config.yaml"), "-o", str(tmp_path / "out")]
    assert run_command_line("cts", "", "cts", ("simulate",), [*command, "--seed", "1"]) == 2
    assert "model.mrc: NaN or infinite values" in capsys.readouterr().err


def test_nearly_edge_on_tilts_still_give_images(model_dir, tmp_path):
    options = {"tilt": {"angles_deg": (-89.0, 0.0, 89.0)}}
    folder = _simulate(model_dir, tmp_path / "out", options)
    series = read_stack(folder / "tiltseries.mrc").data
    assert np.isfinite(series).all()
    assert series[1].mean() > 100
    assert np.isfinite(read_volume(folder / "tomogram.mrc").data).all()


def test_the_comparison_with_a_real_tomogram_is_a_valid_configuration():
    path = Path(__file__).parents[2] / "benchmarks" / "empiar10499.yaml"
    imaging = load_yaml(path, SimulationConfig, section="simulation")
    specimen = load_yaml(path, SpecimenConfig, section="specimen")
    assert imaging.tilt.misalignment_angstrom == 12
    assert specimen.pixel_size_angstrom == 10
