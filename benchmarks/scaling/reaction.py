"""`make bench-reaction`: how soon instances are there, with real processes. Ring: service.

python -m benchmarks.scaling.reaction --rounds 5

From zero to one: a request for a deployment that sleeps, with a spare worker and without. A burst:
ten times the load from one moment to the next. Times count from the request, or from the step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import click
import httpx

from benchmarks import processes
from benchmarks.mesh import EXECUTABLE, Mesh
from mesh import subjects, wire
from mesh.access import sign_in
from mesh.bus import Message
from mesh.connect import broker_access
from mesh.wire import Event

LATEST: Final = Path(__file__).parents[1] / "results" / "reaction.json"
ENDPOINT: Final = "{name: bench, auth_mode: key}\n"
DEPLOYMENT: Final = """
name: blue
endpoint_name: bench
code_configuration: {{code: src, scoring_script: score.py}}
scale_settings:
  type: target_utilization
  min_instances: {least}
  max_instances: 10
  target_utilization_percentage: 100
  scale_in_delay_s: 1
"""
SCRIPT: Final = """
import time

def init():
    pass

def run(raw_data):
    time.sleep({run_s})
    return raw_data
"""
STEP: Final = 10
RUN_S: Final = 0.2
LIMIT_S: Final = 60.0

Figures = dict[str, float]


class Stage:
    """A mesh with one deployment, and what its events say of it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.events: list[Event] = []
        self.happened = asyncio.Event()
        self.headers: dict[str, str] = {}

    async def hear(self, message: Message) -> None:
        """Note an event."""
        event = wire.decode(message.data, Event)
        if event is not None:
            self.events.append(event)
            self.happened.set()

    def times(self, name: str, since_s: float) -> list[float]:
        """Return when events of a name came, in seconds after a Unix time."""
        found = [one.at_s - since_s for one in self.events if one.name == name]
        return sorted(at_s for at_s in found if at_s >= 0)

    async def until(self, name: str, count: int, since_s: float) -> float:
        """Wait for so many events of a name; return when the last of them came."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.times(name, since_s)) < count:
                self.happened.clear()
                await self.happened.wait()
        return self.times(name, since_s)[count - 1]

    async def sleeps(self) -> None:
        """Wait until no instance is left."""
        await asyncio.to_thread(self._look_until_it_sleeps)

    def _look_until_it_sleeps(self) -> None:
        words = ("deployment", "show", "-e", "bench", "-n", "blue")
        while (view := self.mesh.ask(*words))["instances"] or view["instance_count"]:
            time.sleep(0.2)

    async def ask(self, http: httpx.AsyncClient) -> None:
        """Ask once; an answer that is none ends the benchmark."""
        url = f"http://127.0.0.1:{self.mesh.port}/endpoints/bench/score"
        answer = await http.post(url, content='"hi"', headers=self.headers)
        answer.raise_for_status()


@contextlib.asynccontextmanager
async def staged(least: int, run_s: float, spares: int) -> AsyncIterator[Stage]:
    """Start a mesh with the deployment."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        mesh = Mesh(EXECUTABLE, home)
        mesh.env["MESH_WORKER__SPARES"] = str(spares)
        (home / "src").mkdir()
        (home / "src" / "score.py").write_text(SCRIPT.format(run_s=run_s))
        (home / "endpoint.yml").write_text(ENDPOINT)
        (home / "blue.yml").write_text(DEPLOYMENT.format(least=least))
        command = [mesh.executable, "up"]
        with processes.running(command, home / "server.log", mesh.env, cwd=home) as root:
            mesh.wait_until_up(root.pid)
            mesh.ask("endpoint", "create", "-f", "endpoint.yml")
            mesh.ask("deployment", "create", "-f", "blue.yml", "--all-traffic")
            key = mesh.ask("endpoint", "get-credentials", "-n", "bench")["primaryKey"]
            stage = Stage(mesh)
            stage.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            bus = await sign_in(broker_access(mesh.env["MESH_STATE_DIR"]), "bench")
            await bus.subscribe(subjects.event("bench", "blue"), stage.hear)
            yield stage
            await bus.close()


async def awakening(rounds: int, spares: int) -> list[Figures]:
    """Wake a deployment again and again; the first time its files are fetched, and not counted."""
    figures = []
    async with staged(0, 0.0, spares) as stage, httpx.AsyncClient(timeout=LIMIT_S) as http:
        for _ in range(rounds + 1):
            await stage.sleeps()
            await asyncio.sleep(3.0)  # as long as it takes to have a spare again
            began_s = time.time()
            await stage.ask(http)
            answered_s = time.time() - began_s
            started_s = await stage.until("Started", 1, began_s)
            ready_s = await stage.until("Ready", 1, began_s)
            figures.append({"started": started_s, "ready": ready_s, "answered": answered_s})
    return figures[1:]


async def burst(spares: int) -> Figures:
    """Ask with one client, then from one moment to the next with ten."""
    over = asyncio.Event()
    async with staged(1, RUN_S, spares) as stage, httpx.AsyncClient(timeout=LIMIT_S) as http:

        async def client() -> None:
            while not over.is_set():
                await stage.ask(http)

        async with asyncio.TaskGroup() as group:
            group.create_task(client())
            await asyncio.sleep(5.0)
            began_s = time.time()
            for _ in range(STEP - 1):
                group.create_task(client())
            started_s = await stage.until("Started", STEP - 1, began_s)
            ready_s = await stage.until("Ready", STEP - 1, began_s)
            over.set()
        words = ("scale", "history", "-e", "bench", "-n", "blue")
        changes = await asyncio.to_thread(stage.mesh.ask, *words)
        wanted = [one for one in changes if one["at_s"] >= began_s and one["after"] == STEP]
        first_s = stage.times("Ready", began_s)[0] - stage.times("Started", began_s)[0]
    return {
        "wanted": wanted[0]["at_s"] - began_s,
        "started": started_s,
        "first start-up": first_s,
        "ready": ready_s,
    }


def line(title: str, samples: list[Figures]) -> str:
    """Return a row with the median and the worst of each figure."""
    cells = []
    for name in samples[0]:
        values = [sample[name] for sample in samples]
        cells.append(f"{name} {statistics.median(values):.2f} (worst {max(values):.2f})")
    return f"{title:24} {', '.join(cells)}"


async def measure(rounds: int) -> dict[str, list[Figures]]:
    """Measure everything, telling of each part as it is done."""
    found: dict[str, list[Figures]] = {}
    for spares in (1, 0):
        title = f"0 -> 1, {spares} spare"
        found[title] = await awakening(rounds, spares)
        sys.stdout.write(line(title, found[title]) + "\n")
    for spares in (1, 0):
        title = f"1 -> {STEP}, {spares} spare"
        found[title] = [await burst(spares) for _ in range(max(1, rounds // 2))]
        sys.stdout.write(line(title, found[title]) + "\n")
    return found


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each is measured.")
@click.option("--output", type=click.Path(path_type=Path), default=LATEST, help="JSON file.")
def main(rounds: int, output: Path) -> None:
    """Print seconds from the request, or the step, to each thing that follows it."""
    found = asyncio.run(measure(rounds))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
