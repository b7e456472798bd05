"""What a producer's user may and may not do, against a real server configured as `mesh up` does."""

import asyncio
import contextlib
import json

import pytest

from mesh import streams, subjects
from mesh.access import sign_in
from mesh.embedded.broker import new_users
from mesh.embedded.folder import StateFolder
from mesh.embedded.permissions import authorization
from mesh.embedded.producers import add_producer, read_producers, remove_producer
from mesh.errors import ConflictError, NotFoundError, SpecError
from tests.broker import NatsServer
from tests.integration.test_permissions import connected, listening, passes

MARKER = subjects.invoke("iris")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A server that knows the roles and two producers: of an endpoint, and of one deployment."""
    folder = StateFolder(tmp_path_factory.mktemp("state"))
    producer = add_producer(folder, ["iris"], "flowers")
    direct = add_producer(folder, [], "direct", ["iris/blue"])
    users = new_users()
    config = json.dumps({"authorization": authorization(users, read_producers(folder))})
    server = NatsServer(tmp_path_factory.mktemp("nats"), config=config).start()

    async def set_up():
        admin = await connected(server, users, "admin")
        await streams.ensure_topology(admin)
        await admin.close()

    asyncio.run(set_up())
    yield server, users, producer, direct
    server.stop()


@pytest.fixture
async def both(broker):
    """The producer's connection, and the admin's."""
    server, users, producer, _ = broker
    async with contextlib.AsyncExitStack() as stack:
        yield await signed_in(stack, server, producer), await admin_of(stack, server, users)


@pytest.fixture
async def direct(broker):
    """The connection of the producer of a deployment alone, and the admin's."""
    server, users, _, producer = broker
    async with contextlib.AsyncExitStack() as stack:
        yield await signed_in(stack, server, producer), await admin_of(stack, server, users)


async def signed_in(stack, server, producer):
    access = producer.access(server.url)
    bus = await sign_in(access, "producer")
    stack.push_async_callback(bus.close)
    return bus


async def admin_of(stack, server, users):
    admin = await connected(server, users, "admin")
    stack.push_async_callback(admin.close)
    return admin


@pytest.mark.parametrize(
    "subject",
    [
        subjects.enqueue("iris"),
        subjects.withdraw("iris"),
        subjects.abandon("iris"),
        "$JS.API.DIRECT.GET.RESULTS.mesh.result.iris.r1",
        "$JS.API.DIRECT.GET.JOBS.mesh.job.iris.r1",
        "$JS.API.DIRECT.GET.JOBS.mesh.job.iris.r1.run",
    ],
)
async def test_a_producer_may_publish(both, subject):
    """To its endpoints, and the questions for their results."""
    producer, admin = both

    assert await passes(producer, admin, subject, MARKER)


@pytest.mark.parametrize(
    "subject",
    [
        subjects.invoke("other"),
        subjects.enqueue("other"),
        subjects.withdraw("other"),
        subjects.abandon("other"),
        subjects.work("iris", "blue", "interactive"),
        subjects.work("iris", "blue", "queued"),
        subjects.result("iris", "r1"),
        subjects.job("iris", "r1"),
        "mesh.reply.iris.blue.g1.7",
        "mesh.api.endpoint.delete",
        "$JS.API.DIRECT.GET.RESULTS.mesh.result.other.r1",
        "$JS.API.DIRECT.GET.RESULTS",
        "$JS.API.DIRECT.GET.JOBS.mesh.job.other.r1",
        "$JS.API.STREAM.MSG.GET.RESULTS",
        "$JS.API.STREAM.INFO.INGRESS",
        "$JS.API.CONSUMER.CREATE.RESULTS.x.mesh.result.iris.>",
        "$JS.API.CONSUMER.MSG.NEXT.INGRESS.gateways",
        "$KV.mesh-config.endpoint.iris",
        "_INBOX_gateway.x",
    ],
)
async def test_a_producer_may_not_publish(both, subject):
    """Anything else is refused, and the connection lives on."""
    producer, admin = both

    assert not await passes(producer, admin, subject, MARKER)
    assert producer.is_connected


@pytest.mark.parametrize(
    ("subject", "may"),
    [
        (subjects.result("iris", "r1"), True),
        ("_INBOX_producer.flowers.x", True),
        (subjects.result("other", "r1"), False),
        ("_INBOX_producer.others.x", False),
        ("_INBOX_admin.x", False),
        (subjects.invoke("iris"), False),
        (subjects.enqueue("iris"), False),
        ("mesh.reply.iris.blue.g1.7", False),
        ("mesh.log.iris.blue.i1", False),
    ],
)
async def test_a_producer_hears_its_own_alone(both, subject, may):
    """The results of its endpoints and its own answers."""
    producer, admin = both
    marker = "_INBOX_producer.flowers.marker"

    async with listening(producer, subject) as told, listening(producer, marker) as ended:
        await admin.publish(subject, b"{}")
        await admin.publish(marker)
        await ended.get()
        assert told.empty() is not may


@pytest.mark.parametrize(
    "subject",
    [
        subjects.work("iris", "blue", "queued"),
        subjects.work("iris", "blue", "background"),
        subjects.withdraw("iris"),
        "$JS.API.DIRECT.GET.RESULTS.mesh.result.iris.r1",
        "$JS.API.DIRECT.GET.JOBS.mesh.job.iris.r1",
    ],
)
async def test_a_producer_of_a_deployment_may_publish(direct, subject):
    """To its lanes whose results are kept, and what it takes to read and cancel."""
    producer, admin = direct
    marker = subjects.work("iris", "blue", "queued")

    assert await passes(producer, admin, subject, marker)


@pytest.mark.parametrize(
    "subject",
    [
        subjects.work("iris", "blue", "interactive"),
        subjects.work("iris", "blue", "shadow"),
        subjects.work("iris", "green", "queued"),
        subjects.work("other", "blue", "queued"),
        subjects.invoke("iris"),
        subjects.enqueue("iris"),
        subjects.abandon("iris"),
    ],
)
async def test_a_producer_of_a_deployment_may_not_publish(direct, subject):
    """To another deployment, nor where the split decides, nor where gateways are answered."""
    producer, admin = direct

    assert not await passes(producer, admin, subject, subjects.work("iris", "blue", "queued"))


async def test_a_producer_reads_results_of_its_endpoint(both):
    """What is stored there, and that there is nothing."""
    producer, admin = both
    await streams.store(admin, subjects.result("iris", "kept"), b"done")

    found = await streams.last_message(
        producer, subjects.RESULTS_STREAM, subjects.result("iris", "kept")
    )

    assert found.data == b"done"
    nothing = subjects.result("iris", "nothing")
    assert await streams.last_message(producer, subjects.RESULTS_STREAM, nothing) is None


def test_producers_are_kept_for_the_owner_alone(tmp_path):
    """In a file of the state folder; each name once."""
    folder = StateFolder(tmp_path)

    first = add_producer(folder, ["iris", "iris", "wine"], "one-user")
    second = add_producer(folder, ["iris"])

    assert read_producers(folder) == [first, second]
    assert first.endpoints == ["iris", "wine"]
    assert (tmp_path / "producers.json").stat().st_mode & 0o777 == 0o600
    assert remove_producer(folder, "one-user") == first
    assert read_producers(folder) == [second]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("gateway", ConflictError, id="a role"),
        pytest.param("taken", ConflictError, id="taken"),
        pytest.param("a.b", SpecError, id="no name"),
    ],
)
def test_names_that_cannot_be_had_are_refused(tmp_path, name, error):
    """A producer is nobody else."""
    folder = StateFolder(tmp_path)
    add_producer(folder, ["iris"], "taken")

    with pytest.raises(error):
        add_producer(folder, ["iris"], name)


def test_nobody_cannot_be_removed(tmp_path):
    """The name is said."""
    with pytest.raises(NotFoundError, match="nobody"):
        remove_producer(StateFolder(tmp_path), "nobody")
