"""A scaler in the test's own loop, over its own broker, with worker programs that only beat."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from mesh import subjects, wire
from mesh.api import (
    Answer,
    DeploymentPut,
    DeploymentView,
    EndpointPut,
    EndpointView,
)
from mesh.bus import Bucket, Bus
from mesh.gpus import Gpus
from mesh.process import Identity, wait_gone
from mesh.settings import NatsSettings, ScalerSettings, Settings, WorkerSettings
from mesh.spec.deployment import CodeConfiguration, DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.options import MeshOptions
from mesh.subjects import WorkerAddress
from mesh.wire import GatewayHeartbeat, WorkerHeartbeat
from scaler.launchers.ledger import Ledger
from scaler.launchers.process import worker_command
from scaler.service import Scaler

STUB = Path(__file__).with_name("stub_worker.py")
BEAT_S = 0.5
ROOT = Path(__file__).parents[3]


def deployment(name="blue", endpoint="iris", stub="ok", **changes):
    if "mesh" in changes:
        changes["mesh"] = msgspec.convert(changes["mesh"], MeshOptions)
    return DeploymentSpec(
        name=name,
        endpoint_name=endpoint,
        code_configuration=CodeConfiguration(code="./code", scoring_script="score.py"),
        environment_variables={"STUB": stub},
        instance_type="Standard_F4s_v2",
        **changes,
    )


class Rig:
    """The scaler and a client of its verbs; everything it started ends with the test."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        self.settings = settings
        self.bus = bus
        self._stop = asyncio.Event()
        self._task = None
        self.metrics_url = ""
        self.first_beats_s = 0.1
        self.gpus = Gpus(reason="NVML: not here")

    @property
    def state_dir(self):
        return Path(self.settings.state_dir)

    async def start(self):
        self._stop = asyncio.Event()
        ready = asyncio.Event()

        def on_ready(url):
            self.metrics_url = url
            ready.set()

        path = self.state_dir / "settings.json"
        path.write_bytes(self.settings.to_json())
        real = worker_command(str(path))

        def command(address: WorkerAddress, generation: int):
            return [sys.executable, str(STUB), *real(address, generation)[3:]]

        scaler = Scaler(
            self.settings,
            command,
            on_ready,
            first_beats_s=self.first_beats_s,
            find_gpus=lambda: self.gpus,
        )
        self._task = asyncio.create_task(scaler.run(self._stop))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self):
        self._stop.set()
        return await self._task

    async def close(self):
        if self._task is not None and not self._task.done():
            await self.stop()
        for record in Ledger(self.state_dir).read():
            if (identity := record.identity()) and identity.is_alive():
                os.killpg(identity.pid, signal.SIGKILL)
                await wait_gone([identity], 5)

    async def ask(self, verb, request=None):
        """The answer to a verb as it came."""
        body = request if isinstance(request, bytes) else msgspec.json.encode(request or {})
        message = await self.bus.request(subjects.api(verb), body, timeout_s=8)
        return msgspec.json.decode(message.data, type=Answer)

    async def do(self, verb, request, kind):
        """The result of a verb that must succeed."""
        answer = await self.ask(verb, request)
        assert answer.error is None, answer.error
        return msgspec.json.decode(answer.result, type=kind)

    async def refused(self, verb, request):
        """The code and the message of a verb that must be refused."""
        answer = await self.ask(verb, request)
        assert answer.error is not None, answer.result
        return answer.error.code, answer.error.message

    async def endpoint(self, name="iris"):
        return await self.do(
            "endpoint.create", EndpointPut(spec=EndpointSpec(name=name)), EndpointView
        )

    async def route(self, name="iris", **changes):
        put = EndpointPut(spec=EndpointSpec(name=name, **changes))
        return await self.do("endpoint.update", put, EndpointView)

    async def create(self, spec, **changes):
        return await self.do(
            "deployment.create", DeploymentPut(spec=spec, **changes), DeploymentView
        )

    async def update(self, spec, **changes):
        return await self.do(
            "deployment.update", DeploymentPut(spec=spec, **changes), DeploymentView
        )

    async def view(self, name="blue", endpoint="iris"):
        request = {"endpoint": endpoint, "name": name}
        answer = await self.ask("deployment.get", request)
        return None if answer.error else msgspec.json.decode(answer.result, type=DeploymentView)

    async def until(self, holds, name="blue", endpoint="iris"):
        """Look at a deployment at each of its events and heartbeats until `holds(view)`."""
        happened = asyncio.Event()

        async def note(_):
            happened.set()

        heard = (
            subjects.event(endpoint, name),
            f"mesh.heartbeat.worker.{endpoint}.{name}.*",
        )
        subscriptions = [await self.bus.subscribe(subject, note) for subject in heard]
        await self.bus.flush()
        try:
            while not holds(view := await self.view(name, endpoint)):
                happened.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(happened.wait(), 0.5)
            return view
        finally:
            for subscription in subscriptions:
                await subscription.unsubscribe()

    async def restart_broker(self):
        """Kill the broker and start it again; return when our own connection is back."""
        back = asyncio.Event()

        async def note():
            back.set()

        self.bus.on_reconnect(note)
        self.server.restart()
        await back.wait()

    async def metrics(self, line):
        """The metrics page that has a line; it is made anew once a second."""
        async with httpx.AsyncClient() as client, asyncio.timeout(5):
            while line not in (text := (await client.get(self.metrics_url)).text):
                pass
        return text

    async def changed(self, revision):
        """Wait until the config is newer than a revision."""
        bucket = await Bucket.open(self.bus, subjects.CONFIG_BUCKET)
        watch = await bucket.watch()
        async for entry in watch:
            if entry is not None and entry.revision > revision:
                break
        await watch.stop()

    async def settled(self, name="blue", endpoint="iris"):
        terminal = ("Succeeded", "Failed")
        return await self.until(lambda view: view.provisioning_state in terminal, name, endpoint)


class FakeGateway:
    """Tells a revision, as a gateway would."""

    def __init__(self, bus, name="gw1"):
        self._bus = bus
        self._name = name

    async def beat(self, revision, **changes):
        said = GatewayHeartbeat(
            gateway=self._name, revision=revision, url="http://127.0.0.1:8080", **changes
        )
        subject = subjects.gateway_heartbeat(self._name)
        await self._bus.publish(subject, wire.encode(said))
        await self._bus.flush()

    async def keep_beating(self, revision):
        """Beat for ever."""
        while True:
            await self.beat(revision)
            await asyncio.sleep(BEAT_S)


@pytest.fixture
async def rig(nats_server, tmp_path, monkeypatch):
    """A running scaler."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    server = nats_server()
    settings = Settings(
        state_dir=str(tmp_path / "state"),
        nats=NatsSettings(url=server.url),
        scaler=ScalerSettings(port=0, restart_min_s=0.1),
        worker=WorkerSettings(drain_timeout_s=0.5),
    )
    (tmp_path / "state").mkdir()
    bus = await Bus.connect(server.url, name="test")
    rig = Rig(settings, bus)
    rig.server = server
    await rig.start()
    yield rig
    await rig.close()
    await bus.close()


def alive(instance):
    """Whether the process of an instance runs."""
    identity = Identity.of(instance.pid)
    return identity is not None and identity.is_alive()


__all__ = ["FakeGateway", "Rig", "WorkerHeartbeat", "alive", "deployment"]
