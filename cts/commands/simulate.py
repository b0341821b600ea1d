"""Image a model: tilt series and tomogram.

Reads model.mrc (potential in V) of a model folder and writes, to the folder given with -o, tiltseries.mrc
(electrons per pixel), tiltseries.tlt, .tsv (tilt, exposure, defocus), .mrc.mdoc and .star (RELION 5, with
tomograms.star, which names it), tomogram.mrc (protein dark, voxel for voxel on the model's grid) and
manifest.json. One model can be imaged any number of times, each time to a folder of its own. Every random
draw follows from the seed and the tomogram's id (default: the name of the output folder): the same bytes on
any number of cores.

CONFIG is a YAML file of imaging settings, or a whole pipeline configuration with a section `simulation`:

  tilt: {min_deg: -60, max_deg: 60, step_deg: {choice: [2, 3, 5]}}
  dose: {total_e_per_angstrom2: [70, 150]}
  optics: {defocus_um: [4, 6]}

example:
  cts simulate model config/config.yaml -o imaged --seed 1
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="folder with model.mrc")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="imaging configuration, YAML")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=int, required=True, help="determines every random draw")
    parser.add_argument(
        "--tomogram-id", help="name in random draws and tables (default: name of the output folder)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")


def run(arguments: argparse.Namespace) -> None:
    from cts.config.imaging import SimulationConfig
    from cts.simulate import simulate_tomogram
    from tomoio.config import load_yaml

    config = load_yaml(arguments.config, SimulationConfig, section="simulation")
    simulate_tomogram(
        arguments.model_dir,
        config,
        arguments.output,
        seed=arguments.seed,
        tomogram_id=arguments.tomogram_id or arguments.output.resolve().name,
        overwrite=arguments.overwrite,
    )
