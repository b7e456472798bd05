"""What the way to a runner process and back costs: `python -m benchmarks.runner`.

Echo of a 1 KiB body through a pool of one, without NATS: requests/s, and CPU microseconds per
request of the supervisor and of the runner. The clock of the CPU counts 10 ms at a time.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop

from workers.exchange import Callbacks, Outcome, RunRequest
from workers.launch import RunnerConfig
from workers.pool import Pool
from workers.scripts import ScriptRuntime

SCRIPTS = {
    "sync": "def init(): pass\ndef run(raw): return raw\n",
    "async": "def init(): pass\nasync def run(raw): return raw\n",
}
BODY = b'"' + b"x" * 1022 + b'"'
WARM_UP = 2_000


class Figures(NamedTuple):
    """One round."""

    requests_per_s: float
    supervisor_us: float
    runner_us: float


class Load:
    """Keeps a fixed number of requests in flight through a pool."""

    def __init__(self, in_flight: int) -> None:
        self._in_flight = in_flight
        self._left = self._running = self._number = 0
        self._done = asyncio.Event()
        self.pool: Pool

    def on_result(self, outcome: Outcome) -> None:
        """Send the next request in the place of the one that ended."""
        assert outcome.status == 200
        self._running -= 1
        if self._left:
            self._send()
        elif not self._running:
            self._done.set()

    def _send(self) -> None:
        self._left -= 1
        self._running += 1
        self._number += 1
        number = self._number
        self.pool.submit(RunRequest(number=number, request_id=f"request-{number:028}", body=BODY))

    async def run(self, requests: int) -> None:
        """Run so many requests."""
        self._left = requests
        self._done.clear()
        for _ in range(min(self._in_flight, requests)):
            self._send()
        await self._done.wait()


async def measure(python: str, kind: str, in_flight: int, requests: int) -> Figures:
    """Run one round on a fresh runner."""
    load = Load(in_flight)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "score.py"
        script.write_text(SCRIPTS[kind])
        config = RunnerConfig(python=python, script=str(script))
        load.pool = Pool(ScriptRuntime(config), Callbacks(load.on_result, print, lambda _: None))
        await load.pool.start()
        await load.run(WARM_UP)
        runner = psutil.Process(load.pool.pids[0])
        spent_s = sum(runner.cpu_times()[:2])
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        await load.run(requests)
        wall_s = time.perf_counter() - wall_s
        cpu_s = time.process_time() - cpu_s
        spent_s = sum(runner.cpu_times()[:2]) - spent_s
        await load.pool.close(1.0)
    return Figures(requests / wall_s, cpu_s / requests * 1e6, spent_s / requests * 1e6)


def main() -> None:
    """Measure both kinds of script at several depths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the runner")
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64])
    options = parser.parse_args()
    print("script  in flight  requests/s  supervisor us  runner us")
    for kind in SCRIPTS:
        for in_flight in options.in_flight:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
                figures = loop.run(measure(options.python, kind, in_flight, options.requests))
            print(
                f"{kind:6}  {in_flight:9}  {figures.requests_per_s:10.0f}  "
                f"{figures.supervisor_us:13.1f}  {figures.runner_us:9.1f}"
            )


if __name__ == "__main__":
    main()
