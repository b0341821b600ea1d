"""The whole of `segnet quantify` on small volumes: files, units, conventions, and bad input."""

from __future__ import annotations

import csv

import mrcfile
import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from segnet.cli import main
from segnet.config.quantification import ParticleConfig, QuantificationConfig
from segnet.quantify.files import direction_angles
from segnet.quantify.run import quantify
from segnet.quantify.tomogram import LabelsSource, fitting_config
from tests.segnet.quantify.phantom import CLASS_TABLE_PATH, CLASSES, draw_ball, draw_tube, line
from tomoio import read_manifest, read_volume, write_labels

PIXEL = 13.0
TRICS = [(15, 20, 20), (15, 20, 45), (20, 50, 30), (15, 90, 90)]


def _volume(seed=0):
    volume = np.zeros((40, 110, 150), np.uint8)
    for centre in TRICS[: 4 - seed % 2]:
        draw_ball(volume, centre, 6.0, 6)
    draw_ball(volume, (20, 60, 100), 14, 1, inner=11)
    draw_tube(volume, line((30, 10, 20), (30, 10, 120)), 2.8, 3)
    volume[:, :3] = 255
    volume[5, 100, 5:8] = 5  # an island
    return volume


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantify")
    rows = ["tomogram_id\tgroup"]
    for i in range(4):
        write_labels(folder / f"tomo{i}_labels.mrc", _volume(i), PIXEL)
        rows.append(f"tomo{i}\t{'central' if i < 2 else 'peripheral'}")
    (folder / "tomograms.tsv").write_text("\n".join(rows) + "\n")
    paths = [str(folder / f"tomo{i}_labels.mrc") for i in range(4)]
    options = [
        "--tomograms",
        str(folder / "tomograms.tsv"),
        "--classes",
        str(CLASS_TABLE_PATH),
        "--instances",
    ]
    assert main(["quantify", *paths, "-o", str(folder / "out"), *options]) == 0
    return folder


def _rows(result, name, **wanted):
    with open(result / "out" / f"{name}.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_particles_have_positions_in_nm(result):
    rows = _rows(result, "particles", tomogram_id="tomo0", **{"class": "tric"})
    found = sorted((float(row["z_nm"]), float(row["y_nm"]), float(row["x_nm"])) for row in rows)
    np.testing.assert_allclose(found, np.array(sorted(TRICS)) * 1.3, atol=0.01)
    assert float(rows[0]["volume_nm3"]) == pytest.approx(int(rows[0]["volume_voxels"]) * 1.3**3, rel=1e-4)


def test_counts_are_per_tomogram_and_per_volume(result):
    (row,) = _rows(result, "tomograms", tomogram_id="tomo0", **{"class": "tric"})
    volume_um3 = 40 * 107 * 150 * 0.0013**3  # three of 110 rows are ignored
    assert row["count"] == "4"
    assert float(row["volume_um3"]) == pytest.approx(volume_um3, rel=1e-4)
    assert float(row["count_per_um3"]) == pytest.approx(4 / volume_um3, rel=1e-4)
    assert float(row["ignored_share"]) == pytest.approx(3 / 110, rel=1e-4)


def test_zeros_say_why(result):
    notes = {row["class"]: row["note"] for row in _rows(result, "tomograms", tomogram_id="tomo0")}
    assert notes["gold"] == "no voxels of this class in the labels"
    assert notes["ribosome"] == "only islands below the minimum size"
    assert notes["tric"] == ""


def test_star_files_hold_the_same_positions(result):
    table = starfile.read(result / "out" / "star" / "tric_particles.star")
    first = table[table["rlnTomoName"] == "tomo0"]
    index = (
        first[[f"rlnCenteredCoordinate{a}Angst" for a in "ZYX"]].to_numpy() / PIXEL
        + (np.array([40, 110, 150]) - 1) / 2
    )
    np.testing.assert_allclose(sorted(map(tuple, index)), sorted(TRICS), atol=0.01)
    actin = starfile.read(result / "out" / "star" / "actin_filaments.star")
    first = actin[actin["rlnTomoName"] == "tomo0"]
    assert set(first["rlnHelicalTubeID"]) == {
        int(row["instance_id"]) for row in _rows(result, "filaments", tomogram_id="tomo0")
    }
    np.testing.assert_allclose(first["rlnAngleTilt"], 90, atol=1)


def test_filament_angles_turn_the_reference_axis_along_the_tangent():
    rng = np.random.default_rng(0)
    for tangent in rng.standard_normal((20, 3)):
        tilt, psi = direction_angles(tangent)
        onto = Rotation.from_euler("ZYZ", [0, tilt, psi], degrees=True).inv().as_matrix()
        np.testing.assert_allclose(onto[:, 2], tangent[::-1] / np.linalg.norm(tangent), atol=1e-9)


def test_instances_number_every_object_of_the_tables(result):
    instances = read_volume(result / "out" / "instances" / "tomo0_instances.mrc").data
    for row in _rows(result, "particles", tomogram_id="tomo0"):
        assert (instances == int(row["instance_id"])).sum() == int(row["volume_voxels"])
    (membrane,) = _rows(result, "membranes", tomogram_id="tomo0")
    labels = _volume(0)
    np.testing.assert_array_equal(instances == int(membrane["instance_id"]), labels == 1)
    assert membrane["closed"] == "yes"


def test_groups_are_described_and_compared(result):
    rows = _rows(result, "groups", measure="tric count")
    assert [(row["group"], row["total"]) for row in rows] == [("central", "7"), ("peripheral", "7")]
    comparisons = _rows(result, "comparisons", measure="tric count_per_um3")
    assert len(comparisons) == 1
    assert 0 < float(comparisons[0]["p"]) <= 1
    text = (result / "out" / "summary.md").read_text()
    assert "4 tomograms in 2 groups" in text
    assert "tomogram is the unit" in text


def test_points_pictures_and_manifest_are_there(result):
    points = _rows(result, "filament_points", tomogram_id="tomo0")
    along = [float(row["along_nm"]) for row in points]
    assert along == sorted(along)
    (filament,) = _rows(result, "filaments", tomogram_id="tomo0")
    assert along[-1] == pytest.approx(float(filament["length_nm"]), rel=1e-3)
    for name in ("pictures/tomo3.png", "plots/abundances.png", "plots/tric_clusters.png"):
        assert (result / "out" / name).stat().st_size > 1000
    manifest = read_manifest(result / "out" / "manifest.json")
    assert len(manifest["inputs"]) == 4
    assert manifest["configuration"]["clusters"]["radius_nm"] == 50


def test_results_are_not_overwritten_without_being_asked(result, capsys):
    arguments = [
        "quantify",
        str(result / "tomo0_labels.mrc"),
        "-o",
        str(result / "out"),
        "--classes",
        str(CLASS_TABLE_PATH),
    ]
    assert main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err


def _error(tmp_path, path, capsys, *options):
    code = main(
        ["quantify", str(path), "-o", str(tmp_path / "out"), "--classes", str(CLASS_TABLE_PATH), *options]
    )
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2
    assert not (tmp_path / "out" / "summary.md").exists()
    return message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((4, 8, 8), 0.5, np.float32), "not integers"),
        (np.full((4, 8, 8), -1, np.int16), "wanted labels from 0 to 255"),
        (np.full((4, 8, 8), 77, np.int16), "label 77 is not in the class table"),
    ],
)
def test_what_is_not_labels_is_refused(tmp_path, capsys, data, words):
    path = tmp_path / "bad_labels.mrc"
    with mrcfile.new(path, data) as mrc:
        mrc.voxel_size = PIXEL
    message = _error(tmp_path, path, capsys)
    assert words in message
    assert str(path) in message


def test_a_missing_voxel_size_is_refused_and_can_be_given(tmp_path, capsys):
    path = tmp_path / "bad_labels.mrc"
    with mrcfile.new(path, _volume().astype(np.int16)):
        pass
    assert "voxel size" in _error(tmp_path, path, capsys)


def test_unknown_classes_and_tomograms_are_refused(tmp_path, capsys):
    path = tmp_path / "a_labels.mrc"
    write_labels(path, _volume(), PIXEL)
    (tmp_path / "c.yaml").write_text("membranes: [mitochondrion]\n")
    assert "'mitochondrion' is not in the class table" in _error(
        tmp_path, path, capsys, "--config", str(tmp_path / "c.yaml")
    )
    (tmp_path / "t.tsv").write_text("tomogram_id\tgroup\nother\tx\n")
    assert "no row for tomogram 'a'" in _error(tmp_path, path, capsys, "--tomograms", str(tmp_path / "t.tsv"))
    assert "--islands actin" in _error(tmp_path, path, capsys, "--islands", "actin")


def test_the_same_tomogram_twice_is_refused(tmp_path):
    path = tmp_path / "a_labels.mrc"
    write_labels(path, _volume(), PIXEL)
    with pytest.raises(ValueError, match=r"'a' comes 2 times \(.*a_labels.mrc"):
        quantify([LabelsSource(path, "a")] * 2, QuantificationConfig(), tmp_path / "out", classes=CLASSES)


def test_defaults_fit_a_smaller_class_table():
    few = type(CLASSES)(
        tuple(entry for entry in CLASSES if entry.name in ("background", "actin", "ribosome"))
    )
    config = fitting_config(QuantificationConfig(), few)
    assert [entry.class_name for entry in config.particles] == ["ribosome"]
    assert [(kind.name, kind.class_names, kind.decorated_class) for kind in config.filaments] == [
        ("actin", ("actin",), None)
    ]
    assert (config.membranes, config.clusters.class_names) == ((), ("ribosome",))


def test_a_class_is_measured_in_one_way_only():
    with pytest.raises(ValueError, match="'actin' is measured in two ways"):
        QuantificationConfig(particles=(ParticleConfig(class_name="actin", diameter_nm=5),))


def test_empty_labels_give_empty_tables(tmp_path):
    write_labels(tmp_path / "e_labels.mrc", np.zeros((8, 16, 16), np.uint8), PIXEL)
    source = LabelsSource(tmp_path / "e_labels.mrc", "e")
    quantify([source], QuantificationConfig(), tmp_path / "out", classes=CLASSES)
    assert len((tmp_path / "out" / "particles.csv").read_text().splitlines()) == 1
    assert "none in any tomogram" in (tmp_path / "out" / "summary.md").read_text()


def _quantify(folder, labels, name="out", pixel_size=PIXEL, **options):
    path = folder / "a_labels.mrc"
    write_labels(path, labels, pixel_size, overwrite=True)
    quantify([LabelsSource(path, "a")], QuantificationConfig(), folder / name, classes=CLASSES, **options)
    with open(folder / name / "tomograms.csv", encoding="utf-8") as stream:
        return {row["class"]: row for row in csv.DictReader(stream)}


def test_a_volume_of_ignore_only_gives_gaps_and_not_zeros(tmp_path):
    rows = _quantify(tmp_path, np.full((8, 16, 16), 255, np.uint8))
    for row in rows.values():
        assert (row["count"], row["voxels"], row["count_per_um3"]) == ("", "", "")
        assert row["note"] == "not measured: every voxel is 255 (ignore)"
    assert "Nothing was measured in a" in (tmp_path / "out" / "summary.md").read_text()


def test_voxels_without_an_object_are_not_a_silent_zero(tmp_path):
    volume = np.zeros((30, 60, 60), np.uint8)
    draw_ball(volume, (15, 30, 30), 8, 2)  # no tube
    row = _quantify(tmp_path, volume)["microtubule"]
    assert row["count"] == "0"
    assert int(row["voxels"]) > 50
    assert "no object" in row["note"]
    assert "zeros are doubtful" in (tmp_path / "out" / "summary.md").read_text()


def test_fine_voxels_are_measured(tmp_path):
    """At 4 Å a microtubule's radius is 31 voxels: the field's grid stops getting coarser there."""
    volume = np.zeros((110, 120, 200), np.uint8)
    draw_tube(volume, line((55, 60, -5), (55, 60, 205)), 31, 2, inner=21)
    row = _quantify(tmp_path, volume, pixel_size=4.0)["microtubule"]
    assert row["count"] == "1"
    assert float(row["total_length_nm"]) == pytest.approx(200 * 0.4, rel=0.05)


def test_overwriting_removes_what_the_earlier_run_left(tmp_path):
    _quantify(tmp_path, _volume())
    assert (tmp_path / "out" / "star" / "tric_particles.star").exists()
    write_labels(tmp_path / "b_labels.mrc", np.zeros((8, 16, 16), np.uint8), PIXEL)
    (tmp_path / "out" / "pictures" / "mine.png").write_bytes(b"")
    source = LabelsSource(tmp_path / "b_labels.mrc", "b")
    quantify([source], QuantificationConfig(), tmp_path / "out", classes=CLASSES, overwrite=True)
    assert not list((tmp_path / "out" / "star").iterdir())
    assert {path.name for path in (tmp_path / "out" / "pictures").iterdir()} == {"b.png", "mine.png"}


def test_an_output_that_cannot_be_written_is_refused_before_measuring(tmp_path, capsys):
    path = tmp_path / "a_labels.mrc"
    write_labels(path, _volume(), PIXEL)
    (tmp_path / "out").write_text("a file")
    assert "wanted a folder that can be written to" in _error(tmp_path, path, capsys)


def test_a_tomogram_in_two_groups_is_refused(tmp_path, capsys):
    path = tmp_path / "a_labels.mrc"
    write_labels(path, _volume(), PIXEL)
    (tmp_path / "t.tsv").write_text("tomogram_id\tgroup\na\tx\na\ty\n")
    assert "'a' is in 'x' and 'y'" in _error(tmp_path, path, capsys, "--tomograms", str(tmp_path / "t.tsv"))


def test_a_cluster_radius_alone_fits_a_smaller_class_table():
    few = type(CLASSES)(tuple(entry for entry in CLASSES if entry.name in ("background", "ribosome")))
    config = fitting_config(QuantificationConfig.model_validate({"clusters": {"radius_nm": 30}}), few)
    assert config.clusters.class_names == ("ribosome",)
    assert config.clusters.radius_nm == 30
