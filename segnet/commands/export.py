"""Write a network as an ONNX file, for programs without PyTorch.

  segnet export results/model -o model.onnx

Input: normalised neighbouring slices (batch, slices, y, x), y and x in multiples of 16 for five levels;
output: class probabilities of the central slice. Needs pip install 'neuralseg[onnx]'.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="ONNX", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> None:
    from segnet.export_onnx import export_onnx

    export_onnx(arguments.model, arguments.output, overwrite=arguments.overwrite)
