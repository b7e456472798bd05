"""The runtimes of the contract, each with a model that does the same."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runners import Heard
from tests.triton import triton_config, write_model
from workers.exchange import RunRequest
from workers.launch import RunnerConfig
from workers.pool import Pool
from workers.runtime import Runtime
from workers.scripts import ScriptRuntime
from workers.triton.runtime import TritonRuntime

SCRIPT = """
import asyncio, json, os

def init():
    print("loaded", flush=True)
    if os.path.exists(os.environ["BROKEN"]):
        raise ValueError("no such weights")

async def run(raw):
    x = json.loads(raw)
    print("began", x, flush=True)
    if x == -1.0:
        raise ValueError("no negatives, please")
    if x == -2.0:
        os._exit(1)
    while x == -3.0 and not os.path.exists(os.environ["GATE"]):
        await asyncio.sleep(0.002)
    return x
"""

REFUSED, DEADLY, WAITS = -1.0, -2.0, -3.0


class Subject:
    """A runtime under test, and what its runners said."""

    def __init__(self, folder: Path) -> None:
        self.gate = folder / "gate"
        self.broken = folder / "broken"
        self.heard = Heard()
        self.pools: list[Pool] = []
        self._number = 0

    @property
    def env(self) -> dict[str, str]:
        """What the model is told."""
        return {"GATE": str(self.gate), "BROKEN": str(self.broken)}

    def runtime(self) -> Runtime:
        """How the model is started."""
        raise NotImplementedError

    def pool(self) -> Pool:
        """Runners that have yet to start."""
        self.pools.append(Pool(self.runtime(), self.heard.callbacks))
        return self.pools[-1]

    async def started(self) -> Pool:
        """Runners that have booted."""
        pool = self.pool()
        await pool.start()
        return pool

    def body(self, value: float) -> bytes:
        """How the model is asked."""
        raise NotImplementedError

    def value(self, body: bytes) -> float:
        """What the model answered."""
        raise NotImplementedError

    def request(self, value: float, **options) -> RunRequest:
        """A request for the model."""
        self._number += 1
        return RunRequest(
            number=self._number, request_id=f"id-{self._number}", body=self.body(value), **options
        )

    async def call(self, pool: Pool, value: float):
        """Run one request to its end."""
        request = self.request(value)
        pool.submit(request)
        return await self.heard.end(request.number)

    async def close(self) -> None:
        """Leave nothing behind."""
        self.gate.touch()
        for pool in self.pools:
            await pool.close(5.0)


class Scripts(Subject):
    """Scoring scripts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._script = folder / "score.py"
        self._script.write_text(SCRIPT)

    def runtime(self) -> Runtime:
        return ScriptRuntime(
            RunnerConfig(python=sys.executable, script=str(self._script), env=self.env)
        )

    def body(self, value: float) -> bytes:
        return json.dumps(value).encode()

    def value(self, body: bytes) -> float:
        return json.loads(body)


class Triton(Subject):
    """A Triton server of our own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._repository = write_model(folder / "models", dims="[1]")
        self._folder = folder
        self.config = None

    async def prepare(self) -> None:
        self.config = await triton_config(self._folder / "backends", self._repository, **self.env)

    def runtime(self) -> Runtime:
        return TritonRuntime(self.config)

    def body(self, value: float) -> bytes:
        tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [value]}
        return json.dumps({"inputs": [tensor]}).encode()

    def value(self, body: bytes) -> float:
        return json.loads(body)["outputs"][0]["data"][0]


@pytest.fixture(params=["script", pytest.param("triton", marks=pytest.mark.foreign)])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """Each runtime in turn."""
    subject: Subject = Scripts(tmp_path)
    if request.param == "triton":
        subject = Triton(tmp_path)
        await subject.prepare()
    yield subject
    await subject.close()
