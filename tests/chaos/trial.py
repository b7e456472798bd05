"""One row from start to end: a mesh, load, a fault in the midst of it, and the verdict."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.chaos import broker_end, clocks, oracle, wiretap
from tests.chaos.faults import Scene
from tests.chaos.journal import Journal, read_entries, read_runs
from tests.chaos.load import Load, Plan
from tests.chaos.oracle import Verdict
from tests.chaos.programs import plan as programs
from tests.chaos.programs.plan import Oddity
from tests.chaos.proxy import Proxy
from tests.chaos.rows import Row
from tests.chaos.troubles import small_disk
from tests.chaos.victim import Victim

STRIKE_AT = 0.35  # of the load's time
COLLECT_S = 30.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was run."""

    row: Row
    plan: Plan
    verdict: Verdict
    evidence: str
    took_s: float

    @property
    def objections(self) -> list[str]:
        """What is not as promised."""
        return self.row.objections(self.verdict)


async def run(
    row: Row,
    plan: Plan,
    folder: Path,
    *,
    bug: str = "",
    on_progress: Callable[[Load], None] = lambda _: None,
) -> Report:
    """Run one row in a folder of its own, which is empty.

    Raises:
        CannotError: this machine does not let us do that to it.
    """
    started_s = time.monotonic()
    victim = Victim(folder, environ=row.environ)
    proxy = Proxy(victim.nats_port)
    journal = Journal(folder / "asked.jsonl")
    async with contextlib.AsyncExitStack() as stack:
        if row.disk_mib:
            stack.enter_context(small_disk(victim.state.nats, row.disk_mib))
        stack.callback(journal.close)
        stack.push_async_callback(proxy.close)
        stack.push_async_callback(asyncio.to_thread, victim.close)
        oddity = await _oddity(row, proxy, folder)
        programs.Plan(bug=bug, **oddity).write(folder / programs.FILE)
        await asyncio.to_thread(victim.up)
        door = await asyncio.to_thread(victim.serve, row.more)
        plan = msgspec.structs.replace(plan, short=row.short, shares=row.shares or plan.shares)
        load = Load(plan, door, journal)
        await stack.enter_async_context(wiretap.listening(victim, journal))
        evidence = await _hurt(row, Scene(victim, load, proxy), lambda: on_progress(load))
        broker = await _finish(victim, load)
    verdict = oracle.judge(read_entries(journal.path), read_runs(victim.runs), broker)
    took_s = time.monotonic() - started_s
    if verdict.stale:
        evidence += f"; {verdict.stale} acknowledged messages were not erased"
    return Report(row=row, plan=load.plan, verdict=verdict, evidence=evidence, took_s=took_s)


async def _oddity(row: Row, proxy: Proxy, folder: Path) -> dict[str, Oddity]:
    """What is odd about one program: its clock, or its way to the broker."""
    if not row.odd:
        return {}
    if row.has_clock:
        return {row.odd: Oddity(environ=clocks.environ(folder))}
    return {row.odd: Oddity(nats_url=await proxy.start())}


async def _hurt(row: Row, scene: Scene, on_progress: Callable[[], None]) -> str:
    """Load the mesh and strike it a third of the way through."""
    loading = asyncio.create_task(scene.load.run(on_progress))
    await asyncio.sleep(STRIKE_AT * scene.load.plan.seconds)
    try:
        evidence = await row.fault(scene)
    finally:
        if not loading.done():
            await loading
    return evidence


async def _finish(victim: Victim, load: Load) -> oracle.Broker:
    """Let what is queued be done, fetch every result, and ask the broker."""
    bus = await victim.admin()
    try:
        broker = await broker_end.settled(bus)
        await load.collect(COLLECT_S)
    finally:
        await bus.close()
    surplus = await load.close()
    return msgspec.structs.replace(broker, overwritten=broker.overwritten + surplus)
