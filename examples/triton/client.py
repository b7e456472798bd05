"""Asks both models with tritonclient, as JSON and as bytes.

python examples/triton/client.py 127.0.0.1:8080/endpoints/flowers "$KEY"
"""

import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

SPECIES = ("setosa", "versicolor", "virginica")
FLOWERS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], dtype=np.float32)


def infer(client, headers, model, tensor, outputs, binary):
    """Send one tensor, named as the model names it, and return the wanted outputs as arrays."""
    ((name, rows),) = tensor.items()
    given = InferInput(name, rows.shape, "FP32")
    given.set_data_from_numpy(rows, binary_data=binary)
    wanted = [InferRequestedOutput(output, binary_data=binary) for output in outputs]
    mine = dict(headers)  # the client adds to it what fits this request alone
    answer = client.infer(model, [given], outputs=wanted, headers=mine)
    return [answer.as_numpy(output) for output in outputs]


def species(client, headers, binary):
    """Tell the two flowers apart."""
    (labels,) = infer(client, headers, "iris", {"FLOWERS": FLOWERS}, ["LABEL"], binary)
    return [SPECIES[label] for label in labels.ravel()]


def normalized(client, headers, binary, rows=FLOWERS):
    """Scale rows of numbers."""
    (scaled,) = infer(client, headers, "normalize", {"ROWS": rows}, ["NORMALIZED"], binary)
    return scaled


def main(address, key):
    headers = {"Authorization": f"Bearer {key}"}
    with InferenceServerClient(address) as client:
        print("ready:", client.is_server_ready(headers), client.is_model_ready("iris", "", headers))
        print("inputs:", client.get_model_metadata("iris", headers=headers)["inputs"])
        for binary in (False, True):
            way = "bytes" if binary else "JSON"
            print(f"iris, {way}:", *species(client, headers, binary))
            print(f"normalize, {way}:", *normalized(client, headers, binary).round(2).ravel())


if __name__ == "__main__":
    main(*sys.argv[1:])
