"""What is done to a mesh under load. Each fault returns the evidence that it struck."""

import asyncio
import signal
import time
from typing import NamedTuple

from mesh.process import Identity, wait_gone
from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
from tests.chaos.victim import Victim

GONE_S = 5.0
BROKER = "nats-server"
STOP_S = 0.8


class Scene(NamedTuple):
    """What a fault may touch. The proxy stands between the odd program and the broker."""

    victim: Victim
    load: Load
    proxy: Proxy


async def nothing(scene: Scene) -> str:
    """Leave everything alone."""
    return f"pids {', '.join(str(one.pid) for one in scene.victim.workers())} serve all along"


async def kill_worker(scene: Scene) -> str:
    """kill -9 of one of two workers."""
    victim = scene.victim
    before = victim.workers()
    took_s = await _kill(before[0])
    await victim.until(lambda: len(victim.workers()) == len(before))
    after = [one.pid for one in victim.workers() if one not in before]
    return f"worker {before[0].pid} of {_pids(before)} gone in {took_s:.2f} s; {after} started"


async def kill_runner(scene: Scene) -> str:
    """kill -9 of one runner of each worker."""
    victim = scene.victim
    said = []
    for worker in victim.workers():
        runner = victim.runners(worker)[0]
        await _kill(runner)
        await victim.until(lambda worker=worker: len(victim.runners(worker)) > 1)
        said.append(f"runner {runner.pid} of worker {worker.pid}")
    return f"killed {', '.join(said)}; their workers live on: {_pids(victim.workers())}"


async def kill_gateway(scene: Scene) -> str:
    """kill -9 of one of two gateways."""
    return await _kill_program(scene, "gateway")


async def kill_scaler(scene: Scene) -> str:
    """kill -9 of the scaler, then of a worker that its successor has to replace."""
    said = await _kill_program(scene, "scaler")
    return f"{said}; then {await kill_worker(scene)}"


async def kill_broker(scene: Scene) -> str:
    """kill -9 of nats-server; it starts again on the same store."""
    return await _kill_program(scene, BROKER)


async def _kill_program(scene: Scene, name: str) -> str:
    victim = scene.victim
    before = victim.program(name)
    started_s = time.monotonic()
    await _kill(before)
    scene.load.expect_cuts()
    await victim.until(
        lambda: (one := victim.programs(name)[0]).pid not in (0, before.pid) and one.state == "up"
    )
    took_s = time.monotonic() - started_s
    if name == BROKER:
        scene.load.expect_cuts()
    after = victim.programs(name)[0]
    return f"{name} {before.pid} killed, {after.pid} serves {took_s:.2f} s later"


async def _kill(one: Identity) -> float:
    started_s = time.monotonic()
    one.send(signal.SIGKILL)
    left = await wait_gone([one], GONE_S)
    assert not left, f"{one} lives on"
    return time.monotonic() - started_s


def _pids(some: list[Identity]) -> str:
    return ", ".join(str(one.pid) for one in some)


async def rest(seconds: float) -> None:
    """Let a fault last: there is nothing to wait for but the time itself."""
    await asyncio.sleep(seconds)
