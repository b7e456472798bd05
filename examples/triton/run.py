"""The Triton demo: a model repository behind one endpoint. `make demo-triton` runs it.

Starts a mesh of its own in a temporary folder on free ports, deploys, asks both models with
`tritonclient.http`, takes everything down again; exits with 1 if anything is not as it should be.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException

from examples import stage
from examples.stage import console, say
from examples.triton.client import normalized, species

TRITON = stage.Example(Path(__file__).resolve().parent, "flowers")
REQUESTS = 200
INFINITE = np.full((1, 4), np.inf, np.float32)


class Case(NamedTuple):
    """A way to ask a model, and what it must answer."""

    title: str
    ask: Callable[..., Any]
    binary: bool
    expected: Any


CASES = [
    Case(f"{model}, {'bytes' if binary else 'JSON'}", ask, binary, expected)
    for model, ask, expected in (
        ("iris (ONNX)", species, ["setosa", "virginica"]),
        ("normalize (numpy)", lambda *args: normalized(*args).mean(1).round(3).tolist(), [0, 0]),
    )
    for binary in (False, True)
]


def show() -> Iterator[str]:
    """Run the demo; yield what is not as it should be."""
    say("A model repository: one model in ONNX, trained now, and one in Python")
    TRITON.train()
    say("An endpoint whose deployment serves the repository with Triton")
    TRITON.mesh("endpoint", "create", "-f", "endpoint.yml", "-o", "none")
    TRITON.mesh("deployment", "create", "-f", "blue.yml", "--all-traffic", "-o", "none")
    headers = {"Authorization": f"Bearer {TRITON.primary_key()}"}
    address = f"{urlsplit(TRITON.scoring_uri()).netloc}/endpoints/{TRITON.endpoint}"
    with InferenceServerClient(address) as client:
        try:
            yield from show_server(client, headers)
            yield from show_answers(client, headers)
            yield from show_refusals(client, headers)
        except InferenceServerException as error:
            yield f"Triton's client says: {error}"


def show_server(client: InferenceServerClient, headers: dict[str, str]) -> Iterator[str]:
    """Ask whether all is ready, and what there is."""
    say("tritonclient.http asks about the server and its models")
    if not (client.is_server_live(headers) and client.is_server_ready(headers)):
        yield "the server is not ready"
    server = client.get_server_metadata(headers)
    console.print("server", server["name"], server["version"])
    for model in ("iris", "normalize"):
        if not client.is_model_ready(model, "", headers):
            yield f"model {model} is not ready"
        metadata = client.get_model_metadata(model, headers=headers)
        config = client.get_model_config(model, headers=headers)
        names = [tensor["name"] for tensor in metadata["inputs"] + metadata["outputs"]]
        console.print("model", model, f"({config['backend']})", *names)
        if names[0] not in ("FLOWERS", "ROWS"):
            yield f"model {model} has other tensors: {names}"


def show_answers(client: InferenceServerClient, headers: dict[str, str]) -> Iterator[str]:
    """Ask each model many times, in JSON and in bytes."""
    table = stage.new_table("Latency in ms, one client", "model", "requests", "p50", "p99")
    for case in CASES:
        times_ms = []
        for _ in range(REQUESTS):
            started_s = time.perf_counter()
            answer = case.ask(client, headers, case.binary)
            times_ms.append((time.perf_counter() - started_s) * 1000)
            if answer != case.expected:
                yield f"{case.title} answered {answer} instead of {case.expected}"
                break
        cuts = quantiles(times_ms, n=100) if len(times_ms) > 1 else [0.0] * 99
        table.add_row(case.title, str(len(times_ms)), f"{cuts[49]:.2f}", f"{cuts[98]:.2f}")
    console.print(table)


def show_refusals(client: InferenceServerClient, headers: dict[str, str]) -> Iterator[str]:
    """Send what the model refuses, and a wrong key."""
    wrong = {"Authorization": "Bearer wrong"}
    for title, words, expected in (
        ("a tensor that is not finite", headers, "424"),
        ("a wrong key", wrong, "401"),
    ):
        try:
            normalized(client, words, binary=True, rows=INFINITE)
            yield f"{title} was not refused"
        except InferenceServerException as error:
            console.print(f"{title}: {error.status()}, {error.message()}", markup=False)
            if error.status() != expected:
                yield f"{title} got {error.status()} instead of {expected}"


if __name__ == "__main__":
    sys.exit(stage.run(show))
