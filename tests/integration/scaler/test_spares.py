"""Worker programs that wait to become instances: real ones, that fail for want of a broker."""

import asyncio
import os

import pytest

from mesh.exits import Exit
from mesh.process import Identity, wait_gone
from mesh.settings import NatsSettings, Settings
from mesh.subjects import WorkerAddress
from scaler.launchers.ledger import Ledger
from scaler.launchers.process import ProcessLauncher, worker_command
from scaler.launchers.spares import LOG, spare_command
from tests.integration.scaler.conftest import ROOT

pytestmark = pytest.mark.timeout(30)
BLUE = WorkerAddress("iris", "blue", "g1-abc")
NOWHERE = "nats://127.0.0.1:1"


class Bench:
    """A launcher with spares, and the ends it told."""

    def __init__(self, folder):
        self.folder = folder
        self.ends = asyncio.Queue()
        path = folder / "settings.json"
        nats = NatsSettings(url=NOWHERE, connect_timeout_s=0.1)
        path.write_bytes(Settings(state_dir=str(folder), nats=nats).to_json())
        self.launcher = ProcessLauncher(
            folder, worker_command(str(path)), self.ends.put_nowait, spare=spare_command(str(path))
        )

    def waiting(self):
        """The processes that wait."""
        return [Identity.of(spare.process.pid) for spare in self.launcher.spares._waiting]

    async def end(self):
        async with asyncio.timeout(20):
            return await self.ends.get()


@pytest.fixture
async def bench(tmp_path, monkeypatch):
    """A launcher whose spares are gone with the test."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    bench = Bench(tmp_path)
    yield bench
    await bench.launcher.close()


async def test_an_instance_is_made_of_a_spare(bench):
    """It is the very process that waited; it lives, ends and is logged as one that was started."""
    bench.launcher.keep_spares(1)
    [spare] = bench.waiting()

    bench.launcher.launch(BLUE, 1)
    [running] = bench.launcher.running()
    [record] = Ledger(bench.folder).read()
    ended = await bench.end()

    assert (running.pid, record.pid, len(bench.launcher.spares)) == (spare.pid, spare.pid, 0)
    assert (ended.running.address, ended.code) == (BLUE, Exit.NOT_STARTED)
    assert "lifecycle.not_started" in ended.last_words


async def test_without_a_spare_it_is_started(bench):
    """Whoever comes second starts cold."""
    bench.launcher.keep_spares(1)
    for name in ("g1-a", "g1-b"):
        bench.launcher.launch(BLUE._replace(instance=name), 1)

    codes = {(await bench.end()).code for _ in range(2)}

    assert codes == {Exit.NOT_STARTED}
    assert bench.launcher.spares.taken == 1


async def test_a_spare_that_cannot_be_started_stops_nothing(bench):
    """Instances start without; there is another try later."""
    (bench.folder / "logs" / LOG).mkdir()

    bench.launcher.keep_spares(1)
    bench.launcher.launch(BLUE, 1)
    ended = await bench.end()

    assert (ended.code, bench.launcher.spares.taken) == (Exit.NOT_STARTED, 0)


async def test_a_spare_that_was_taken_is_made_up_for_later(bench, monkeypatch):
    """Not at once: the instance needs the processor first."""
    bench.launcher.keep_spares(1)
    bench.launcher.launch(BLUE, 1)
    bench.launcher.keep_spares(1)
    at_once = len(bench.launcher.spares)

    monkeypatch.setattr(bench.launcher.spares, "_not_before_s", 0.0)
    bench.launcher.keep_spares(1)
    await bench.end()

    assert (at_once, len(bench.launcher.spares)) == (0, 1)


async def test_a_spare_that_ended_is_not_used(bench):
    """An instance is not made of what is dead; it is started."""
    bench.launcher.keep_spares(1)
    [spare] = bench.waiting()
    spare.send(9)
    await wait_gone([spare], 5)

    bench.launcher.launch(BLUE, 1)
    ended = await bench.end()

    assert ended.running.pid != spare.pid
    assert ended.code == Exit.NOT_STARTED


async def test_spares_end_with_who_keeps_them(bench):
    """Fewer are wanted, or the scaler leaves: what waits ends, and is nobody's to adopt."""
    bench.launcher.keep_spares(2)
    first, second = bench.waiting()

    bench.launcher.keep_spares(1)
    await wait_gone([second], 5)
    os.close(bench.launcher.spares._waiting[0].sock.detach())  # as when the scaler is killed
    left = await wait_gone([first], 5)

    assert left == []
    assert Ledger(bench.folder).read() == []
