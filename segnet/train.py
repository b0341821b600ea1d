"""Training of the 2.5D U-Net."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from segnet.batches import Batches
from segnet.checkpoint import Progress, check_model_folder, load_checkpoint, save_checkpoint, should_load
from segnet.config.training import TrainingConfig
from segnet.dataset import Part, read_parts, trained_classes
from segnet.devices import cpu_threads, package_versions, pick_device, pick_precision, processor_name
from segnet.distributed import Team, join_team
from segnet.history import epoch_writer, write_history
from segnet.infer import Predictor, predict_channels
from segnet.initialise import initialise
from segnet.interruption import signals_set_event
from segnet.loss import segmentation_loss
from segnet.model_folder import ModelCard, card_classes, save_model
from segnet.optimisation import AveragedNetwork, learning_rate, make_optimiser
from segnet.panel import save_panel
from segnet.progress import progress_bar
from segnet.schedule import Plan
from segnet.unet import UNet
from segnet.validation import confusion_by_domain, dice_by_class, mean_dice, metrics_of
from tomoio import ClassTable, write_manifest

log = logging.getLogger(__name__)

_PLAN_STEPS = 20  # between looks at the clock
_REFRESH_STEPS = 10  # between looks at the loss: on a GPU each look waits for the device


def train(
    config: TrainingConfig,
    blocks: Sequence[Path | str],
    output_dir: Path | str,
    *,
    classes: ClassTable,
    validation: Sequence[Path | str] = (),
    seed: int,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train a network on blocks and write a model folder.

    The same seed, data and number of threads give the same weights on the same kind of processor. Under
    torchrun, the processes share each batch.

    Parameters
    ----------
    config
        Network, sampling, augmentation, optimisation and limits.
    blocks
        Folders made by `segnet.block.make_block`.
    output_dir
        Gets ``weights.safetensors``, ``model.json``, ``history.csv``, ``checkpoint.safetensors``,
        ``manifest.json`` and ``panels/``.
    classes
        The class table of the labels.
    validation
        Blocks that are segmented after each epoch and never trained on.
    seed
        Of the first weights, the patches and their variation.
    resume
        Go on from the checkpoint in ``output_dir``, if there is one: the result is that of a training that
        was never interrupted.
    overwrite
        Replace a model or checkpoint that is there; with ``resume`` only that of another training.

    Raises
    ------
    ValueError
        If the data or the configuration do not fit, or the loss is no longer a number.
    OSError
        If there is a model or a checkpoint already, or ``output_dir`` cannot be written to.
    KeyboardInterrupt
        On SIGINT or SIGTERM, after the checkpoint has been written.
    """
    output_dir = Path(output_dir)
    if not 0 <= seed < 1 << 63:
        raise ValueError(f"seed {seed}; wanted a whole number from 0 to 2^63 - 1")
    check_model_folder(output_dir, resume=resume, overwrite=overwrite)
    with cpu_threads(config.threads), join_team(config.device) as team:
        parts, held_out = _read_data(config, blocks, validation, classes)
        training = Training(config, parts, held_out, trained_classes(classes, config.merge), seed, team)
        if resume and should_load(output_dir, training.identity, overwrite):
            training.load(output_dir)
        with signals_set_event() as interrupted:
            training.run(output_dir, interrupted)
        if team.leads:
            training.save(output_dir)
            _write_manifest(output_dir, training, [*blocks, *validation])
        team.wait()


def _read_data(
    config: TrainingConfig,
    blocks: Sequence[Path | str],
    validation: Sequence[Path | str],
    classes: ClassTable,
) -> tuple[list[Part], list[Part]]:
    parts = read_parts(blocks, classes, config.merge)
    held_out = read_parts(validation, classes, config.merge)
    if not held_out and config.held_out_parts:
        parts, held_out = parts[: -config.held_out_parts], parts[-config.held_out_parts :]
    if not parts:
        raise ValueError("no part is left to train on; wanted more blocks or fewer held_out_parts")
    methods = {part.description["normalisation"] for part in [*parts, *held_out]}
    if len(methods) > 1:
        raise ValueError(f"blocks are normalised by {' and '.join(sorted(methods))}; wanted one method")
    trained_on = {part.description["sha256"] for part in parts}
    for part in held_out:
        if part.description["sha256"] in trained_on:
            log.warning("validation part %s is also trained on: its Dice says little", part.name)
    return parts, held_out


class Training:
    """Everything that changes while a network is trained, and the loop that changes it."""

    def __init__(
        self,
        config: TrainingConfig,
        parts: Sequence[Part],
        held_out: Sequence[Part],
        classes: ClassTable,
        seed: int,
        team: Team,
    ) -> None:
        self.config, self.parts, self.held_out, self.classes = config, parts, held_out, classes
        self.seed, self.team = seed, team
        self.device = pick_device(config.device)
        if self.device.type == "cuda" and team.size > 1:
            self.device = torch.device("cuda", team.local_rank)
            torch.cuda.set_device(self.device)
        self.dtype = pick_precision(config.precision, self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = UNet(config.network, len(classes.classes))
            self.initialised_from = initialise(self.network, config, classes)
        self.network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.team_network = team.wrap(self.network, self.device)
        self.average = AveragedNetwork(self.network, config.optimisation.ema_decay)
        self.optimiser = make_optimiser(self.network, config.optimisation)
        self.batches = Batches(parts, config, seed, team, self.device)
        self.steps_per_epoch = config.steps_per_epoch or self.batches.in_an_epoch
        self.steps = config.epochs * self.steps_per_epoch
        self.progress = Progress(Plan(self.steps))
        self.best: dict[str, Tensor] = {}

    @property
    def identity(self) -> str:
        """Text that differs where a checkpoint would not fit: configuration, data, seed."""
        data = [part.description["sha256"] + part.description["labels_sha256"] for part in self.parts]
        limits = {"epochs": self.config.epochs, "steps_per_epoch": self.steps_per_epoch}
        # what only changes when or where it runs, or what is written beside the weights
        ignored = {
            "max_minutes",
            "checkpoint_minutes",
            "threads",
            "device",
            "panels",
            "tensorboard",
            "licence",
        }
        settings = self.config.model_dump(mode="json", exclude=ignored)
        return json.dumps({"seed": self.seed, **limits, **settings, "data": data}, indent=0)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        networks: dict[str, torch.nn.Module] = {
            "network": self.network,
            "average": self.average.network,
        }
        self.progress, self.best = load_checkpoint(folder, networks, self.optimiser, self.identity)
        log.info("resumed after step %d of %d", self.progress.step, self.steps)

    def run(self, folder: Path, interrupted: threading.Event) -> None:
        """Train until the last step, a limit or an interruption."""
        events = epoch_writer(folder, tensorboard=self.config.tensorboard and self.team.leads)
        started = time.monotonic() - self.progress.seconds
        saved = time.monotonic()
        losses: list[Tensor] = []
        with progress_bar(
            total=self.steps,
            initial=self.progress.step,
            desc="train",
            unit="step",
            disable=not self.team.leads,
        ) as bar:
            finished = self._finished()
            while not finished:
                losses.append(self._step(self.progress.step))
                self.progress.step += 1
                self.progress.seconds = time.monotonic() - started
                bar.update()
                self._adapt_plan(bar)
                ends_epoch = self._ends_epoch()
                stop = self.team.leader_says(interrupted.is_set(), self.device)
                save = stop or self.team.leader_says(self._save_is_due(saved), self.device)
                if ends_epoch or save or len(losses) == _REFRESH_STEPS:
                    self._take_losses(losses)
                if ends_epoch:
                    self._end_epoch(folder, events)
                if not losses:
                    self._show(bar)
                finished = self._finished()
                if save or finished:
                    self._save_checkpoint(folder)
                    saved = time.monotonic()
                if stop and not finished:
                    raise KeyboardInterrupt

    def _ends_epoch(self) -> bool:
        step = self.progress.step
        return step % self.steps_per_epoch == 0 or step >= self.progress.plan.last_step

    def _finished(self) -> bool:
        progress, patience = self.progress, self.config.patience_epochs
        patient = not patience or len(progress.history) - progress.best_epoch <= patience
        done = progress.step >= progress.plan.last_step or not patient
        return self.team.leader_says(done, self.device)

    def _adapt_plan(self, bar: tqdm) -> None:
        """Every so many steps, see whether the time limit comes before the last step."""
        limit, progress = self.config.max_minutes, self.progress
        if not limit or progress.step % _PLAN_STEPS:
            return
        seconds = float(self.team.mean(torch.tensor(progress.seconds, device=self.device)))
        progress.plan.adapt(progress.step, seconds, 60 * limit, self.steps)
        bar.total = progress.plan.last_step

    def _save_is_due(self, saved: float) -> bool:
        return time.monotonic() - saved >= 60 * self.config.checkpoint_minutes

    def _step(self, step: int) -> Tensor:
        images, targets = self.batches(step)
        self.network.train()
        progress = self.progress.plan.progress(step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(step, progress, self.config.optimisation)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.team_network(images)
        loss = segmentation_loss(logits, targets, dice=self.config.optimisation.loss == "cross_entropy_dice")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        if self.config.optimisation.ema_decay:
            self.average.update(self.network, step)
        return loss.detach()

    def _take_losses(self, losses: list[Tensor]) -> None:
        """Add losses to the epoch's; ValueError where one is not a number."""
        for loss in losses:
            value = float(self.team.mean(loss))
            if not np.isfinite(value):
                raise ValueError(
                    f"the loss is {value} at about step {self.progress.step}; wanted a number: lower "
                    f"optimisation.learning_rate (now {self.config.optimisation.learning_rate:g}) or "
                    "set precision to float32"
                )
            self.progress.loss_sum += value
            self.progress.loss_count += 1
        losses.clear()

    def _show(self, bar: tqdm) -> None:
        progress = self.progress
        shown: dict[str, Any] = {}
        if progress.loss_count:
            shown["loss"] = f"{progress.loss_sum / progress.loss_count:.3f}"
        if progress.history:
            last = progress.history[-1]
            shown |= {
                name: f"{last[f'dice_{name}']:.2f}"
                for name in self.classes.names[1:]
                if not np.isnan(last[f"dice_{name}"])
            }
        bar.set_postfix(shown, refresh=False)

    def kept_network(self) -> UNet:
        """Return the network that is validated and kept: the averaged one where there is an average."""
        return self.average.network if self.config.optimisation.ema_decay else self.network

    def _end_epoch(self, folder: Path, events: Callable[[dict[str, Any]], None]) -> None:
        progress = self.progress
        epoch = len(progress.history) + 1
        dice = dict.fromkeys(self.classes.names, float("nan"))
        if self.team.leads:
            predictor = Predictor(self.kept_network(), self.device, self.dtype)
            if self.held_out:
                most = self.config.validation_slices
                counts = confusion_by_domain(predictor, self.held_out, len(self.classes.classes), most)
                dice = dice_by_class(counts, self.classes)
            if self.config.panels:
                self._save_panel(predictor, folder / "panels" / f"epoch_{epoch:04d}.png")
        mean = mean_dice(dice, self.classes)
        row = {
            "epoch": epoch,
            "step": progress.step,
            "seconds": round(progress.seconds, 3),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "loss": progress.loss_sum / max(1, progress.loss_count),
            "dice_mean": mean,
            **{f"dice_{name}": value for name, value in dice.items()},
        }
        progress.history.append(row)
        progress.loss_sum, progress.loss_count = 0.0, 0
        if np.isnan(mean) or mean > progress.best_dice:
            progress.best_dice, progress.best_epoch = (progress.best_dice if np.isnan(mean) else mean), epoch
            if self.config.keep == "best":
                self.best = {name: t.clone() for name, t in self.kept_network().state_dict().items()}
        if self.team.leads:
            write_history(folder, progress.history)
            events(row)

    def _save_panel(self, predictor: Predictor, path: Path) -> None:
        part = (self.held_out or self.parts)[0]
        middle = np.array([len(part.image) // 2])
        found = predict_channels(predictor, part.image, middle)[0]
        save_panel(path, part.image[middle[0]], part.target[middle[0]], found, self.classes)

    def _save_checkpoint(self, folder: Path) -> None:
        if not self.team.leads:
            return
        networks = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "best": self.best,
        }
        save_checkpoint(folder, networks, self.optimiser, self.progress, self.identity)

    def save(self, folder: Path) -> None:
        """Write history, weights and card, with the metrics of all of the held-out parts."""
        write_history(folder, self.progress.history)
        network = self.kept_network()
        if self.config.keep == "best" and self.best:
            network.load_state_dict(self.best)
        counts = {}
        if self.held_out:
            predictor = Predictor(network, self.device, self.dtype)
            counts = confusion_by_domain(predictor, self.held_out, len(self.classes.classes))
        pixel_sizes = [part.pixel_size_angstrom for part in self.parts]
        card = ModelCard(
            classes=card_classes(self.classes),
            network=self.config.network,
            pixel_sizes_angstrom=(min(pixel_sizes), max(pixel_sizes)),
            normalisation=self.parts[0].description["normalisation"],  # type: ignore[arg-type]
            recipe=self.config.recipe,
            training=self.config.model_dump(mode="json"),
            seed=self.seed,
            threads=torch.get_num_threads(),
            steps=self.progress.step,
            data=tuple(dict(part.description) for part in self.parts),
            validation_data=tuple(dict(part.description) for part in self.held_out),
            metrics=metrics_of(counts, self.classes),
            initialised_from=self.initialised_from,
            versions=package_versions(),
            licence=self.config.licence,
        )
        save_model(folder, network.state_dict(), card, overwrite=True)


def _write_manifest(folder: Path, training: Training, blocks: Sequence[Path | str]) -> None:
    inputs = [Path(block) / name for block in blocks for name in ("tomogram.mrc", "labels.mrc", "parts.tsv")]
    write_manifest(
        folder / "manifest.json",
        verb="segnet train",
        configuration=training.config.model_dump(mode="json"),
        seed=training.seed,
        inputs=inputs,
        timings_s={"training": training.progress.seconds},
        results={
            "steps": training.progress.step,
            "threads": torch.get_num_threads(),
            "processes": training.team.size,
            "device": str(training.device),
            "precision": str(training.dtype).removeprefix("torch."),
            "processor": processor_name(),
        },
        overwrite=True,
    )
