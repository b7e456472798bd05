"""Faults in which nothing dies: processes that stand still, links that are slow, cut or silent."""

import signal

from mesh.process import Identity
from mesh.topology import ack_wait_s
from tests.chaos.faults import Scene, rest
from tests.chaos.load import TIMEOUT_S

STOP_S = 0.8
CUT_S = 3.0
SLOW_S = 0.15
SLOW_FOR_S = 4.0
SILENT_S = 3.0


async def stop_worker(scene: Scene) -> str:
    """SIGSTOP of a worker for twice the ack wait of the interactive lane."""
    worker = scene.victim.workers()[0]
    seconds = 2 * ack_wait_s("interactive", TIMEOUT_S)
    await _stop([worker], seconds)
    return f"worker {worker.pid} stood still for {seconds:g} s, its state was T"


async def stop_all(scene: Scene) -> str:
    """SIGSTOP of every worker for longer than short deadlines last."""
    workers = scene.victim.workers()
    await _stop(workers, STOP_S)
    pids = ", ".join(str(one.pid) for one in workers)
    return f"workers {pids} stood still for {STOP_S:g} s, their state was T"


async def cut(scene: Scene) -> str:
    """Cut the odd program off from the broker."""
    proxy = scene.proxy
    taken, ended = proxy.taken, proxy.cut()
    assert ended, "nobody was connected through the proxy"
    scene.load.expect_cuts()
    await rest(CUT_S)
    refused = proxy.refused
    proxy.mend()
    await scene.victim.until(lambda: proxy.taken > taken)
    return f"{ended} connection cut for {CUT_S:g} s, {refused} attempts to reconnect in vain"


async def slow(scene: Scene) -> str:
    """Make the odd program's link to the broker slow."""
    proxy, before = scene.proxy, scene.proxy.bytes
    proxy.delay_s = SLOW_S
    await rest(SLOW_FOR_S)
    proxy.delay_s = 0.0
    return f"{proxy.bytes - before} bytes came {SLOW_S:g} s late each way for {SLOW_FOR_S:g} s"


async def silence(scene: Scene) -> str:
    """Let nothing through to the odd program or from it, and end no connection."""
    proxy = scene.proxy
    proxy.hold()
    await rest(SILENT_S)
    held = proxy.release()
    assert held, "nothing came through the proxy"
    return f"{held} bytes held back for {SILENT_S:g} s, no connection ended"


async def _stop(workers: list[Identity], seconds: float) -> None:
    for one in workers:
        one.send(signal.SIGSTOP)
    try:
        await rest(seconds)
        assert all(_is_stopped(one) for one in workers), "a worker did not stand still"
    finally:
        for one in workers:
            one.send(signal.SIGCONT)


def _is_stopped(one: Identity) -> bool:
    with open(f"/proc/{one.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"
