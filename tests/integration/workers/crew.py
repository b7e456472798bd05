"""Real workers of one deployment with real runners, and a scaler's ear that tells how they do."""

import asyncio
import contextlib
import textwrap
from collections import defaultdict
from pathlib import Path

import msgspec

from mesh import artifacts, subjects, wire
from mesh.bus import Bucket, Bus
from mesh.records import DeploymentRecord
from mesh.settings import NatsSettings, Settings, WorkerSettings
from mesh.spec.deployment import CodeConfiguration, DeploymentSpec
from mesh.spec.options import QueueOptions
from mesh.streams import ensure_queue, ensure_topology
from mesh.subjects import WorkerAddress
from mesh.wire import Depth, Event, WorkerHeartbeat
from scaler.health import Health
from workers.instance import Assignment
from workers.service import run_worker

TELL_S = 0.1
GOOD = "def init(): pass\ndef run(raw): return raw\n"
BAD = "def init(): pass\ndef run(raw): raise ValueError('no good')\n"
SLOW = "import time\ndef init(): pass\ndef run(raw):\n    time.sleep(0.02)\n    return raw\n"


class Crew:
    """Starts workers in the test's own loop; each ends with it."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        self.bus = bus
        self.serving = 0
        self.said: dict[str, list[WorkerHeartbeat]] = defaultdict(list)
        self.events: list[Event] = []
        self.answers: list[tuple[int, str]] = []
        self._folder = folder
        self._settings = Settings(
            state_dir=str(folder / "state"),
            nats=NatsSettings(url=bus.url),
            worker=WorkerSettings(drain_timeout_s=1.0),
        )
        self._health = Health()
        self._clock = asyncio.get_running_loop().time
        self._news = asyncio.Condition()
        self._workers: list[tuple[asyncio.Event, asyncio.Task[int]]] = []
        self._asked = 0

    async def open(self) -> "Crew":
        await ensure_topology(self.bus)
        await ensure_queue(self.bus, "iris", "blue", QueueOptions(), 5.0)
        await self.bus.subscribe("mesh.heartbeat.worker.>", self._hear)
        await self.bus.subscribe("mesh.reply.>", self._hear_answer)
        await self.bus.subscribe("mesh.event.>", self._hear_event)
        self._config = await Bucket.open(self.bus, subjects.CONFIG_BUCKET)
        self._telling = asyncio.create_task(self._tell())
        return self

    async def close(self) -> None:
        for stop, _ in self._workers:
            stop.set()
        await asyncio.gather(*(task for _, task in self._workers), return_exceptions=True)
        self._telling.cancel()
        await asyncio.gather(self._telling, return_exceptions=True)

    async def start(self, instance: str, script: str, generation: int = 1, **changes) -> None:
        """Start a worker of a generation, whose code is this script."""
        code = self._folder / f"code-{generation}-{instance}"
        code.mkdir()
        (code / "score.py").write_text(textwrap.dedent(script))
        spec = msgspec.convert({"name": "blue", "endpoint_name": "iris"} | changes, DeploymentSpec)
        record = DeploymentRecord(
            spec=msgspec.structs.replace(
                spec, code_configuration=CodeConfiguration(code=".", scoring_script="score.py")
            ),
            generation=generation,
            code=await artifacts.store(self.bus, code),
        )
        key = subjects.generation_key("iris", "blue", generation)
        await self._config.put(key, msgspec.json.encode(record))
        stop = asyncio.Event()
        address = WorkerAddress("iris", "blue", instance)
        assigned = Assignment(address, generation)
        task = asyncio.create_task(run_worker(self._settings, assigned, stop))
        self._workers.append((stop, task))
        await self.until(lambda: self.said[instance] or task.done())

    async def ask(self, count: int) -> None:
        """Send so many requests, without waiting for them."""
        for _ in range(count):
            self._asked += 1
            headers = {
                wire.REQUEST_ID: f"id-{self._asked}",
                wire.REPLY: f"mesh.reply.iris.blue.g1.{self._asked}",
            }
            subject = subjects.work("iris", "blue", "interactive")
            await self.bus.publish(subject, b'"x"', headers=headers)

    @contextlib.asynccontextmanager
    async def clients(self, count: int):
        """So many requests in flight all the time: each answer asks the next one."""
        self._refill = True
        await self.ask(count)
        yield
        self._refill = False

    _refill = False
    is_away = False  # the scaler: workers hear nothing

    def state(self, instance: str) -> str:
        """What the instance said last."""
        return self.said[instance][-1].state if self.said[instance] else ""

    def by(self, instance: str) -> list[int]:
        """The statuses an instance has answered."""
        return [status for status, who in self.answers if who == instance]

    async def until(self, holds, limit_s: float = 20.0) -> None:
        """Wait until it holds, looking at each heartbeat, answer and event."""
        async with asyncio.timeout(limit_s), self._news:
            await self._news.wait_for(holds)

    async def _tell(self) -> None:
        while True:
            depth = Depth(
                endpoint="iris",
                deployment="blue",
                lanes={},
                serving=self.serving,
                health=self._health.lately("iris", "blue", self._clock()),
                instances=self._health.totals("iris", "blue"),
            )
            if not self.is_away:
                await self.bus.publish(subjects.depth("iris", "blue"), wire.encode(depth))
            await asyncio.sleep(TELL_S)  # as the scaler does

    async def _hear(self, message) -> None:
        said = wire.decode(message.data, WorkerHeartbeat)
        self._health.hear(said, self._clock())
        await self._note(self.said[said.instance], said)

    async def _hear_event(self, message) -> None:
        await self._note(self.events, wire.decode(message.data, Event))

    async def _hear_answer(self, message) -> None:
        headers = message.headers or {}
        if wire.STATUS not in headers:
            return
        await self._note(self.answers, (int(headers[wire.STATUS]), headers[wire.INSTANCE]))
        if self._refill:
            await self.ask(1)

    async def _note(self, kept: list, said) -> None:
        kept.append(said)
        async with self._news:
            self._news.notify_all()
