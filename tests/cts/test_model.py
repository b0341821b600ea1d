"""`cts model` from the files that it writes: truth against density, overlap, labels, same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
from scipy.ndimage import binary_dilation

from cts.cli import main
from cts.config.specimen import MembraneConfig, SpecimenConfig
from cts.config.structures import read_structure_table
from cts.model import model_specimen
from cts.placement import make_body
from cts.potential import render, stamp
from cts.specimen import make_repeat
from cts.structures import load_structures
from cts.truth import rotation_of
from tomoio import read_class_table, read_manifest
from tomoio.config import parse_config

ROOT = Path(__file__).parents[2]
CLASSES = ROOT / "config" / "classes.tsv"
COLUMNS = (
    "structure_id source class role size placement twist_deg rise_angstrom persistence_length_um length_nm"
)
TABLE = (
    COLUMNS.replace(" ", "\t")
    + """
actin	builtin:actin	actin	target	large	filament	-166.65	28.1	10	100-200
microtubule	builtin:tubulin_dimer	microtubule	target	large	microtubule		82	2000	300-500
ribosome	builtin:ribosome_80s	ribosome	target	large	complex
tric	builtin:tric	tric	target	large	complex
channel	builtin:ligand_gated_channel	membrane,background	target	large	membrane
rubisco	builtin:rubisco	background	distractor	large	complex
hsp90	builtin:hsp90	background	distractor	small	complex
"""
)
TABLE = "\n".join(line + "\t" * (9 - line.count("\t")) for line in TABLE.splitlines()) + "\n"
CONFIG = {
    "pixel_size_angstrom": 12.0,
    "shape_voxels": [40, 110, 120],
    "constraint": "sides",
    "layers": [
        {"name": "large", "role": "target", "size": "large", "attempts": 90},
        {"name": "small", "role": "distractor", "attempts": 200},
    ],
    "membranes": [{"kind": "vesicle", "count": 1, "radius_nm": 22, "bare": 0, "proteins_per_um2": 2000}],
    "filaments": [
        {"structure": "microtubule", "count": 1, "protofilaments": 13},
        {"structure": "actin", "count": 3},
    ],
    "beads": {"count": 1, "radius_angstrom": 50},
    "ice": {"granularity": 0.0},
    "overlap_tolerance": 0.02,
}
PAD = 6  # voxels beyond the closed faces in which objects are sampled too
FILES = ("model.mrc", "atlas.mrc", "instances.mrc", "particles.star", "filaments.star")


def _config(folder: Path, **changes) -> SpecimenConfig:
    table = folder / "structures.tsv"
    table.write_text(TABLE, encoding="utf-8")
    return parse_config({**CONFIG, "structures": str(table), **changes}, SpecimenConfig, "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = _config(folder)
    model_specimen(config, read_class_table(CLASSES), folder / "out", seed=3, tomogram_id="t1")
    return folder


class Alone:
    """Every object of a model folder, sampled alone from its lists."""

    def __init__(self, folder: Path) -> None:
        self.classes = read_class_table(CLASSES)
        out = folder / "out"
        self.model, self.atlas, self.instances = (mrcfile.read(out / name) for name in FILES[:3])
        self.beyond_faces: list[float] = []
        self.results = read_manifest(out / "manifest.json")["results"]
        self.pixel = float(mrcfile.open(out / "model.mrc", header_only=True).voxel_size.x)
        self.particles, self.filaments = (starfile.read(out / name) for name in FILES[3:])
        self.rows = {
            row.structure_id: row for row in read_structure_table(folder / "structures.tsv", self.classes)
        }
        self.rendered = {
            name: render(structures[0], self.pixel)
            for name, structures in load_structures(self.rows.values()).items()
        }

    def volumes(self):
        """Yield instance id, potential and occupancy by class of each object but the beads."""
        poses: dict[int, list] = {}
        for _, row in self.particles[self.particles["neuralsegStructureID"] != "gold_bead"].iterrows():
            parts = tuple(int(part) for part in str(row["neuralsegSubmodels"]).split(","))
            self._add(poses, row, row["neuralsegStructureID"], parts, np.eye(3), np.zeros(3))
        for _, row in self.filaments.iterrows():
            name = row["neuralsegStructureID"]
            repeat = make_repeat(self.rows[name], (), int(row["neuralsegProtofilaments"]))
            for turn, place in zip(repeat.rotations, repeat.positions_angstrom, strict=True):
                self._add(poses, row, name, None, turn, place)
        for instance, members in poses.items():
            yield instance, *self._sample(members)

    def _add(self, poses, row: pd.Series, name, parts, turn, place) -> None:
        angles = np.array([[row[f"rlnAngle{angle}"] for angle in ("Rot", "Tilt", "Psi")]], float)
        frame = rotation_of(angles)[0]
        centre = np.array([row[f"rlnCenteredCoordinate{axis}Angst"] for axis in "XYZ"]) + frame @ place
        position = centre[::-1] / self.pixel + (np.array(self.model.shape) - 1) / 2
        poses.setdefault(int(row["neuralsegInstanceID"]), []).append((name, parts, frame @ turn, position))

    def _sample(self, members):
        shape = tuple(np.add(self.model.shape, (2 * PAD, 0, 0)))
        potential = np.zeros(shape, np.float32)
        occupancy: dict[str, np.ndarray] = {}
        for name, parts, rotation, position in members:
            rendered = make_body(self.rendered[name], 0, parts).rendered
            voxel = np.rint(position).astype(int)
            sampled = stamp(rendered, rotation, position - voxel)
            corner = voxel + sampled.corner + [PAD, 0, 0]
            _paste(potential, sampled.potential_volt.sum(axis=0), corner)
            for own, share in zip(rendered.class_names, sampled.occupancy, strict=True):
                _paste(occupancy.setdefault(own, np.zeros(shape, np.float32)), share, corner)
        beyond = max(float(np.delete(share, np.s_[PAD:-PAD], axis=0).sum()) for share in occupancy.values())
        self.beyond_faces.append(beyond / sum(float(share.sum()) for share in occupancy.values()))
        inner = slice(PAD, -PAD)
        return potential[inner], {name: share[inner] for name, share in occupancy.items()}


def _paste(target: np.ndarray, block: np.ndarray, corner: np.ndarray) -> None:
    low, high = np.maximum(corner, 0), np.minimum(corner + block.shape, target.shape)
    if (high <= low).any():
        return
    inner = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
    target[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += block[inner]


@pytest.fixture(scope="module")
def rebuilt(folder):
    """The folder's volumes, and the sum of all objects sampled alone."""
    alone = Alone(folder)
    shape = alone.model.shape
    potential, sums = np.zeros(shape, np.float32), {}
    total, own_volume = np.zeros(shape, np.float32), 0.0
    strongest, winner = np.zeros(shape, np.float32), np.zeros(shape, int)
    for instance, volts, occupancy in alone.volumes():
        potential += volts
        alone_total = np.clip(np.sum(list(occupancy.values()), axis=0), 0, 1)
        total += alone_total
        own_volume += float(alone_total.sum())
        winner[alone_total > strongest] = instance
        np.maximum(strongest, alone_total, out=strongest)
        for name, share in occupancy.items():
            sums[name] = sums.get(name, 0) + share
    return alone, potential, sums, total, own_volume, winner


def _far_from_lipids_and_gold(alone):
    """Voxels that neither a membrane nor a bead reaches."""
    labels = {entry.name: entry.label for entry in alone.classes}
    lipids = (alone.atlas == labels["membrane"]) | (alone.atlas == labels["gold"])
    return ~binary_dilation(lipids, iterations=5)


def test_putting_everything_back_reproduces_the_density(rebuilt):
    alone, potential, sums, *_ = rebuilt
    away = _far_from_lipids_and_gold(alone)
    filled = np.clip(np.sum(list(sums.values()), axis=0), 0, 1)
    expected = potential + 4.6 * (1 - filled)
    assert away.mean() > 0.5
    difference = np.abs(alone.model - expected)[away]
    # coordinates and angles have four decimals; the rim of the membrane reaches a little farther
    assert difference.max() < 0.03
    assert np.ptp(alone.model[away]) > 4


def test_no_object_stands_in_the_room_of_others(rebuilt):
    _, _, _, total, own_volume, _ = rebuilt
    excess = float(np.maximum(total - 1, 0).sum())
    assert own_volume > 20_000
    assert excess <= 0.02 * own_volume


def test_labels_follow_the_one_rule(rebuilt):
    alone, _, sums, *_ = rebuilt
    away = _far_from_lipids_and_gold(alone)
    names = list(sums)
    stack = np.array([sums[name] for name in names])
    labels = np.array([alone.classes.label_of(name) for name in names])
    expected = np.where(
        stack.sum(axis=0) >= SpecimenConfig().label_threshold, labels[stack.argmax(axis=0)], 0
    )
    # sums of classes are kept in steps of 1/127: only near ties may differ
    assert np.mean(expected[away] != alone.atlas[away]) < 1e-3
    for name in ("microtubule", "actin", "ribosome", "tric"):
        assert np.count_nonzero(expected[away] == alone.classes.label_of(name)) > 100


def test_instances_are_the_objects_of_the_lists(rebuilt):
    alone, *_, winner = rebuilt
    away = _far_from_lipids_and_gold(alone) & (alone.instances > 0)
    assert np.mean(winner[away] != alone.instances[away]) < 0.002
    listed = {*alone.particles["neuralsegInstanceID"], *alone.filaments["neuralsegInstanceID"]}
    membranes = {record["instance"] for record in alone.results["membranes"]}
    assert set(np.unique(alone.instances)) - {0} <= listed | membranes
    names = dict(
        zip(alone.particles["neuralsegInstanceID"], alone.particles["neuralsegClassName"], strict=True)
    )
    for instance, name in names.items():
        found = alone.atlas[alone.instances == instance]
        if name in ("ribosome", "tric", "gold") and len(found):
            assert np.mean(found == alone.classes.label_of(name)) > 0.95


def test_particles_stay_between_the_closed_faces(rebuilt):
    alone, _, sums, *_ = rebuilt
    assert len(alone.beyond_faces) > 50
    assert max(alone.beyond_faces) < 0.01
    assert np.sum(list(sums.values()), axis=0)[:, [0, -1]].max() >= 0.5


def test_membrane_proteins_stand_upright(folder):
    """Their +z points away from the centre of the only vesicle, which the labels give."""
    alone = Alone(folder)
    proteins = alone.particles[alone.particles["neuralsegStructureID"] == "channel"]
    assert len(proteins) >= 5
    vesicle = np.argwhere(alone.instances == 1)
    centre = vesicle.mean(axis=0)
    angles = proteins[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    up = rotation_of(angles)[:, :, 2]
    xyz = proteins[[f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]].to_numpy(float) / alone.pixel
    middle = (np.array(alone.model.shape) - 1) / 2
    outward = xyz - (centre - middle)[::-1]
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    # the vesicle is cut by the faces and bent, so its centre is only nearly known
    assert np.median((up * outward).sum(axis=1)) > 0.9


def test_same_seed_same_bytes_and_another_seed_another_specimen(folder, tmp_path):
    config, classes = _config(tmp_path), read_class_table(CLASSES)
    model_specimen(config, classes, tmp_path / "again", seed=3, tomogram_id="t1")
    model_specimen(config, classes, tmp_path / "other", seed=4, tomogram_id="t1")
    for name in FILES:
        digests = [
            hashlib.sha256((path / name).read_bytes()).hexdigest()
            for path in (folder / "out", tmp_path / "again", tmp_path / "other")
        ]
        assert digests[0] == digests[1], name
        assert digests[0] != digests[2], name


def test_the_manifest_says_what_was_drawn_and_placed(folder):
    manifest = read_manifest(folder / "out" / "manifest.json")
    assert manifest["verb"] == "cts model"
    assert manifest["configuration"]["shape_voxels"] == [40, 110, 120]
    species = {own["structure_id"]: own for own in manifest["results"]["species"]}
    counts = starfile.read(folder / "out" / "particles.star")["neuralsegStructureID"].value_counts()
    assert all(own["placed"] == counts.get(name, 0) for name, own in species.items())
    assert 0.05 < manifest["results"]["filled_fraction"] < 0.6
    # labels start at less than half a voxel
    assert manifest["results"]["filled_fraction"] < manifest["results"]["labelled_fraction"] < 0.8
    for group in manifest["results"]["filament_groups"]:
        assert 0 < group["placed"] <= group["wanted"]


@pytest.mark.parametrize(
    "changes",
    [
        {"shape_voxels": [31, 73, 65]},
        {"shape_voxels": [8, 40, 9], "layers": [{"name": "all", "role": "distractor", "attempts": 20}]},
        {"layers": [], "membranes": [], "filaments": [], "beads": None},
        {"constraint": "box", "shape_voxels": [40, 60, 60]},
        {"constraint": "tube", "carbon": {}, "contamination": {"count": 2}, "shape_voxels": [30, 60, 60]},
    ],
)
def test_every_shape_and_every_empty_list_makes_a_whole_folder(tmp_path, changes):
    model_specimen(
        _config(tmp_path, **changes), read_class_table(CLASSES), tmp_path / "out", seed=1, tomogram_id="t"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*FILES, "manifest.json"])
    atlas, instances = (mrcfile.read(tmp_path / "out" / name) for name in FILES[1:3])
    shape = changes.get("shape_voxels", CONFIG["shape_voxels"])
    assert atlas.shape == instances.shape == tuple(shape)
    assert (instances[atlas > 0] > 0).all()
    assert np.isfinite(mrcfile.read(tmp_path / "out" / "model.mrc")).all()


def test_the_distance_to_membranes_is_written_on_request(tmp_path):
    config = _config(tmp_path, write_membrane_distance=True, filaments=[], layers=[])
    model_specimen(config, read_class_table(CLASSES), tmp_path / "out", seed=3, tomogram_id="t1")
    distance = mrcfile.read(tmp_path / "out" / "membrane_distance.mrc")
    membrane = mrcfile.read(tmp_path / "out" / "atlas.mrc") == 1
    assert membrane.any()
    # half of 35-45 Å between the heads, and 5 Å of heads beyond
    assert np.abs(distance[membrane]).max() < 45 / 2 + 5 + 12
    assert np.isfinite(distance).all()
    assert (distance < -40).any()
    assert (distance > 40).any()


def test_what_exists_is_not_overwritten(folder):
    with pytest.raises(FileExistsError, match=r"model\.mrc: exists already"):
        model_specimen(_config(folder), read_class_table(CLASSES), folder / "out", seed=3, tomogram_id="t1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [{"name": "a", "structures": ["ribosom"]}]}, "no structure 'ribosom'"),
        ({"layers": [{"name": "a", "structures": ["actin"]}]}, "names a filament"),
        ({"layers": [{"name": "a", "role": "distractor", "draw": 9}]}, "2 structures; wanted 9"),
        ({"filaments": [{"structure": "tric"}]}, "tric has placement complex; wanted filament"),
        ({"filaments": [{"structure": "intermediate"}]}, "no structure 'intermediate'"),
        (
            {"filaments": [{"structure": "actin", "mixed_with": "microtubule"}]},
            "actin mixed with microtubule",
        ),
    ],
)
def test_wrong_names_stop_before_anything_is_built(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        model_specimen(
            _config(tmp_path, **changes), read_class_table(CLASSES), tmp_path / "out", seed=1, tomogram_id="t"
        )
    assert not (tmp_path / "out").exists()


def test_classes_that_are_wanted_and_missing_are_named_at_once(tmp_path):
    table = tmp_path / "classes.tsv"
    lines = [line for line in CLASSES.read_text(encoding="utf-8").splitlines() if "carbon" not in line]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="unknown class 'carbon'"):
        model_specimen(
            _config(tmp_path, carbon={}), read_class_table(table), tmp_path / "out", seed=1, tomogram_id="t"
        )


def test_an_output_that_is_a_file_is_refused_at_once(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file; wanted a folder"):
        model_specimen(
            _config(tmp_path),
            read_class_table(CLASSES),
            tmp_path / "out",
            seed=1,
            tomogram_id="t",
            overwrite=True,
        )


def test_what_finds_no_room_is_told_and_counted(tmp_path, caplog):
    config = _config(
        tmp_path,
        shape_voxels=[12, 48, 48],
        membranes=[{"kind": "sheet", "count": 9}],
        filaments=[{"structure": "microtubule", "count": 2, "length_nm": 300}],
    )
    model_specimen(config, read_class_table(CLASSES), tmp_path / "out", seed=1, tomogram_id="t")
    results = read_manifest(tmp_path / "out" / "manifest.json")["results"]
    missing = results["membranes_without_room"]["sheet"]
    assert 1 <= missing <= 8
    assert f"{missing} of 9 membranes (sheet) found no room" in caplog.text
    assert "2 of 2 filaments (microtubule) found no room" in caplog.text
    assert results["filament_groups"] == [
        {"structure_id": "microtubule", "mixed_with": None, "wanted": 2, "placed": 0, "filaments": 0}
    ]


def test_a_volume_beyond_the_memory_is_refused_in_one_line(tmp_path):
    config = _config(tmp_path, shape_voxels=[8192, 8192, 8192], layers=[], membranes=[], filaments=[])
    with pytest.raises(
        ValueError, match=r"shape_voxels 8192 × 8192 × 8192: about 3\d{4} GB; this machine has"
    ):
        model_specimen(config, read_class_table(CLASSES), tmp_path / "out", seed=1, tomogram_id="t")
    assert not (tmp_path / "out").exists()


def test_a_misspelt_key_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "specimen.yaml").write_text("pixel_size: 12\n", encoding="utf-8")
    assert main(["model", str(tmp_path / "specimen.yaml"), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "pixel_size: unknown key" in error
    assert error.count("\n") == 1


def test_the_default_configuration_is_the_recipe_of_the_paper():
    config = SpecimenConfig()
    assert config.shape_voxels == (50, 400, 400)
    assert [layer.attempts for layer in config.layers] == [1200, 1200, 2400, 4800]
    assert config.constraint == "sides"
    assert config.membranes == (MembraneConfig(),)
    assert config.membranes[0].count == 10
    assert config.carbon is config.beads is config.contamination is None
