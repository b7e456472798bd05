"""Tells irises apart with a model in ONNX, run by onnxruntime; `train.py` makes it.

Why tensors are handed over as DLPack is said in `models/normalize`.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        """Load the model; called once, when Triton loads it."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            Path(__file__).with_name("model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name

    def execute(self, requests):
        """Answer every request of a batch."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        flowers = np.from_dlpack(triton.get_input_tensor_by_name(request, "FLOWERS"))
        labels, probabilities = self.session.run(None, {self.input: flowers})
        outputs = {"LABEL": labels.reshape(-1, 1), "PROBABILITIES": probabilities}
        return triton.InferenceResponse(
            [triton.Tensor.from_dlpack(name, output) for name, output in outputs.items()]
        )
