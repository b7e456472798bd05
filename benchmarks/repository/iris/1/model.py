"""The model every server runs, as a Python model of Triton's: a 4x3 product and an argmax."""

import numpy as np
import triton_python_backend_utils as triton

weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 10


class TritonPythonModel:
    def execute(self, requests):
        """Answer every request of a batch; tensors go as DLPack (see examples/triton)."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        rows = np.from_dlpack(triton.get_input_tensor_by_name(request, "data"))
        predictions = (rows @ weights).argmax(1)
        return triton.InferenceResponse([triton.Tensor.from_dlpack("predictions", predictions)])
