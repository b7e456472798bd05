"""`mesh deployment get-logs`, from the stream of console lines."""

import asyncio
import json

import pytest

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.console import LogQuery
from mesh.management import Management
from mesh.subjects import WorkerAddress
from mesh.wire import LogBatch, LogLine
from tests.fake_management import FakeManagement

BLUE = ("deployment", "get-logs", "-e", "iris", "-n", "blue")


def line(at_s, text, container="inference-server"):
    return LogLine(at_s=at_s, stream="stdout", text=text, request_id="r1", container=container)


async def tell(bus, instance, *lines):
    """Publish lines as the worker does, and wait until they are stored."""
    address = WorkerAddress("iris", "blue", instance)
    batch = LogBatch(endpoint="iris", deployment="blue", instance=instance, lines=list(lines))
    await bus.request(subjects.log(address), wire.encode(batch))


@pytest.fixture
async def told(bus, mesh, folder):
    """A deployment of which two instances have printed three lines."""
    await mesh("endpoint", "create", "-n", "iris")
    await mesh("deployment", "create", "-f", "blue.yml")
    await tell(bus, "i1", line(1.0, "one"), line(3.0, "three"))
    await tell(bus, "i2", line(2.0, "two"), line(0.0, "fetched", "storage-initializer"))
    return bus


async def test_lines_come_in_the_order_of_time(mesh, told):
    """Lines of several instances are put in one order; time, instance and request id go first."""
    result = await mesh(*BLUE)

    assert result.stdout.splitlines() == [
        "1970-01-01T00:00:01.000Z i1 r1 one",
        "1970-01-01T00:00:02.000Z i2 r1 two",
        "1970-01-01T00:00:03.000Z i1 r1 three",
    ]


async def test_only_the_last_lines(mesh, told):
    """`-l 1` prints the newest line."""
    assert (await mesh(*BLUE, "-l", "1")).stdout.endswith("i1 r1 three\n")
    assert len((await mesh(*BLUE, "-l", "1")).stdout.splitlines()) == 1


async def test_silence_is_told(mesh, told):
    """An instance that printed nothing, or does not exist, is not answered with nothing at all."""
    result = await mesh(*BLUE, "--instance", "i9")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "instance i9 has printed nothing that is kept\n"


async def test_only_one_instance(mesh, told):
    """`--instance` leaves the others out."""
    result = await mesh(*BLUE, "--instance", "i2", "-o", "tsv")

    assert result.stdout == "1970-01-01T00:00:02.000Z\ti2\tstdout\tr1\ttwo\n"


async def test_the_other_container(mesh, told):
    """`--container storage-initializer` shows what fetched the folders."""
    result = await mesh(*BLUE, "--container", "storage-initializer", "-o", "json")

    assert json.loads(result.stdout)["text"] == "fetched"


async def test_logs_of_nothing_are_not_found(mesh):
    """A deployment that does not exist is told as such, not shown as silence."""
    assert (await mesh(*BLUE)).exit_code == 4


async def test_no_lines_is_no_error(mesh, folder):
    """A deployment that has printed nothing has empty logs."""
    await mesh("endpoint", "create", "-n", "iris")
    await mesh("deployment", "create", "-f", "blue.yml")

    result = await mesh(*BLUE)

    assert (result.exit_code, result.stdout) == (0, "")


async def test_follow_goes_on_with_new_lines(bus, told):
    """After the last lines come those printed from now on."""
    query = LogQuery(endpoint="iris", deployment="blue", lines=1, follow=True)
    lines = aiter(Management(bus).logs(query))
    first = await anext(lines)

    await tell(bus, "i1", line(4.0, "four"))
    second = await asyncio.wait_for(anext(lines), 5)
    await lines.aclose()

    assert (first.line.text, second.line.text) == ("three", "four")


@pytest.mark.timeout(30)
async def test_follow_survives_a_restart_of_the_broker(nats_server):
    """Nothing is missed and nothing repeated, though the broker forgot who was reading."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    service = await FakeManagement(bus).start()
    query = LogQuery(endpoint="iris", deployment="blue", follow=True)
    lines = aiter(Management(bus).logs(query))
    await tell(bus, "i1", line(1.0, "before"))
    first = await anext(lines)
    back = asyncio.Event()

    async def note() -> None:
        back.set()

    bus.on_reconnect(note)
    server.restart()
    await back.wait()
    await tell(bus, "i1", line(2.0, "after"))
    second = await anext(lines)
    await lines.aclose()
    await service.close()
    await bus.close()

    assert (first.line.text, second.line.text) == ("before", "after")
