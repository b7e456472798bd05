"""Real runner processes for tests: scripts as text, and what came back, to be awaited."""

import asyncio
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

from mesh.wire import LogLine
from workers.exchange import Callbacks, Exit, Outcome, RunRequest
from workers.launch import RunnerConfig
from workers.pool import Pool
from workers.scripts import ScriptRuntime
from workers.supervise import RunnerProcess

ECHO = "def init(): pass\ndef run(raw): return raw\n"


class Heard:
    """Everything that runners said; each `await` returns as soon as it is true."""

    def __init__(self) -> None:
        self.outcomes: dict[int, list[Outcome]] = defaultdict(list)
        self.lines: list[LogLine] = []
        self.exits: list[Exit] = []
        self.order: list[int] = []
        self.callbacks = Callbacks(self._on_result, self._on_log, self._on_exit, self._tell)
        self._news = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    def _on_result(self, outcome: Outcome) -> None:
        self.outcomes[outcome.number].append(outcome)
        if outcome.final:
            self.order.append(outcome.number)
        self._tell()

    def _on_log(self, line: LogLine) -> None:
        self.lines.append(line)
        self._tell()

    def _on_exit(self, exit_: Exit) -> None:
        self.exits.append(exit_)
        self._tell()

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.ensure_future(tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def until(self, is_true) -> None:
        async with self._news:
            await self._news.wait_for(is_true)

    async def end(self, number: int) -> Outcome:
        """The final outcome of a request."""
        await self.until(lambda: number in self.order)
        return self.outcomes[number][-1]

    async def chunks(self, number: int, count: int) -> list[bytes]:
        """The first pieces of a streamed answer."""
        await self.until(lambda: len(self.outcomes[number]) >= count)
        return [outcome.body for outcome in self.outcomes[number][:count]]

    async def line(self, text: str) -> LogLine:
        """The first console line that contains `text`."""
        await self.until(lambda: any(text in line.text for line in self.lines))
        return next(line for line in self.lines if text in line.text)

    async def exit(self) -> Exit:
        """The first end of a process."""
        await self.until(lambda: self.exits)
        return self.exits[0]


class Stage:
    """Starts runners of scripts given as text; `close` leaves none behind."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        self.python = python
        self.heard = Heard()
        self._number = 0
        self._started: list[RunnerProcess | Pool] = []

    def config(self, script: str, **options) -> RunnerConfig:
        path = self.folder / options.pop("name", "score.py")
        path.write_text(textwrap.dedent(script))
        return RunnerConfig(python=self.python, script=str(path), **options)

    async def runner(self, script: str, **options) -> RunnerProcess:
        """A runner that has booted."""
        runner = RunnerProcess.start(self.config(script, **options), self.heard.callbacks)
        self._started.append(runner)
        await runner.ready()
        return runner

    async def pool(self, script: str, count: int = 1, **options) -> Pool:
        """A pool whose runners have booted."""
        pool = Pool(ScriptRuntime(self.config(script, **options), count), self.heard.callbacks)
        self._started.append(pool)
        await pool.start()
        return pool

    def request(self, body: str | bytes = '"x"', **options) -> RunRequest:
        self._number += 1
        data = body.encode() if isinstance(body, str) else body
        options.setdefault("request_id", f"id-{self._number}")
        return RunRequest(number=self._number, body=data, **options)

    async def call(self, runner: RunnerProcess | Pool, body: str | bytes = '"x"', **options):
        """Run one request to its end."""
        request = self.request(body, **options)
        runner.submit(request)
        return await self.heard.end(request.number)

    async def close(self) -> None:
        for started in self._started:
            await started.close(1.0)
