"""Time and memory of training steps and of segmenting a 400 × 400 × 50 tomogram, on the machine at hand.

    python benchmarks/segnet.py [--widths 64 32 16] [--threads 2] [--steps 12] [--epochs-of-ten]

For each base width: seconds per training step (batch 8, patch 128, 11 slices, default recipe) and the
share that is neither forward nor backward nor optimiser; seconds per tomogram, and the ratio to a bare
forward pass over whole slices; peak memory. Wall times on a busy machine say little: the processor seconds
stand beside them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where segnet.py is this file

from segnet.block import BlockSource, make_block
from segnet.config.segmentation import SegmentationConfig
from segnet.config.training import BlockConfig, TrainingConfig
from segnet.dataset import read_parts
from segnet.devices import cpu_threads, pick_device, pick_precision, processor_name
from segnet.distributed import Team
from segnet.infer import windows_of
from segnet.loss import segmentation_loss
from segnet.model_folder import load_model
from segnet.train import Training, train
from segnet.unet import UNet
from tomoio import ClassTable, LabelClass, write_labels, write_volume

SHAPE = (50, 400, 400)
CLASSES = ClassTable(tuple(LabelClass(n, f"class{n}", "#000000", "particle") for n in range(7)))


def write_data(folder: Path, shape: tuple[int, int, int], parts: int) -> Path:
    """Write noise with random labels as tomograms, and the block made of them."""
    rng = np.random.default_rng(0)
    sources = []
    for number in range(parts):
        labels = np.kron(rng.integers(0, 7, (shape[0], shape[1] // 20, shape[2] // 20)), np.ones((1, 20, 20)))
        grey = rng.normal(0, 1, shape) - 0.3 * labels
        write_volume(folder / f"t{number}.mrc", grey.astype(np.float32), 12.0)
        write_labels(folder / f"l{number}.mrc", labels.astype(np.uint8), 12.0)
        sources.append(BlockSource(folder / f"t{number}.mrc", folder / f"l{number}.mrc"))
    make_block(sources, folder / "block", BlockConfig(), CLASSES)
    return folder / "block"


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(function: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return wall and processor seconds of a call."""
    wait(device)
    wall, processor = time.perf_counter(), time.process_time()
    function()
    wait(device)
    return time.perf_counter() - wall, time.process_time() - processor


def step_times(width: int, block: Path, threads: int, steps: int) -> dict[str, float]:
    """Return the median seconds of a whole step and of its forward and backward pass."""
    config = TrainingConfig(
        network={"base_width": width}, sampling={"patch_size_px": 128}, threads=threads, panels=False
    )
    parts = read_parts([block], CLASSES, {})
    with cpu_threads(threads):
        training = Training(config, parts, [], CLASSES, 0, Team())
        images, targets = training.batches(0)
        training._step(0)
        whole, passes = [], []
        for number in range(1, steps):  # in turns, so that a busy machine slows both
            whole.append(timed(lambda n=number: training._step(n), training.device))
            passes.append(timed(lambda: forward_and_backward(training, images, targets), training.device))
    step, step_cpu = (statistics.median(values) for values in zip(*whole, strict=True))
    _, passes_cpu = (statistics.median(values) for values in zip(*passes, strict=True))
    return {"step": step, "step_cpu": step_cpu, "share": 1 - passes_cpu / step_cpu}


def forward_and_backward(training: Training, images: torch.Tensor, targets: torch.Tensor) -> None:
    """Run what any training must: network, loss, gradients."""
    with torch.autocast(training.device.type, training.dtype, enabled=training.dtype != torch.float32):
        logits = training.network(images)
    segmentation_loss(logits, targets, dice=True).backward()


def tomogram_times(model_dir: Path, tomogram: Path, threads: int) -> dict[str, float]:
    """Return seconds of a bare forward pass over whole slices and of segmenting the file."""
    from segnet.segment_files import segment_tomograms

    device = pick_device("auto")
    config = SegmentationConfig(threads=threads)
    with cpu_threads(threads):
        network = load_model(model_dir).network.to(device, pick_precision("auto", device))
        network.to(memory_format=torch.channels_last)
        bare = min(timed(lambda: bare_forward(network), device) for _ in range(2))
        with tempfile.TemporaryDirectory() as folder:
            times = [
                timed(
                    lambda n=n: segment_tomograms(model_dir, [tomogram], Path(folder) / str(n), config),
                    device,
                )
                for n in range(2)
            ]
    whole = min(times)
    return {"bare": bare[0], "bare_cpu": bare[1], "tomogram": whole[0], "tomogram_cpu": whole[1]}


def bare_forward(network: UNet) -> None:
    """Run a network over every slice, two at a time, on input that is there already."""
    weight = network.classify.weight
    windows = windows_of(np.zeros((12, *SHAPE[1:]), np.float32), 11)
    x = windows.to(weight.device, weight.dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(0, SHAPE[0], 2):
            network(x)


def peak_gigabytes(model_dir: Path, tomogram: Path, threads: int) -> float:
    """Return the peak memory of `segnet segment` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "segnet.cli", "segment", str(model_dir), str(tomogram), "-o", folder]
        process = subprocess.Popen([*command, "--threads", str(threads)], stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_maxrss / 1e6


def untrained_model(folder: Path, block: Path, width: int) -> Path:
    """Write a network of one training step."""
    config = TrainingConfig(network={"base_width": width}, epochs=1, steps_per_epoch=1, panels=False)
    train(config, [block], folder, classes=CLASSES, seed=0)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 32, 16])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--epochs-of-ten", action="store_true", help="also time an epoch on ten such tomograms"
    )
    arguments = parser.parse_args()
    device = pick_device("auto")
    print(f"{processor_name()}, {arguments.threads} threads, {device}, {pick_precision('auto', device)}")
    print(
        "width  step_s  step_cpu_s  other_share  bare_s  tomogram_s  tomogram_cpu_s  "
        "ratio  cpu_ratio  peak_GB"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        block = write_data(folder, SHAPE, 1)
        for width in arguments.widths:
            steps = step_times(width, block, arguments.threads, arguments.steps)
            model = untrained_model(folder / f"model{width}", block, width)
            times = tomogram_times(model, folder / "t0.mrc", arguments.threads)
            peak = peak_gigabytes(model, folder / "t0.mrc", arguments.threads)
            ratio, cpu_ratio = (
                times["tomogram"] / times["bare"],
                times["tomogram_cpu"] / times["bare_cpu"],
            )
            print(
                f"{width:5d}  {steps['step']:6.3f}  {steps['step_cpu']:10.3f}  {steps['share']:11.3f}  "
                f"{times['bare']:6.2f}  {times['tomogram']:10.2f}  {times['tomogram_cpu']:14.2f}  "
                f"{ratio:5.2f}  {cpu_ratio:9.2f}  {peak:7.2f}",
                flush=True,
            )
        if arguments.epochs_of_ten:
            time_epoch(folder / "ten", arguments.widths[0])


def time_epoch(folder: Path, width: int) -> None:
    """Print the seconds of one epoch of the uniform grid on ten tomograms, and 100 times that."""
    folder.mkdir()
    block = write_data(folder, SHAPE, 10)
    config = TrainingConfig(
        recipe="paper", network={"base_width": width}, sampling={"stride_ratio": 1.0}, epochs=1, panels=False
    )
    seconds, _ = timed(
        lambda: train(config, [block], folder / "model", classes=CLASSES, seed=0), pick_device("auto")
    )
    print(f"base {width}: an epoch on ten tomograms takes {seconds:.0f} s; 100 take {seconds / 36:.1f} h")


if __name__ == "__main__":
    main()
