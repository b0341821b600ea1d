from __future__ import annotations

import contextlib
import csv
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from segnet import train as training_module
from segnet.cli import main
from segnet.config.training import TrainingConfig
from segnet.model_folder import describe, load_model, read_card
from segnet.optimisation import learning_rate
from segnet.schedule import Plan
from segnet.train import train
from tests.segnet.phantoms import CLASSES, small_training, write_block
from tomoio import ClassTable, LabelClass, read_manifest, sha256_of


def run(folder, block, *, seed=0, validation=(), resume=False, classes=CLASSES, **changes):
    config = small_training(**changes)
    train(config, [block], folder, classes=classes, validation=validation, seed=seed, resume=resume)
    return load_file(folder / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def history(folder):
    with open(folder / "history.csv") as stream:
        return list(csv.DictReader(stream))


def test_a_network_learns_and_its_folder_says_how(model, block, validation_block):
    rows = history(model)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["loss"]) < 0.7 * float(rows[0]["loss"])
    card = read_card(model)
    dice = {name: values["dice"] for name, values in card.metrics["synthetic"].items()}
    assert dice["membrane"] > 0.8
    assert dice["ribosome"] > 0.8
    assert dice["tric"] is None
    assert card.pixel_sizes_angstrom == (13, 13)
    assert card.data[0]["sha256"] == sha256_of(block.parent / "phantom_1" / "tomogram.mrc")
    assert card.validation_data[0]["part"] == "phantom_3"
    assert card.threads == 1
    manifest = read_manifest(model / "manifest.json")
    assert manifest["results"]["threads"] == 1
    assert manifest["results"]["processor"]
    assert len(manifest["inputs"]) == 6
    assert sorted(path.name for path in (model / "panels").iterdir()) == ["epoch_0001.png", "epoch_0002.png"]
    assert "ribosome" in describe(card)


def test_the_same_seed_gives_the_same_weights(tmp_path, block):
    first = run(tmp_path / "a", block)
    assert same(first, run(tmp_path / "b", block))
    assert not same(first, run(tmp_path / "c", block, seed=1))


@pytest.mark.parametrize("optimiser", ["adamw", "adadelta", "sgd"])
def test_an_interrupted_training_ends_with_the_same_weights(
    tmp_path, block, validation_block, monkeypatch, optimiser
):
    options = {"epochs": 3, "keep": "best", "validation": [validation_block]}
    options["optimisation"] = {"optimiser": optimiser, "learning_rate": 0.01, "ema_decay": 0.9}
    wanted = run(tmp_path / "a", block, **options)
    make_batch = training_module.Batches.__call__

    def make_batch_and_send_signal(self, step):
        if step == 5:  # in the middle of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return make_batch(self, step)

    monkeypatch.setattr(training_module.Batches, "__call__", make_batch_and_send_signal)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", block, **options)
    monkeypatch.setattr(training_module.Batches, "__call__", make_batch)
    assert not (tmp_path / "b" / "model.json").exists()
    assert same(wanted, run(tmp_path / "b", block, resume=True, **options))
    columns = [name for name in history(tmp_path / "a")[0] if name != "seconds"]
    both = [[[row[name] for name in columns] for row in history(tmp_path / x)] for x in "ab"]
    assert both[0] == both[1]


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, block):
    run(tmp_path / "a", block)
    with pytest.raises(
        ValueError, match=r"checkpoint.safetensors: belongs to a training with .*epochs.*2.*5"
    ):
        run(tmp_path / "a", block, resume=True, epochs=5)
    with pytest.raises(FileExistsError, match="pass --overwrite"):
        run(tmp_path / "a", block)


def test_an_interrupted_training_is_never_lost_by_mistake(tmp_path, block, monkeypatch):
    stop = SimpleNamespace(is_set=lambda: True)
    monkeypatch.setattr(training_module, "signals_set_event", lambda: contextlib.nullcontext(stop))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", block)
    monkeypatch.undo()
    before = sha256_of(tmp_path / "a" / "checkpoint.safetensors")
    with pytest.raises(
        FileExistsError, match=r"checkpoint.safetensors: exists already; pass --resume to go on"
    ):
        run(tmp_path / "a", block)
    assert sha256_of(tmp_path / "a" / "checkpoint.safetensors") == before
    run(tmp_path / "a", block, resume=True)
    (tmp_path / "a" / "checkpoint.safetensors").unlink()
    with pytest.raises(FileExistsError, match=r"model.json: exists already; pass --overwrite"):
        run(tmp_path / "a", block, resume=True)  # there is nothing to go on from


def test_a_checkpoint_of_fewer_classes_is_refused(tmp_path, block):
    run(tmp_path / "a", block)
    more = ClassTable((*CLASSES.classes, LabelClass(7, "carbon", "#999999", "artefact")))
    with pytest.raises(ValueError, match=r"checkpoint.safetensors: classify.weight is \(4, .*wanted \(5, "):
        run(tmp_path / "a", block, resume=True, classes=more)


def test_a_broken_checkpoint_is_named_or_replaced(tmp_path, block):
    run(tmp_path / "a", block)
    path = tmp_path / "a" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"checkpoint.safetensors: not a safetensors file or truncated"):
        run(tmp_path / "a", block, resume=True)
    train(small_training(), [block], tmp_path / "a", classes=CLASSES, seed=0, resume=True, overwrite=True)


@pytest.mark.parametrize("below", ["", "m"])
def test_a_file_in_place_of_the_folder_is_found_before_the_training(tmp_path, block, below, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(training_module, "read_parts", lambda *_: pytest.fail("the training has begun"))
    with pytest.raises(NotADirectoryError, match=r"file: is a file; wanted a folder for the model"):
        run(tmp_path / "file" / below, block)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"merge": {"actin": "tric"}}, "merge: unknown class 'actin'; wanted one of background, membrane"),
        ({"merge": {"tric": "actin"}}, "merge: unknown class 'actin'; wanted one of background, membrane"),
        (
            {
                "network": {"levels": 5, "base_width": 2},
                "sampling": {"patch_size_px": 16, "batch_size": 1},
            },
            "sampling.batch_size: 1 for 1 process.* 1 px wide at the deepest level; wanted at least",
        ),
        ({"seed": -1}, "seed -1; wanted a whole number from 0"),
        ({"seed": 1 << 70}, "seed 1180591620717411303424; wanted a whole number from 0"),
    ],
)
def test_settings_that_cannot_work_are_named(tmp_path, block, changes, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "a", block, **changes)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tsynthetic\t0\t", "\tunreal\t0\t", "domain 'unreal'; wanted one of synthetic, real"),
        (
            "\tsynthetic\t12\t",
            "\tsynthetic\t13\t",
            "z_start, slices, .* 13, 12, .*wanted a part from slice 12",
        ),
        (
            "\t12\t48\t48\t",
            "\t12\t-48\t48\t",
            "z_start, slices, .* 0, 12, -48, 48; wanted a part from slice 0",
        ),
        ("\t12\t48\t48\t", "\t12\t48.5\t48\t", "z_start, slices, .* 0, 12, 48.5, 48; wanted a part from"),
    ],
)
def test_parts_that_do_not_fit_into_their_block_are_named(tmp_path, block, old, new, message):
    shutil.copytree(block, tmp_path / "block")
    table = tmp_path / "block" / "parts.tsv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=f"parts.tsv: part phantom_[12]: {message}"):
        run(tmp_path / "a", tmp_path / "block")
    with pytest.raises(
        FileNotFoundError, match=r"parts.tsv: no such table; wanted a folder made by .segnet block"
    ):
        run(tmp_path / "a", tmp_path)


def test_training_goes_on_from_a_network_and_classes_may_be_added(tmp_path, block, model):
    more = ClassTable((*CLASSES.classes, LabelClass(7, "carbon", "#999999", "artefact")))
    config = small_training(init=model, optimisation={"learning_rate": 1e-9, "ema_decay": 0.0})
    config = config.model_copy(update={"epochs": 1, "steps_per_epoch": 1})
    train(config, [block], tmp_path / "m", classes=more, seed=5)
    old, new = load_model(model), load_model(tmp_path / "m")
    assert new.card.class_table.names == (*CLASSES.names, "carbon")
    assert new.card.initialised_from == sha256_of(model / "weights.safetensors")
    for name, weights in new.network.named_parameters():
        former = old.network.get_parameter(name)
        torch.testing.assert_close(weights[: len(former)], former, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"init: .*base_width=4.*wanted .*base_width=8"):
        run(tmp_path / "n", block, init=model, network={"base_width": 8, "levels": 3, "slices": 5})


def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path, block):
    with pytest.raises(ValueError, match=r"the loss is (nan|inf).*lower optimisation.learning_rate"):
        run(
            tmp_path / "a",
            block,
            epochs=20,
            optimisation={
                "optimiser": "sgd",
                "learning_rate": 10,
                "loss": "cross_entropy",
                "warmup_steps": 0,
                "weight_decay": 1.0,
            },
        )
    assert not (tmp_path / "a" / "model.json").exists()


def test_a_time_limit_shortens_the_schedule(tmp_path, block, monkeypatch):
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: 0.01 * next(ticks))  # each look at it takes 0.01 s
    monkeypatch.setattr(training_module, "time", clock)
    run(tmp_path / "a", block, epochs=1000, steps_per_epoch=100, max_minutes=1 / 60)
    card = read_card(tmp_path / "a")
    assert 40 <= card.steps <= 60  # two looks a step
    last = history(tmp_path / "a")[-1]
    assert int(last["step"]) == card.steps
    assert (
        float(last["learning_rate"]) < 0.005
    )  # half of the peak: the rate has fallen although most steps are not taken


def test_patience_ends_a_training_that_no_longer_improves(tmp_path, block, validation_block):
    run(
        tmp_path / "a",
        block,
        validation=[validation_block],
        epochs=50,
        steps_per_epoch=1,
        patience_epochs=2,
        optimisation={"learning_rate": 1e-9},
    )
    rows = history(tmp_path / "a")
    assert len(rows) < 50
    best = max(range(len(rows)), key=lambda number: float(rows[number]["dice_mean"]))
    assert len(rows) == best + 1 + 2 + 1


def test_held_out_parts_are_validated_and_not_trained_on(tmp_path, block):
    run(tmp_path / "a", block, held_out_parts=1)
    card = read_card(tmp_path / "a")
    assert [part["part"] for part in card.data] == ["phantom_1"]
    assert [part["part"] for part in card.validation_data] == ["phantom_2"]
    with pytest.raises(ValueError, match="no part is left to train on"):
        run(tmp_path / "b", block, held_out_parts=2)


def test_the_paper_recipe_is_the_papers():
    config = TrainingConfig(recipe="paper", sampling={"patch_size_px": 64})
    optimisation, sampling = config.optimisation, config.sampling
    assert (optimisation.optimiser, optimisation.learning_rate) == ("adadelta", 1.0)
    assert (optimisation.loss, optimisation.schedule, optimisation.ema_decay) == (
        "cross_entropy",
        "constant",
        0,
    )
    assert (sampling.patch_size_px, sampling.stride_ratio, sampling.batch_size) == (64, 0.5, 8)
    assert (sampling.sampler, config.network.base_width, config.network.slices) == ("uniform", 64, 11)
    assert config.epochs == 100
    assert not config.augmentation.enabled
    assert (
        TrainingConfig(recipe="paper").model_dump()
        == TrainingConfig(**TrainingConfig(recipe="paper").model_dump()).model_dump()
    )


def test_the_rate_rises_and_falls():
    config = small_training().optimisation
    rates = [learning_rate(step, step / 100, config) for step in range(101)]
    assert rates[0] < rates[1] < rates[2]
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[50] == pytest.approx(0.00505, rel=0.01)
    assert rates[100] == pytest.approx(0.0001)
    assert all(np.diff(rates[3:]) < 0)


def test_a_plan_follows_the_clock_only_where_time_is_short():
    plan = Plan(1000)
    plan.adapt(100, seconds=10, limit_seconds=200, most_steps=1000)
    assert plan == Plan(1000)
    plan.adapt(200, seconds=40, limit_seconds=120, most_steps=1000)  # 5 steps a second, 80 s left
    assert plan.last_step == 600
    assert plan.progress(200) == pytest.approx(0.2)
    assert plan.progress(400) == pytest.approx(0.6)
    assert plan.progress(600) == 1
    plan.adapt(300, seconds=119, limit_seconds=120, most_steps=1000)
    assert plan.last_step == 302
    plan.adapt(301, seconds=500, limit_seconds=120, most_steps=1000)
    assert plan.last_step == 302


def test_the_verbs_train_and_describe(tmp_path, block, capsys):
    table = tmp_path / "classes.tsv"
    lines = [f"{c.label}\t{c.name}\t{c.colour}\t{c.role}\n" for c in CLASSES]
    table.write_text("label\tname\tcolour\trole\n" + "".join(lines))
    config = tmp_path / "config.yaml"
    config.write_text(
        "training: {epochs: 1, steps_per_epoch: 2, panels: false, network: {base_width: 2, levels: 2}}\n"
    )
    arguments = ["train", str(config), "--blocks", str(block), "--classes", str(table), "--threads", "1"]
    assert main([*arguments, "-o", str(tmp_path / "m")]) == 0
    assert main(["model-info", str(tmp_path / "m")]) == 0
    assert "11 slices, 2 levels, base width 2" in capsys.readouterr().out
    assert main([*arguments[:-1], "-1", "-o", str(tmp_path / "n")]) == 2
    assert "segnet train: threads: Input should be greater" in capsys.readouterr().err
    config.write_text("epoch: 3\n")
    assert main([*arguments, "-o", str(tmp_path / "n")]) == 2
    assert "epoch: unknown key; wanted one of recipe, network" in capsys.readouterr().err
    assert main(["model-info", str(tmp_path)]) == 2
    assert "wanted a model folder" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path):
    block = write_block(tmp_path, (1, 2))
    table = tmp_path / "classes.tsv"
    lines = [f"{c.label}\t{c.name}\t{c.colour}\t{c.role}\n" for c in CLASSES]
    table.write_text("label\tname\tcolour\trole\n" + "".join(lines))
    config = tmp_path / "config.yaml"
    # without statistics over the batch and without draws by process, the mean gradient is that of one process
    config.write_text(
        "{epochs: 1, steps_per_epoch: 5, panels: false, precision: float32, threads: 1, device: cpu,"
        " network: {base_width: 8, levels: 2, slices: 3, norm: group}, augmentation: {enabled: false},"
        " sampling: {patch_size_px: 32, batch_size: 4},"
        " optimisation: {loss: cross_entropy, optimiser: sgd, learning_rate: 0.05}}"
    )
    common = ["-m", "segnet.cli", "train", str(config), "--blocks", str(block), "--classes", str(table)]
    one = [sys.executable, *common, "-o", str(tmp_path / "one")]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
    two = [sys.executable, *launch, *common, "-o", str(tmp_path / "two")]
    for command in (one, two):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    assert read_manifest(tmp_path / "two" / "manifest.json")["results"]["processes"] == 2
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two")]
    for name in weights[0]:
        torch.testing.assert_close(weights[1][name], weights[0][name], atol=1e-4, rtol=1e-3)
    losses = [float(history(tmp_path / name)[0]["loss"]) for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert not math.isnan(losses[0])


def test_tensorboard_gets_the_history_or_says_what_is_missing(tmp_path, block):
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match="wanted `pip install tensorboard` or false"):
            run(tmp_path / "a", block, tensorboard=True)
        return
    run(tmp_path / "a", block, tensorboard=True)
    assert list((tmp_path / "a" / "tensorboard").glob("events.*"))
