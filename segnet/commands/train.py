"""Train a 2.5D U-Net on blocks.

  segnet train config/config.yaml --blocks results/block --validation results/held_out -o results/model

CONFIG is a YAML file of training settings, or a pipeline config.yaml with a section "training"; keys,
units and ranges stand in config/README.md. An interrupted training goes on with --resume and ends with
the weights that it would have had. Several GPUs or nodes: torchrun --nproc-per-node 4 -m segnet.cli train ...
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML file")
    parser.add_argument(
        "--blocks", type=Path, nargs="+", required=True, metavar="DIR", help="blocks to train on"
    )
    parser.add_argument(
        "--validation", type=Path, nargs="*", default=[], metavar="DIR", help="blocks that are only scored"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL", help="model folder")
    parser.add_argument("--seed", type=int, default=0, help="of weights, patches, variation (default: 0)")
    parser.add_argument("--init", type=Path, metavar="MODEL", help="start from the weights of this network")
    parser.add_argument("--threads", type=int, help="CPU threads, instead of the configuration's")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in MODEL, if any")
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table (TSV)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing model or checkpoint")


def run(arguments: argparse.Namespace) -> None:
    from segnet.config.training import TrainingConfig
    from segnet.train import train
    from tomoio import read_class_table
    from tomoio.config import load_yaml, parse_config

    config = load_yaml(arguments.config, TrainingConfig, section="training")
    changes = {"init": arguments.init, "threads": arguments.threads}
    given = {key: value for key, value in changes.items() if value is not None}
    config = parse_config(config.model_dump() | given, TrainingConfig, "segnet train")
    train(
        config,
        arguments.blocks,
        arguments.output,
        classes=read_class_table(arguments.classes),
        validation=arguments.validation,
        seed=arguments.seed,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
    )
