"""Several scalers: one leads, another takes over, and no place gets two instances."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from mesh import subjects, wire
from mesh.api import Answer, DeploymentPut, DeploymentView, EndpointPut
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.process import wait_gone
from mesh.settings import NatsSettings, ScalerSettings, Settings, WorkerSettings
from mesh.spec.endpoint import EndpointSpec
from mesh.streams import ensure_topology
from mesh.wire import Event, WorkerHeartbeat
from scaler.launchers.ledger import Ledger
from tests.integration.scaler.conftest import ROOT, deployment

pytestmark = pytest.mark.timeout(60)
PROGRAM = "tests.integration.scaler.scaler_program"
TAKEN_OVER_S = 5.0
COUNT = 6


class Scalers:
    """Scaler processes on one broker, what their workers say, and what is told of them."""

    def __init__(self, bus, url, folders):
        self.bus = bus
        self.folders = folders
        self.processes = []
        self.spoke = {}
        self.started = []
        self.burst = asyncio.Event()
        self._url = url

    async def listen(self):
        await self.bus.subscribe(subjects.WORKER_HEARTBEATS, self._hear_worker)
        await self.bus.subscribe(subjects.EVENTS, self._hear_event)
        await self.bus.flush()

    async def _hear_worker(self, message):
        said = wire.decode(message.data, WorkerHeartbeat)
        self.spoke[said.instance] = said.state

    async def _hear_event(self, message):
        event = wire.decode(message.data, Event)
        if event.name == "Started":
            self.started.append(event.instance)
            if len(self.started) > 1:
                self.burst.set()

    def start(self, folder):
        """Start one more scaler; it leads, or waits for the lead."""
        settings = Settings(
            state_dir=str(folder),
            nats=NatsSettings(url=self._url),
            scaler=ScalerSettings(port=0),
            worker=WorkerSettings(drain_timeout_s=0.5),
        )
        folder.mkdir(exist_ok=True)
        path = folder / f"settings.{len(self.processes)}.json"
        path.write_bytes(settings.to_json())
        with (folder / f"scaler.{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, "--settings", str(path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        self.processes.append(process)
        return process

    async def ask(self, verb, request, timeout_s=8.0):
        """The answer of whoever leads, as soon as somebody does."""
        while True:
            try:
                body = msgspec.json.encode(request)
                message = await self.bus.request(subjects.api(verb), body, timeout_s=timeout_s)
            except BusError:
                continue
            answer = msgspec.json.decode(message.data, type=Answer)
            assert answer.error is None, answer.error
            return answer.result

    async def until(self, holds):
        """Look at the deployment until `holds(view)`."""
        while True:
            result = await self.ask("deployment.get", {"endpoint": "iris", "name": "blue"})
            if holds(view := msgspec.json.decode(result, type=DeploymentView)):
                return view

    async def scale(self, count):
        """Want so many instances."""
        put = DeploymentPut(spec=deployment(instance_count=count))
        await self.ask("deployment.update", put)

    async def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        records = [record for folder in set(self.folders) for record in Ledger(folder).read()]
        for record in records:
            if (identity := record.identity()) and identity.is_alive():
                os.killpg(identity.pid, signal.SIGKILL)
                await wait_gone([identity], 5)


@pytest.fixture(params=["one folder", "two folders"])
async def scalers(request, nats_server, tmp_path):
    """Two scalers, of one host or of two, and a deployment of one instance."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    second = "one" if request.param == "one folder" else "two"
    scalers = Scalers(bus, server.url, [tmp_path / "one", tmp_path / second])
    try:
        await set_up(scalers)
        yield scalers
    finally:
        await scalers.close()
        await bus.close()


async def set_up(scalers):
    """Start the scalers, one after another, and create the deployment."""
    await scalers.listen()
    for folder in scalers.folders:
        scalers.start(folder)
        await scalers.ask("endpoint.list", {})  # the first one leads before the next starts
    await scalers.ask("endpoint.create", EndpointPut(spec=EndpointSpec(name="iris")))
    await scalers.ask("deployment.create", DeploymentPut(spec=deployment()))
    await scalers.until(lambda view: view.ready_instances == 1)


async def interrupted(scalers, number):
    """Signal the leader in the middle of a burst; return how long nobody led after that."""
    await scalers.scale(COUNT)
    await scalers.burst.wait()
    scalers.processes[0].send_signal(number)
    began_s = time.monotonic()
    await scalers.ask("endpoint.list", {}, timeout_s=0.2)
    return time.monotonic() - began_s


async def test_a_leader_that_is_killed_is_replaced(scalers):
    """The other one leads within 5 s and starts what is missing, and nothing twice.

    What the first one has started is its own from then on, wherever that runs.
    """
    took_s = await interrupted(scalers, signal.SIGKILL)
    await scalers.until(lambda view: view.ready_instances == COUNT)
    print(f"a killed leader: the next one answers after {took_s:.2f} s")  # noqa: T201
    await scalers.scale(1)
    await scalers.until(lambda view: len(view.instances) == view.ready_instances == 1)

    assert took_s < TAKEN_OVER_S
    assert len(scalers.spoke) == COUNT


async def test_a_leader_that_stood_still_starts_nothing_more(scalers):
    """It comes back to find another one leading, ends, and has not acted in between."""
    took_s = await interrupted(scalers, signal.SIGSTOP)
    await scalers.until(lambda view: view.ready_instances == COUNT)
    scalers.processes[0].send_signal(signal.SIGCONT)
    await asyncio.to_thread(scalers.processes[0].wait)
    await scalers.until(lambda view: len(view.instances) == COUNT)
    print(f"a stopped leader: the next one answers after {took_s:.2f} s")  # noqa: T201

    assert took_s < TAKEN_OVER_S
    assert len(scalers.spoke) == COUNT
    assert "draining" not in scalers.spoke.values()
