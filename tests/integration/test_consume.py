"""From the queue to the runners and back, against a real server."""

import asyncio

import pytest

from mesh import subjects, wire
from mesh.bus import Bucket, Bus
from mesh.clock import BrokerClock
from mesh.records import DeploymentRecord
from mesh.settings import LARGEST_BODY_BYTES
from mesh.spec.deployment import DeploymentSpec, RequestSettings
from mesh.spec.options import MeshOptions, QueueOptions
from mesh.streams import consumer_info, ensure_queue, ensure_topology
from mesh.subjects import ATTEMPTS_BUCKET, WorkerAddress
from workers.attempts import Attempts
from workers.bodies import Bodies
from workers.consume import Consumer
from workers.exchange import Exit, Outcome
from workers.instance import Instance
from workers.outbox import Outbox

ADDRESS = WorkerAddress("iris", "blue", "i1")
STREAM = "WORK_iris_blue"
DEFAULTS = MeshOptions()


class Stage:
    """A consumer whose runners do what the test says, and a gateway's ear for the answers."""

    def __init__(self, bus: Bus, slots: int, options: MeshOptions = DEFAULTS):
        self.bus = bus
        self.slots = slots
        self.options = options
        self.is_ready = True
        self.given: list = []
        self.cancelled: list[int] = []
        self.answers: list = []
        self.dead: list = []
        self._told = asyncio.Event()

    def submit(self, request):
        """The consumer hands a request over."""
        self.given.append(request)
        self._told.set()

    def cancel(self, number):
        """The consumer gives a request up."""
        self.cancelled.append(number)
        self._told.set()

    async def set_up(self):
        """Build the real parts around."""
        settings = RequestSettings(max_concurrent_requests_per_instance=self.slots)
        spec = DeploymentSpec(
            name="blue", endpoint_name="iris", request_settings=settings, mesh=self.options
        )
        instance = Instance(self.bus, ADDRESS, DeploymentRecord(spec=spec, generation=3))
        attempts = Attempts(await Bucket.open(self.bus, ATTEMPTS_BUCKET), STREAM)
        bodies = Bodies(self.bus, LARGEST_BODY_BYTES)
        outbox = Outbox(self.bus, STREAM)
        self.consumer = Consumer(instance, outbox, attempts, BrokerClock(), bodies)
        self.consumer.attach(self)
        await self.bus.subscribe("mesh.reply.>", self._hear)
        await self.bus.subscribe("mesh.dead.>", self._bury)
        await self.consumer.intake.open()
        self._task = asyncio.create_task(self.consumer.run())

    async def tear_down(self):
        """Stop without draining."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _hear(self, message):
        if message.headers and wire.STATUS in message.headers:
            self.answers.append(message)
            self._told.set()

    async def _bury(self, message):
        self.dead.append(wire.decode(message.data, wire.DeadLetter))
        self._told.set()

    async def until(self, condition):
        """Wait until it holds, sweeping as the service does."""
        while not condition():
            self._told.clear()
            try:
                async with asyncio.timeout(0.05):
                    await self._told.wait()
            except TimeoutError:
                self.consumer.sweep(asyncio.get_running_loop().time())

    async def send(self, number: int, lane="interactive", **headers: str):
        """Publish a request as a gateway does."""
        fields = {
            wire.REQUEST_ID: f"id-{number}",
            wire.REPLY: f"mesh.reply.iris.blue.g1.{number}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        await self.bus.publish(subjects.work("iris", "blue", lane), b"%d" % number, headers=fields)

    def answer(self, index: int, body: bytes = b"ok", status: int = 200):
        """A runner answers the request it was given as number `index`."""
        request = self.given[index]
        self.consumer.on_result(Outcome(number=request.number, status=status, body=body))

    def crash(self, started=(), waiting=(), stopped=()):
        """A runner dies with these requests, or is stopped for some."""
        numbers = [request.number for request in self.given]
        self.consumer.on_exit(
            Exit(
                pid=1,
                cause="crashed",
                reason="SIGSEGV",
                started=frozenset(numbers[index] for index in started),
                waiting=frozenset(numbers[index] for index in waiting),
                stopped=frozenset(numbers[index] for index in stopped),
            )
        )

    async def until_left(self, expected: int):
        """Ask the broker until it holds so many messages: it takes acknowledgements in passing."""
        held = -1
        while held != expected:
            info = await consumer_info(self.bus, STREAM, "interactive")
            held = info["num_pending"] + info["num_ack_pending"]


@pytest.fixture
async def make_stage(nats_server):
    """Make stages on a server of the test's own."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 2.0)
    stages: list[Stage] = []

    async def make(slots: int = 2) -> Stage:
        stages.append(Stage(bus, slots))
        await stages[-1].set_up()
        return stages[-1]

    yield make
    for stage in stages:
        await stage.tear_down()
    await bus.close()


async def test_an_answer_reaches_the_gateway_and_the_message_is_gone(make_stage):
    """With its identity in the headers; acknowledged after."""
    stage = await make_stage()
    await stage.send(1)
    await stage.until(lambda: stage.given)
    stage.answer(0, b'{"y": 1}')
    await stage.until(lambda: stage.answers)

    message = stage.answers[0]
    assert message.data == b'{"y": 1}'
    assert message.headers[wire.STATUS] == "200"
    assert (message.headers[wire.INSTANCE], message.headers[wire.GENERATION]) == ("i1", "3")
    await stage.until_left(0)


async def test_no_more_is_handed_over_than_there_are_slots(make_stage):
    """The rest waits in the instance or in the queue."""
    stage = await make_stage(slots=2)
    for number in range(5):
        await stage.send(number)
    await stage.until(lambda: len(stage.given) == 2)
    stage.answer(0)
    await stage.until(lambda: len(stage.given) == 3)

    assert stage.consumer.desk.load.busy == 2


async def test_a_request_past_its_deadline_is_never_run(make_stage):
    """It is acknowledged and dropped: nobody waits for it."""
    stage = await make_stage(slots=1)
    await stage.send(1)
    await stage.until(lambda: stage.given)
    await stage.send(2, Mesh_Timeout_Ms="1")
    await stage.until(lambda: stage.consumer.tally.outcomes.get("expired"))
    stage.answer(0)
    await stage.until(lambda: stage.answers)

    assert len(stage.given) == 1
    await stage.until_left(0)


async def test_what_is_held_is_not_redelivered(make_stage):
    """The broker hears in time that a slow request is in hand (ack wait 0.5 s)."""
    stage = await make_stage()
    await stage.send(1)
    await stage.until(lambda: stage.given)
    started_s = asyncio.get_running_loop().time()
    await stage.until(lambda: asyncio.get_running_loop().time() - started_s > 1.2)

    assert len(stage.given) == 1
    info = await consumer_info(stage.bus, STREAM, "interactive")
    assert info["num_redelivered"] == 0


async def test_a_request_whose_runner_dies_each_time_is_poison(make_stage):
    """Three starts, the last one alone; then dead-lettered, answered, acknowledged."""
    stage = await make_stage()
    await stage.send(7)
    for start in range(3):
        await stage.until(lambda start=start: len(stage.given) == start + 1)
        stage.crash(started=[start])
    await stage.until(lambda: stage.answers)

    assert stage.answers[0].headers[wire.ERROR] == "poison"
    assert [(one.request_id, one.attempts, one.body) for one in stage.dead] == [("id-7", 3, b"7")]
    await stage.until_left(0)


async def test_what_was_only_handed_back_runs_beside_others(make_stage):
    """A redelivery is no suspicion, an attempt on record is: many do not wait in a row."""
    first = await make_stage(slots=2)
    await first.send(1)
    await first.send(2)
    await first.until(lambda: len(first.given) == 2)
    assert await first.consumer.drain(0.0) == 2

    second = await make_stage(slots=2)
    await second.until(lambda: len(second.given) == 2)
    assert second.consumer.tally.redelivered == 2


async def test_a_neighbour_of_a_crash_is_not_counted(make_stage):
    """What had not begun runs again in its place; the one that had runs again, apart."""
    stage = await make_stage(slots=2)
    await stage.send(1)
    await stage.send(2)
    await stage.until(lambda: len(stage.given) == 2)
    stage.crash(started=[0], waiting=[1])
    await stage.until(lambda: len(stage.given) == 3)

    assert stage.given[2].body == b"2"
    stage.answer(2)
    await stage.until(lambda: len(stage.given) == 4)
    assert stage.given[3].body == b"1"
    stage.answer(3)
    await stage.until(lambda: len(stage.answers) == 2)
    attempts = {one.data: one.headers.get(wire.ATTEMPT) for one in stage.answers}
    assert stage.dead == []
    assert len(attempts) == 1
    assert sorted(one.headers.get(wire.ATTEMPT, "1") for one in stage.answers) == ["1", "2"]


async def test_what_a_runner_was_stopped_for_is_over(make_stage):
    """It is not tried again, and counts no attempt; its neighbour runs in its place."""
    stage = await make_stage(slots=2)
    await stage.send(1)
    await stage.send(2)
    await stage.until(lambda: len(stage.given) == 2)
    stage.crash(stopped=[0], waiting=[1])
    await stage.until(lambda: len(stage.given) == 3)
    stage.answer(2)
    await stage.until(lambda: stage.answers)

    assert stage.given[2].body == b"2"
    assert wire.ATTEMPT not in stage.answers[0].headers
    assert stage.consumer.tally.outcomes["expired"] == 1
    await stage.until_left(0)


async def test_without_runners_what_waits_goes_back_to_the_queue(make_stage):
    """After a moment's patience, so that other instances can have it."""
    stage = await make_stage(slots=1)
    await stage.send(1)
    await stage.until(lambda: stage.given)
    stage.is_ready = False
    stage.crash(waiting=[0])
    await stage.until(lambda: stage.consumer.tally.outcomes.get("handed_back"))

    await stage.until_left(1)
    stage.is_ready = True
    await stage.until(lambda: len(stage.given) == 2)


async def test_garbage_is_dead_lettered_after_one_delivery(make_stage):
    """Undecodable input is a dead letter, never silence and never a loop."""
    stage = await make_stage()
    await stage.send(1, Mesh_Timeout_Ms="soon")
    await stage.until(lambda: stage.dead)
    await stage.until(lambda: stage.consumer.tally.outcomes.get("dead"))

    assert "'soon'" in stage.dead[0].reason
    assert stage.given == []
    await stage.until_left(0)


async def test_a_cancelled_request_is_not_answered(make_stage):
    """Running: its runner is told; waiting: it is dropped."""
    stage = await make_stage(slots=1)
    await stage.send(1)
    await stage.send(2)
    await stage.until(lambda: stage.given and len(stage.consumer.desk) == 2)
    stage.consumer.cancel("id-2")
    stage.consumer.cancel("id-1")
    stage.answer(0)
    await stage.send(3)
    await stage.until(lambda: len(stage.given) == 2)
    stage.answer(1)
    await stage.until(lambda: stage.answers)

    assert stage.cancelled == [stage.given[0].number]
    assert [one.subject[-1] for one in stage.answers] == ["3"]
    await stage.until_left(0)


async def test_a_cancellation_may_overtake_its_request(make_stage):
    """It is dropped when it comes; another one is run."""
    stage = await make_stage(slots=1)
    stage.consumer.cancel("id-1")

    await stage.send(1)
    await stage.send(2)
    await stage.until(lambda: stage.given)
    stage.answer(0)
    await stage.until(lambda: stage.answers)

    assert [one.subject[-1] for one in stage.answers] == ["2"]
    await stage.until_left(0)


async def test_drain_runs_what_arrived_and_leaves_the_rest(make_stage):
    """Nothing is orphaned: what is not here waits in the queue for others."""
    stage = await make_stage(slots=2)
    for number in range(20):
        await stage.send(number)
    await stage.until(lambda: len(stage.given) == 2)
    draining = asyncio.create_task(stage.consumer.drain(5.0))
    answered: list[int] = []
    while not draining.done():
        await stage.until(lambda: draining.done() or len(stage.given) > len(answered))
        while len(answered) < len(stage.given):
            stage.answer(len(answered))
            answered.append(1)

    assert await draining == 0
    await stage.until_left(20 - len(answered))


async def test_a_drain_that_takes_too_long_hands_the_rest_back(make_stage):
    """Cut off, and said so; the requests run elsewhere."""
    stage = await make_stage(slots=1)
    await stage.send(1)
    await stage.until(lambda: stage.given)

    assert await stage.consumer.drain(0.05) == 1
    await stage.until_left(1)


async def test_a_shadows_answer_goes_to_the_comparison_stream(make_stage):
    """Never to a caller."""
    stage = await make_stage()
    shadows = []

    async def note(message):
        shadows.append(wire.decode(message.data, wire.ShadowAnswer))

    await stage.bus.subscribe("mesh.shadow.>", note)
    await stage.send(1, lane="shadow", Mesh_Shadow_Of="id-0")
    await stage.until(lambda: stage.given)
    stage.answer(0, status=500)
    await stage.until(lambda: shadows)

    assert stage.answers == []
    assert (shadows[0].shadow_of, shadows[0].status, shadows[0].outcome) == ("id-0", 500, "failed")


async def test_shadows_fill_the_slots_without_waiting_for_a_sweep(make_stage):
    """The next copy is asked for when one has come: slots do not idle until the clock looks."""
    stage = await make_stage(slots=4)
    for number in range(8):
        await stage.send(number, lane="shadow", Mesh_Shadow_Of=f"of-{number}")

    stage.consumer.desk.load.interactive_at_s = asyncio.get_running_loop().time() + 60
    await stage.until(lambda: len(stage.given) > 1)  # with the second it is known that more wait
    async with asyncio.timeout(2):
        while len(stage.given) < 4:
            stage._told.clear()
            await stage._told.wait()

    assert len(stage.given) == 4


async def test_answers_given_while_the_broker_is_away_arrive_after(nats_server):
    """Nothing that somebody may still wait for is dropped."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 5.0)
    stage = Stage(bus, 2)
    await stage.set_up()
    await stage.send(1)
    await stage.until(lambda: stage.given)
    away = asyncio.Event()
    bus.on_away(away.set)
    server.kill()
    await away.wait()
    stage.answer(0, b"late")
    server.start()
    await stage.until(lambda: stage.answers)

    assert stage.answers[0].data == b"late"
    await stage.until_left(0)
    await stage.tear_down()
    await bus.close()


async def test_on_probation_requests_come_one_by_one(make_stage):
    """Each is asked for when the one before has ended; afterwards all slots are filled."""
    stage = await make_stage(slots=4)
    stage.consumer.limit(1, is_on_probation=True)
    for number in range(6):
        await stage.send(number)
    await stage.until(lambda: len(stage.given) == 1)
    stage.answer(0)
    await stage.until(lambda: len(stage.given) == 2)
    held = len(stage.consumer.desk)

    stage.consumer.limit(4, is_on_probation=False)
    await stage.until(lambda: len(stage.given) == 5)

    assert held == 1


async def test_a_halted_instance_begins_nothing_and_keeps_nothing(make_stage):
    """Whatever comes yet goes back to the queue, until it goes on."""
    stage = await make_stage(slots=1)
    await stage.send(1)
    await stage.until(lambda: stage.given)
    await stage.send(2)
    await stage.until(lambda: len(stage.consumer.desk) == 2)

    stage.consumer.halt()
    stage.consumer.limit(4, is_on_probation=False)
    stage.answer(0)
    await stage.consumer.stop_pulling()
    await stage.until_left(1)
    begun, held = len(stage.given), len(stage.consumer.desk)
    stage.consumer.release()
    await stage.consumer.intake.open()
    await stage.until(lambda: len(stage.given) == 2)

    assert (begun, held) == (1, 0)
    assert stage.consumer.tally.outcomes["handed_back"] == 1
