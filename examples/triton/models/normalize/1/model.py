"""Scales each row to mean 0 and standard deviation 1. Needs nothing but numpy.

Tensors are handed over as DLPack, which works with every numpy. The usual way is `as_numpy()` and
`Tensor(name, array)`, but where a Triton as old as 24.10 meets numpy 2 these give wrong values.
"""

import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        """Answer every request of a batch."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        rows = np.from_dlpack(triton.get_input_tensor_by_name(request, "ROWS"))
        if not np.isfinite(rows).all():
            return triton.InferenceResponse(error=triton.TritonError("ROWS must be finite numbers"))
        spread = rows.std(axis=1, keepdims=True)
        normalized = (rows - rows.mean(axis=1, keepdims=True)) / np.where(spread, spread, 1)
        return triton.InferenceResponse([triton.Tensor.from_dlpack("NORMALIZED", normalized)])
