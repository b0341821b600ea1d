"""A network as an ONNX file, for programs without PyTorch."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from segnet.model_folder import load_model
from segnet.unet import UNet
from tomoio import new_file

log = logging.getLogger(__name__)

_EXAMPLE_BATCH = 2  # an example of one would be taken for "always one"
_EXAMPLE_CELLS = (3, 4)
_OPSET = 20
_TALKATIVE = ("onnxscript", "onnx_ir", "torch.onnx")  # about their own passes, at level INFO


class _Probabilities(nn.Module):
    """The network with a softmax, for sizes that need no padding."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        return torch.softmax(self.network.padded(slices), dim=1)


def export_onnx(model_dir: Path | str, output: Path | str, *, overwrite: bool = False) -> None:
    """Write a network as ONNX.

    Its input ``slices`` (batch, slices, y, x), float32, holds normalised neighbouring slices; its output
    ``probabilities`` (batch, class, y, x) those of the central slice. Batch and size are free, y and x in
    multiples of 2^(levels-1). The card stands in the metadata under ``neuralseg_card``.

    Raises
    ------
    ValueError
        If the packages onnx and onnxscript are missing.
    FileNotFoundError, ValueError
        As `segnet.model_folder.load_model`.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401, what torch.onnx writes with
    except ImportError as error:
        raise ValueError(
            f"ONNX export needs the package {error.name}: pip install 'neuralseg[onnx]'"
        ) from error
    model = load_model(model_dir)
    multiple = model.network.multiple
    height, width = (cells * multiple for cells in _EXAMPLE_CELLS)
    example = torch.zeros(_EXAMPLE_BATCH, model.network.slices, height, width)
    free = (
        torch.export.Dim("batch"),
        multiple * torch.export.Dim("rows"),
        multiple * torch.export.Dim("columns"),
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    with new_file(output, overwrite=overwrite) as partial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own internals
            program = torch.onnx.export(
                _Probabilities(model.network).eval(),
                (example,),
                input_names=["slices"],
                output_names=["probabilities"],
                dynamic_shapes=({0: free[0], 2: free[1], 3: free[2]},),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
        if program is None:
            raise ValueError(
                f"{output}: this PyTorch gave no ONNX program; wanted the exporter of torch.export"
            )
        graph = program.model_proto
        onnx.helper.set_model_props(graph, {"neuralseg_card": model.card.model_dump_json()})
        onnx.checker.check_model(graph)
        partial.write_bytes(graph.SerializeToString())
    log.info("wrote %s", output)
