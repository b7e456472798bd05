"""Faults of what is around the mesh: a client, a disk, a request that kills, an operator."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mesh.process import Identity
from tests.chaos.faults import BROKER, Scene, rest
from tests.chaos.journal import read_runs
from tests.chaos.load import POISON
from tests.chaos.standstills import stop_all
from tests.chaos.victim import Victim

DEAF = 30
DEAF_BYTES = 500_000
BESIDE = 200
RESTARTS = 3
FULL_S = 1.5


class CannotError(Exception):
    """This machine does not let us do it."""


async def poison(scene: Scene) -> str:
    """A request that segfaults its runner, 200 beside it, and three rolling restarts."""
    victim, load = scene.victim, scene.load
    sending = load.burst([f"beside-{number}" for number in range(BESIDE)], "http")
    sending += load.burst([POISON], "http")
    await asyncio.sleep(0)  # they are sent now
    in_flight = load.open
    for number in range(RESTARTS):
        await restart_workers(victim, number)
    await asyncio.gather(*sending)
    begun = {run.pid for run in read_runs(victim.runs) if run.id == POISON}
    return (
        f"runners {sorted(begun)} died of it with {in_flight} open; {RESTARTS} generations after it"
    )


async def restart_everything(scene: Scene) -> str:
    """SIGTERM of each gateway in turn, of the scaler, new workers, SIGTERM of nats-server."""
    victim = scene.victim
    said = []
    for one in victim.programs("gateway"):
        said.append(await restart_program(victim, one.name))
    said.append(await restart_program(victim, "scaler"))
    old = victim.workers()
    await restart_workers(victim, 0)
    said.append(f"workers {[one.pid for one in old]} -> {[one.pid for one in victim.workers()]}")
    scene.load.expect_cuts()
    said.append(await restart_program(victim, BROKER))
    scene.load.expect_cuts()
    return ", ".join(said)


async def restart_program(victim: Victim, name: str) -> str:
    """SIGTERM; `mesh up` starts it again."""
    old = next(one for one in victim.programs(name) if one.name == name)
    Identity(pid=old.pid, create_time=old.create_time).send(signal.SIGTERM)

    def is_back() -> bool:
        now = next(one for one in victim.programs(name) if one.name == name)
        return now.pid not in (0, old.pid) and now.state == "up"

    await victim.until(is_back)
    new = next(one for one in victim.programs(name) if one.name == name)
    return f"{name} {old.pid} -> {new.pid}"


async def restart_workers(victim: Victim, number: int) -> None:
    """A new generation takes over from the old one."""
    change = ("--set", f"environment_variables.ROUND={number}")
    done = await asyncio.to_thread(victim.mesh, "deployment", "update", "-f", "blue.yml", *change)
    assert done.returncode == 0, done.stderr


async def deaf_client(scene: Scene) -> str:
    """A client that asks for 15 MB of answers on one connection and reads none of them."""
    victim, load = scene.victim, scene.load
    ids = [f"deaf-{number}" for number in range(DEAF)]
    port = victim.programs("gateway")[0].url.rpartition(":")[2]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(port)))
        client.setblocking(False)
        for request_id in ids:
            load.note_gone(request_id)
            body = json.dumps({"id": request_id, "more": DEAF_BYTES}).encode()
            await asyncio.get_running_loop().sock_sendall(client, load.post_bytes(body))
        await victim.until(lambda: _ended(victim, ids), 10.0)
        await rest(FULL_S)
        ended, memory = _ended(victim, ids), _memory_mib(victim)
    return f"{DEAF} asked on one connection, {ended} run, none read; gateways hold {memory} MiB"


async def fill_store(scene: Scene) -> str:
    """No room for another queue, then lanes that are full because all workers stand still."""
    victim = scene.victim
    green = (victim.folder / "blue.yml").read_text().replace("name: blue", "name: green")
    (victim.folder / "green.yml").write_text(green)
    done = await asyncio.to_thread(victim.mesh, "deployment", "create", "-f", "green.yml")
    assert done.returncode != 0, "there was room for another queue"
    said = done.stderr.strip().splitlines()[-1]
    return f"another deployment: exit code {done.returncode}, `{said}`; {await stop_all(scene)}"


async def fill_disk(scene: Scene) -> str:
    """Fill the file system under the broker's store for a while; `mesh up` notices the end."""
    victim = scene.victim
    folder, before = victim.state.nats, victim.program(BROKER)
    filler = folder / "filler"
    written = 0
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while count := file.write(bytes(4096)):
            written += count
    await rest(FULL_S)
    free = os.statvfs(folder).f_bavail
    refusals = victim.log_text("nats-server.log").count("no space left on device")
    filler.unlink()
    await victim.until(lambda: victim.program(BROKER).pid not in (0, before.pid))
    scene.load.expect_cuts()
    after = victim.program(BROKER)
    return (
        f"{written >> 10} KiB filled the disk for {FULL_S:g} s, {free} blocks were free, "
        f"{refusals} writes failed; nats-server {before.pid} -> {after.pid} once there was room"
    )


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """Have a small file system of its own at `folder`.

    Raises:
        CannotError: not permitted here.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise CannotError(f"no small file system: {exc}") from exc
    if done.returncode:
        raise CannotError(f"no small file system: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _ended(victim: Victim, ids: list[str]) -> int:
    return len({run.id for run in read_runs(victim.runs) if run.event == "end"} & set(ids))


def _memory_mib(victim: Victim) -> list[int]:
    pages = [
        int(Path(f"/proc/{one.pid}/statm").read_text().split()[1])
        for one in victim.programs("gateway")
    ]
    return [count * os.sysconf("SC_PAGESIZE") >> 20 for count in pages]
