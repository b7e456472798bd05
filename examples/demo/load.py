"""Sends requests to an endpoint over a few connections and notes how each went."""

import http.client
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 8
TIMEOUT_S = 30
DEPLOYMENT = "azureml-model-deployment"


OnOutcome = Callable[[], None]


class Outcome(NamedTuple):
    """How one request went; `status` 0 means that no answer came, `text` then says why."""

    status: int
    deployment: str
    seconds: float
    text: str


def send(url: str, key: str, bodies: list[bytes], on_outcome: OnOutcome) -> list[Outcome]:
    """Send every body once, over several connections at the same time."""
    outcomes: list[Outcome] = []

    def run(share: list[bytes]) -> None:
        for outcome in send_share(url, key, share):
            outcomes.append(outcome)
            on_outcome()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(run, [bodies[start::CONNECTIONS] for start in range(CONNECTIONS)]))
    return outcomes


def send_share(url: str, key: str, bodies: Iterable[bytes]) -> Iterator[Outcome]:
    """Send bodies one after another over one connection."""
    address = urlsplit(url)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_S)
    with closing(connection):
        for body in bodies:
            started_s = time.perf_counter()
            try:
                connection.request("POST", address.path, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                status, deployment = answer.status, answer.getheader(DEPLOYMENT, "")
            except (OSError, http.client.HTTPException) as exc:
                connection.close()
                status, deployment, text = 0, "", f"{type(exc).__name__}: {exc}"
            yield Outcome(status, deployment, time.perf_counter() - started_s, text)
