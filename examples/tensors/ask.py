"""Asks with binary tensors, and wants a binary answer: `python ask.py URL KEY`."""

import json
import sys
import urllib.request

import numpy as np


def main(url, key):
    scores = np.arange(6, dtype="<f4").reshape(2, 3)
    tensor = {
        "name": "scores",
        "datatype": "FP32",
        "shape": scores.shape,
        "parameters": {"binary_data_size": scores.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    request = urllib.request.Request(url, head + scores.tobytes(), headers)
    with urllib.request.urlopen(request) as answer:
        length = int(answer.headers["Inference-Header-Content-Length"])
        body = answer.read()
    [output] = json.loads(body[:length])["outputs"]
    probabilities = np.frombuffer(body, "<f4", offset=length).reshape(output["shape"])
    print(output["name"], probabilities.astype(float).round(3).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
