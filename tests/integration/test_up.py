"""`mesh up` with a real broker and stand-ins for the other programs: starts, ends, restarts."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mesh.bus import Bus
from mesh.connect import broker_access
from mesh.embedded.broker import check
from mesh.embedded.child import NotStartedError
from mesh.embedded.daemon import AlreadyRunningError, Started, run_detached, run_here
from mesh.embedded.down import stop_mesh
from mesh.embedded.folder import StateFolder
from mesh.errors import DeadlineExceededError
from mesh.process import wait_gone
from mesh.settings import BrokerAccess, load_settings

pytestmark = pytest.mark.timeout(30)
ROOT = Path(__file__).parents[2]
GONE_S = 10


class Up:
    """A `mesh up` of stand-ins in a process of its own, and its log."""

    def __init__(self, settings, **environ):
        self.folder = StateFolder(settings.state_dir)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stand_in"],
            cwd=ROOT,
            env=os.environ | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=False,
        )
        self.process.stdin.write(settings.to_json())
        self.process.stdin.close()
        self.started = msgspec.json.decode(self.process.stdout.read(), type=Started)

    def until(self, text):
        """Read the log up to a line with this text, and return what was read."""
        lines = []
        for line in self.process.stderr:
            lines.append(line.decode())
            if text in lines[-1]:
                return lines
        raise AssertionError(f"{text!r} was not logged: {lines}")

    def pid(self, name):
        """The pid of a program."""
        return next(one.pid for one in self.folder.mesh().programs if one.name == name)

    def stop(self):
        """End it; return its exit code and the rest of its log."""
        self.process.send_signal(signal.SIGTERM)
        log = self.process.stderr.read().decode().splitlines()
        return self.process.wait(), log

    def close(self):
        """Leave nothing behind, whatever the test did."""
        left = self.folder.leftovers()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        for identity in left:
            identity.send(signal.SIGKILL)


@pytest.fixture
def settings(tmp_path):
    """Settings over a fresh state folder, with short times."""
    flags = {"state_dir": str(tmp_path / "state"), "supervisor.restart_min_s": 0.01}
    return load_settings(environ={}, flags=flags)


@pytest.fixture
def up(settings):
    """Start a mesh of stand-ins: `up()`, as often as needed."""
    meshes = []

    def start(chosen=settings, **environ):
        meshes.append(Up(chosen, **environ))
        return meshes[-1]

    yield start
    for mesh in meshes:
        mesh.close()


async def connect(folder):
    """Connect as the admin, as a person's tools do."""
    access = broker_access(folder.path)
    return await Bus.connect(access.url, name="test", user=access.user, password=access.password)


async def test_everything_runs_when_it_says_so(up):
    """The record names each program with its pid and where it listens."""
    mesh = up()

    record = mesh.started.record
    assert [(one.name, one.state) for one in record.programs] == [
        ("nats-server", "up"), ("gateway", "up"), ("scaler", "up"),
    ]  # fmt: skip
    assert record.programs[1].url == f"http://pid-{record.programs[1].pid}"
    assert len(mesh.folder.leftovers()) == 5  # with `mesh up` itself and the worker
    assert all(one.is_alive() for one in mesh.folder.leftovers())


async def test_it_stops_in_order_and_leaves_nothing(up):
    """Intake first, then the scaler, then the workers; and the broker outlives them all."""
    mesh = up()
    processes = mesh.folder.leftovers()

    code, log = mesh.stop()

    assert code == 0
    assert not any(one.is_alive() for one in processes)
    stopped = [line.split()[2].split("[")[0] for line in log if "lifecycle.stop" in line]
    assert stopped == ["gateway", "scaler", "worker"]
    assert mesh.folder.mesh() is None


def test_there_is_one_for_each_folder(up, settings):
    """The second is told who runs there and where it listens."""
    first = up()

    with pytest.raises(AlreadyRunningError) as caught:
        run_here(settings, on_ready=lambda record: None)

    assert f"pid {first.process.pid}, {first.started.record.nats_url}" in str(caught.value)


@pytest.mark.parametrize("name", ["nats-server", "gateway", "scaler"])
async def test_a_killed_program_comes_back(up, name):
    """Whichever it is; the others and the worker go on as they are."""
    mesh = up()
    others = {one.pid for one in mesh.folder.leftovers()} - {mesh.pid(name)}

    os.kill(mesh.pid(name), signal.SIGKILL)
    log = mesh.until(f"up.restarted name={name}")

    assert any("killed by SIGKILL" in line for line in log)
    assert others < {one.pid for one in mesh.folder.leftovers()}
    assert mesh.folder.mesh().nats_url == mesh.started.record.nats_url
    assert mesh.stop()[0] == 0


async def test_the_broker_keeps_port_users_and_messages(up):
    """Over kill -9, and over a stop and a start."""
    mesh = up()
    bus = await connect(mesh.folder)
    await bus.request("mesh.event.iris.-", b"before")
    await bus.close()

    os.kill(mesh.pid("nats-server"), signal.SIGKILL)
    mesh.until("up.restarted name=nats-server")
    mesh.stop()
    again = up()

    assert again.started.record.nats_url == mesh.started.record.nats_url
    bus = await connect(again.folder)
    stream = await bus.api("STREAM.INFO.EVENTS")
    await bus.close()
    assert stream["state"]["messages"] == 1


async def test_no_process_outlives_its_killed_mesh_up(up):
    """kill -9 of `mesh up` itself: the others notice and end."""
    mesh = up()
    processes = mesh.folder.leftovers()

    mesh.process.kill()

    assert len(processes) == 5
    assert await wait_gone(processes, GONE_S) == []


async def test_the_next_start_follows_a_kill_at_once(up):
    """What the killed one left is waited for; the folder is free."""
    up().process.kill()

    again = up()

    assert again.started.record is not None
    assert again.stop()[0] == 0


async def test_what_was_orphaned_is_stopped_too(up):
    """A worker whose scaler was killed belongs to `mesh up` from then on."""
    mesh = up()
    worker = mesh.folder.instances()[0]
    os.kill(mesh.pid("scaler"), signal.SIGKILL)
    mesh.until("up.restarted name=scaler")

    assert worker.is_alive()
    assert mesh.stop()[0] == 0
    assert not worker.is_alive()


def test_a_program_that_does_not_start_ends_the_start(up):
    """It is said which and why, and nothing runs any more."""
    mesh = up(STAND_IN_GATEWAY="broken")

    assert mesh.started.code == "not_started"
    assert "gateway did not start: it ended: exit code 2" in mesh.started.message
    assert mesh.process.wait() == 3
    assert mesh.folder.leftovers() == []


def test_a_second_signal_makes_it_short(up):
    """Who does not want to wait for the drain need not: the exit code says that work was cut."""
    mesh = up(STAND_IN_GATEWAY="stubborn")
    processes = mesh.folder.leftovers()
    mesh.process.send_signal(signal.SIGINT)
    mesh.until("lifecycle.stop")

    code, _ = mesh.stop()

    assert code == 1
    assert not any(one.is_alive() for one in processes)


async def test_a_mesh_is_stopped_from_outside(settings):
    """`mesh up --detach`, then `mesh down`: it tells who is left, and none is."""
    record = run_detached(settings, "tests.stand_in")
    folder = StateFolder(settings.state_dir)
    processes, left = folder.leftovers(), []

    assert await stop_mesh(folder, 20, left.append)

    assert record.pid in {one.pid for one in processes}
    assert not any(one.is_alive() for one in processes)
    assert "gateway" in left[0]
    assert left[-1] == []
    assert not await stop_mesh(folder, 20, left.append)


async def test_stopping_from_outside_has_a_limit(up):
    """Who still runs then is named."""
    mesh = up(STAND_IN_GATEWAY="stubborn")

    with pytest.raises(DeadlineExceededError, match=rf"gateway \(pid {mesh.pid('gateway')}\)"):
        await stop_mesh(mesh.folder, 0.3, lambda names: None)


async def test_a_server_of_ones_own_is_used(up, settings, nats_url):
    """No other is started, and its streams are made."""
    nats = msgspec.structs.replace(settings.nats, url=nats_url)

    mesh = up(msgspec.structs.replace(settings, nats=nats))

    assert mesh.started.record.nats_url == nats_url
    assert [one.name for one in mesh.started.record.programs] == ["gateway", "scaler"]
    assert broker_access(mesh.folder.path).url == nats_url
    assert mesh.stop()[0] == 0


async def test_our_own_address_is_no_other_server(up, settings):
    """`mesh nats env` exports NATS_URL: with it set, the next start is the embedded one again."""
    first = up()
    first.stop()
    nats = msgspec.structs.replace(settings.nats, url=first.started.record.nats_url)

    again = up(msgspec.structs.replace(settings, nats=nats))

    assert again.started.record.embedded
    assert again.started.record.nats_url == first.started.record.nats_url


async def test_an_old_server_is_refused():
    """Older ones drop settings without a word: the version is named, and the one needed."""

    async def serve(reader, writer):
        writer.write(b'INFO {"server_id":"x","version":"2.10.4","max_payload":1048576}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(NotStartedError, match=r"2\.10.*too old: 2\.11"):
            await check(BrokerAccess(url=url), 5, 60.0)
