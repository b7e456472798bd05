"""What each role may and may not do, against a real server with the users `mesh up` gives it."""

import asyncio
import contextlib
import json

import pytest

from mesh import streams, subjects
from mesh.bus import Bucket, Bus, ObjectBucket
from mesh.embedded.broker import new_users
from mesh.embedded.permissions import authorization
from mesh.errors import BusError
from mesh.settings import ROLES, inbox_prefix
from mesh.spec.options import QueueOptions
from mesh.store import ConfigView
from mesh.subjects import WorkerAddress
from scaler.requeue import requeue
from tests.broker import NatsServer

STREAM = subjects.work_stream("iris", "blue")
WORK = subjects.work("iris", "blue", "interactive")
REPLY = "mesh.reply.iris.blue.g1.7"
PULL = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.interactive"
RESERVATION = subjects.reservation("iris", "0" * 64)
CONFIG = "$KV.mesh-config.endpoint.iris"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A server that knows the roles and has the mesh's buckets, streams and one work queue."""
    users = new_users()
    config = json.dumps({"authorization": authorization(users)})
    server = NatsServer(tmp_path_factory.mktemp("nats"), config=config).start()

    async def set_up():
        admin = await connected(server, users, "admin")
        await streams.ensure_topology(admin)
        await streams.ensure_queue(admin, "iris", "blue", QueueOptions(), 5.0)
        await admin.close()

    asyncio.run(set_up())
    yield server, users
    server.stop()


async def connected(server, users, role, inbox=None):
    """A connection as a role."""
    return await Bus.connect(
        server.url,
        name=role,
        user=users[role].user,
        password=users[role].password,
        inbox_prefix=inbox or inbox_prefix(role),
    )


@pytest.fixture
async def connect(broker):
    """Connect as a role."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(role, inbox=None):
            bus = await connected(*broker, role, inbox)
            stack.push_async_callback(bus.close)
            return bus

        yield connect


@contextlib.asynccontextmanager
async def listening(bus, subject):
    """Collect the subjects of what `bus` hears."""
    heard = asyncio.Queue()

    async def take(message):
        await heard.put(message.subject)

    subscription = await bus.subscribe(subject, take)
    await bus.flush()
    yield heard
    await subscription.unsubscribe()


async def passes(sender, hearer, subject, marker):
    """Whether a message gets from one to the other; `marker` is known to, and comes after it."""
    heard = []
    async with listening(hearer, ">") as queue:
        await sender.publish(subject, b"{}")
        await sender.publish(marker)
        while not heard or heard[-1] != marker:
            heard.append(await queue.get())
    return subject in heard


MARKERS = {
    "gateway": "mesh.heartbeat.gateway.g1",
    "worker": "mesh.heartbeat.worker.iris.blue.i1",
    "scaler": "mesh.depth.iris.blue",
}

MAY_PUBLISH = [
    ("gateway", WORK),
    ("gateway", subjects.cancel("iris", "blue")),
    ("worker", subjects.job_run("iris", "r1")),
    ("scaler", subjects.cancel("iris", "blue")),
    ("gateway", subjects.traffic("iris")),
    ("gateway", subjects.demand("iris", "blue")),
    ("gateway", f"$JS.API.STREAM.MSG.DELETE.{STREAM}"),
    ("gateway", f"$JS.API.STREAM.MSG.GET.{STREAM}"),
    ("gateway", "$JS.API.CONSUMER.MSG.NEXT.INGRESS.gateways"),
    ("gateway", "$JS.ACK.INGRESS.gateways.1.2.3.4.5"),
    ("gateway", subjects.result("iris", "r1")),
    ("gateway", subjects.job("iris", "r1")),
    ("gateway", "$JS.API.DIRECT.GET.RESULTS.mesh.result.iris.r1"),
    ("gateway", RESERVATION),
    ("gateway", f"$JS.API.DIRECT.GET.KV_mesh-idempotency.{RESERVATION}"),
    ("worker", REPLY),
    ("worker", subjects.result("iris", "r1")),
    ("worker", "mesh.log.iris.blue.i1"),
    ("worker", subjects.event("iris", "blue")),
    ("worker", subjects.shadow("iris", "blue")),
    ("worker", subjects.dead("iris", "blue")),
    ("worker", PULL),
    ("worker", f"$JS.API.CONSUMER.INFO.{STREAM}.interactive"),
    ("worker", f"$JS.ACK.{STREAM}.interactive.1.2.3.4.5"),
    ("worker", "$KV.mesh-attempts.WORK_iris_blue.7"),
    ("worker", "$KV.mesh-samples.iris.blue"),
    ("scaler", subjects.event("iris")),
    ("scaler", subjects.scale("iris", "blue")),
    ("scaler", subjects.load("iris", "blue")),
    ("scaler", subjects.drain(WorkerAddress("iris", "blue", "i1"))),
    ("scaler", subjects.enqueue("iris")),
    ("scaler", subjects.job("iris", "r1")),
    ("scaler", "$JS.API.STREAM.DELETE.WORK_iris_gone"),
    ("scaler", "$KV.mesh-keys.iris"),
    ("scaler", CONFIG),
]

MAY_NOT_PUBLISH = [
    ("gateway", REPLY),
    ("gateway", CONFIG),
    ("gateway", "$KV.mesh-keys.iris"),
    ("gateway", "$JS.API.DIRECT.GET.KV_mesh-keys.$KV.mesh-keys.iris"),
    ("gateway", "$JS.API.STREAM.MSG.GET.KV_mesh-keys"),
    ("gateway", "$JS.API.CONSUMER.CREATE.KV_mesh-keys.x.$KV.mesh-keys.>"),
    ("gateway", "$JS.API.STREAM.MSG.DELETE.KV_mesh-config"),
    ("gateway", "$JS.API.STREAM.MSG.DELETE.DEAD"),
    ("gateway", f"$JS.API.STREAM.DELETE.{STREAM}"),
    ("gateway", f"$JS.API.STREAM.PURGE.{STREAM}"),
    ("gateway", "$JS.API.STREAM.CREATE.X"),
    ("gateway", PULL),
    ("gateway", f"$JS.API.CONSUMER.CREATE.{STREAM}"),
    ("gateway", "mesh.api.endpoint.delete"),
    ("gateway", "_INBOX.x"),
    ("gateway", subjects.event("iris")),
    ("gateway", "$JS.API.CONSUMER.MSG.NEXT.INGRESS.other"),
    ("gateway", "$JS.API.STREAM.MSG.DELETE.RESULTS"),
    ("gateway", "$JS.ACK.WORK_iris_blue.queued.1.2.3.4.5"),
    ("gateway", subjects.depth("iris", "blue")),
    ("gateway", subjects.scale("iris", "blue")),
    ("gateway", subjects.load("iris", "blue")),
    ("gateway", "mesh.heartbeat.worker.iris.blue.i1"),
    ("gateway", subjects.drain(WorkerAddress("iris", "blue", "i1"))),
    ("gateway", "$O.mesh-artifacts.C.x"),
    ("worker", WORK),
    ("worker", RESERVATION),
    ("worker", CONFIG),
    ("worker", "$KV.mesh-state.deployment.iris.blue"),
    ("worker", "$KV.mesh-keys.iris"),
    ("worker", "$JS.API.STREAM.MSG.GET.KV_mesh-keys"),
    ("worker", "$JS.API.DIRECT.GET.KV_mesh-keys.$KV.mesh-keys.iris"),
    ("worker", subjects.job("iris", "r1")),
    ("worker", subjects.enqueue("iris")),
    ("worker", "$JS.API.CONSUMER.MSG.NEXT.INGRESS.gateways"),
    ("worker", "$JS.ACK.INGRESS.gateways.1.2.3.4.5"),
    ("worker", "$JS.API.DIRECT.GET.RESULTS.mesh.result.iris.r1"),
    ("worker", "$JS.API.CONSUMER.MSG.NEXT.LOGS.x"),
    ("worker", "$JS.ACK.DEAD.x.1.2.3.4.5"),
    ("worker", f"$JS.API.STREAM.MSG.DELETE.{STREAM}"),
    ("worker", f"$JS.API.CONSUMER.DELETE.{STREAM}.interactive"),
    ("worker", "$O.mesh-artifacts.C.x"),
    ("worker", "mesh.api.endpoint.delete"),
    ("worker", subjects.depth("iris", "blue")),
    ("worker", subjects.scale("iris", "blue")),
    ("worker", subjects.load("iris", "blue")),
    ("worker", subjects.cancel("iris", "blue")),
    ("worker", subjects.demand("iris", "blue")),
    ("worker", subjects.drain(WorkerAddress("iris", "blue", "i2"))),
    ("worker", "mesh.heartbeat.gateway.g1"),
    ("scaler", WORK),
    ("scaler", REPLY),
    ("scaler", "mesh.heartbeat.worker.iris.blue.i1"),
    ("scaler", "mesh.log.iris.blue.i1"),
]

MAY_HEAR = [
    ("worker", subjects.depth("iris", "blue")),
    ("worker", subjects.drain(WorkerAddress("iris", "blue", "i1"))),
    ("scaler", subjects.demand("iris", "blue")),
    ("gateway", REPLY),
    ("gateway", subjects.depth("iris", "blue")),
    ("gateway", subjects.invoke("iris")),
    ("gateway", subjects.result("iris", "r1")),
    ("gateway", subjects.job("iris", "r1")),
    ("gateway", RESERVATION),
    ("worker", subjects.cancel("iris", "blue")),
    ("worker", subjects.depth("iris", "blue")),
    ("scaler", "mesh.api.endpoint.create"),
    ("scaler", "mesh.heartbeat.worker.iris.blue.i1"),
    ("scaler", "mesh.heartbeat.gateway.g1"),
]

MAY_NOT_HEAR = [
    ("gateway", WORK),
    ("gateway", "mesh.api.endpoint.create"),
    ("gateway", "$KV.mesh-keys.iris"),
    ("gateway", "mesh.log.iris.blue.i1"),
    ("gateway", "_INBOX_admin.x"),
    ("gateway", "_INBOX_scaler.x"),
    ("worker", subjects.invoke("iris")),
    ("worker", subjects.result("iris", "r1")),
    ("worker", RESERVATION),
    ("worker", WORK),
    ("worker", REPLY),
    ("worker", "mesh.api.endpoint.create"),
    ("worker", "$KV.mesh-keys.iris"),
    ("worker", "_INBOX_gateway.x"),
    ("worker", "_INBOX_admin.x"),
    ("scaler", REPLY),
    ("scaler", WORK),
    ("scaler", subjects.event("iris", "blue")),
    ("scaler", "_INBOX_admin.x"),
]


@pytest.mark.parametrize(("role", "subject"), MAY_PUBLISH)
async def test_a_role_may_publish(connect, role, subject):
    """What its work takes gets through."""
    sender, hearer = await connect(role), await connect("admin")

    assert await passes(sender, hearer, subject, MARKERS[role])


@pytest.mark.parametrize(("role", "subject"), MAY_NOT_PUBLISH)
async def test_a_role_may_not_publish(connect, role, subject):
    """Another's words are refused by the server, and the connection lives on."""
    sender, hearer = await connect(role), await connect("admin")

    assert not await passes(sender, hearer, subject, MARKERS[role])
    assert sender.is_connected


async def hears(connect, role, subject):
    """Whether `role` hears what the admin publishes on `subject`."""
    admin, hearer = await connect("admin"), await connect(role)
    marker = f"{inbox_prefix(role)}.marker"
    async with listening(hearer, subject) as told, listening(hearer, marker) as ended:
        await admin.publish(subject, b"{}")
        await admin.publish(marker)
        await ended.get()
        return not told.empty()


@pytest.mark.parametrize(("role", "subject"), MAY_HEAR)
async def test_a_role_may_hear(connect, role, subject):
    """What it is told reaches it."""
    assert await hears(connect, role, subject)


@pytest.mark.parametrize(("role", "subject"), MAY_NOT_HEAR)
async def test_a_role_may_not_hear(connect, role, subject):
    """What is meant for others does not, their answers included."""
    assert not await hears(connect, role, subject)


@pytest.mark.parametrize("role", ["gateway", "worker", "scaler"])
async def test_config_can_be_followed(connect, role):
    """Everybody sees the desired state, and every change of it."""
    bucket = await Bucket.open(await connect("admin"), subjects.CONFIG_BUCKET)
    await bucket.put("endpoint.iris", b"1")
    view = ConfigView(await connect(role), subjects.CONFIG_BUCKET)
    changed = asyncio.Event()
    view.on_change(lambda key, value: changed.set() if value == b"2" else None)

    await view.start()
    await bucket.put("endpoint.iris", b"2")

    await changed.wait()
    await view.close()


async def test_the_keys_are_closed_to_gateways_and_workers(connect):
    """They cannot even open the bucket."""
    for role in ("gateway", "worker"):
        bus = await connect(role)

        with pytest.raises(BusError):
            await bus.api("STREAM.INFO.KV_mesh-keys", timeout_s=0.2)


async def test_a_request_is_queued_pulled_answered_and_acknowledged(connect):
    """The life of a request, each step by the role whose step it is."""
    gateway, worker = await connect("gateway"), await connect("worker")
    await streams.ensure_queue(await connect("admin"), "iris", "life", QueueOptions(), 5.0)
    work, reply = asyncio.Queue(), "mesh.reply.iris.life.g1.7"
    pull = "$JS.API.CONSUMER.MSG.NEXT.WORK_iris_life.interactive"
    async with listening(gateway, subjects.reply_wildcard("g1")) as replies:
        await worker.subscribe(inbox := worker.new_inbox(), work.put)
        await gateway.publish(subjects.work("iris", "life", "interactive"), b"body", reply=reply)
        assert await replies.get() == reply  # the broker's acknowledgement of the publish

        await worker.publish(pull, b'{"batch": 1}', reply=inbox)
        message = await work.get()
        await worker.publish(reply, b"answer")
        await worker.publish(message.reply, b"+ACK")

        assert await replies.get() == reply
    await worker.flush()
    info = await streams.consumer_info(worker, "WORK_iris_life", "interactive")
    assert info["num_ack_pending"] == 0
    assert info["delivered"]["consumer_seq"] == 1


async def test_a_gateway_withdraws_a_request(connect):
    """It deletes by sequence and asks whether a message is still there, in work queues only."""
    gateway = await connect("gateway")
    stored = json.loads((await gateway.request(WORK, b"body")).data)

    assert await streams.has_message(gateway, STREAM, stored["seq"])
    assert await streams.delete_message(gateway, STREAM, stored["seq"])
    assert not await streams.has_message(gateway, STREAM, stored["seq"])


async def test_a_worker_fetches_artifacts_and_counts_attempts(connect, tmp_path):
    """It reads the artifact store, and reads and writes attempts."""
    worker = await connect("worker")
    (tmp_path / "a").write_bytes(b"model" * 100_000)
    store = await ObjectBucket.open(await connect("admin"), subjects.ARTIFACTS_BUCKET)
    await store.put("digest", tmp_path / "a")

    fetched = await ObjectBucket.open(worker, subjects.ARTIFACTS_BUCKET)
    await fetched.get("digest", tmp_path / "b")
    attempts = await Bucket.open(worker, subjects.ATTEMPTS_BUCKET)
    await attempts.put("WORK_iris_blue.7", b"2")

    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert (await attempts.get("WORK_iris_blue.7")).value == b"2"


async def test_the_scaler_answers_calls_from_any_inbox(connect):
    """The admin's tools have inboxes of their own, the nats tool among them."""
    scaler = await connect("scaler")

    async def answer(message):
        await scaler.publish(message.reply, b"done")

    await scaler.subscribe("mesh.api.>", answer)
    await scaler.flush()
    for admin in (await connect("admin"), await connect("admin", inbox="_INBOX")):
        assert (await admin.request("mesh.api.status")).data == b"done"


async def test_a_gateway_answers_invocations_on_any_inbox(connect):
    """Producers have inboxes of their own; only who has asked is answered."""
    gateway = await connect("gateway")

    async def answer(message):
        await gateway.publish(message.reply, b"answer")

    await gateway.subscribe(subjects.INVOKES, answer, queue="gateways")
    await gateway.flush()
    for producer in (await connect("admin"), await connect("admin", inbox="_INBOX")):
        assert (await producer.request(subjects.invoke("iris"))).data == b"answer"


async def test_the_scaler_moves_what_a_deleted_deployment_leaves(connect):
    """It takes requests out of the queue and enqueues them anew."""
    scaler, admin = await connect("scaler"), await connect("admin")
    await streams.ensure_queue(admin, "iris", "gone", QueueOptions(), 5.0)
    headers = {"Mesh-Request-Id": "r1", "Mesh-Timeout-Ms": "60000"}
    await streams.store(admin, subjects.work("iris", "gone", "queued"), b"{}", headers)

    assert await requeue(scaler, "iris", "gone") == 1

    info = await streams.stream_info(admin, subjects.work_stream("iris", "gone"))
    assert info["state"]["messages"] == 0


async def test_the_scaler_makes_and_removes_queues(connect):
    """Streams and consumers are its to create, look at and delete."""
    scaler = await connect("scaler")

    await streams.ensure_queue(scaler, "iris", "green", QueueOptions(), 5.0)
    before = await streams.stream_info(scaler, "WORK_iris_green")
    await streams.delete_stream(scaler, "WORK_iris_green")

    assert before is not None
    assert await streams.stream_info(scaler, "WORK_iris_green") is None


def test_every_role_has_its_own_password():
    """They are long, random and all different."""
    passwords = {new_users()[role].password for role in ROLES for _ in range(2)}

    assert len(passwords) == 2 * len(ROLES)
    assert min(map(len, passwords)) >= 32


async def test_strangers_are_refused(broker):
    """Nobody gets in without a password."""
    server, _ = broker

    with pytest.raises(BusError):
        await Bus.connect(server.url, name="stranger", timeout_s=2)
