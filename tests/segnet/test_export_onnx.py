from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from segnet.cli import main
from segnet.model_folder import load_model

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.mark.slow
def test_onnx_gives_pytorchs_probabilities_at_any_size(tmp_path, model):
    path = tmp_path / "model.onnx"
    assert main(["export", str(model), "-o", str(path)]) == 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    network = load_model(model).network
    for shape in ((2, 5, 32, 48), (1, 5, 60, 20), (3, 5, 4, 4)):
        slices = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
        (found,) = session.run(None, {"slices": slices})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(slices)).softmax(1).numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    card = json.loads(session.get_modelmeta().custom_metadata_map["neuralseg_card"])
    assert [entry["name"] for entry in card["classes"]] == ["background", "membrane", "ribosome", "tric"]
