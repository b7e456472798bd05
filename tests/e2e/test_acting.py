"""How fast instances come when they are asked for, and instances of other hosts; all real."""

import asyncio
import contextlib
import subprocess
import time

import httpx
import pytest

from mesh import subjects, wire
from mesh.access import sign_in
from mesh.connect import broker_access
from mesh.embedded.folder import BrokerRecord
from mesh.management import Management
from mesh.wire import Event
from tests.e2e.person import ANSWER, COMMAND
from tests.e2e.person import SCRIPT as ECHO
from tests.e2e.test_scaling import SCALE, SCRIPT, ask_until, instances

pytestmark = pytest.mark.timeout(120)
ANSWERED_S = 1.5
STARTED_S = 2.0
QUICK = SCRIPT.replace("time.sleep(0.2)", "pass")


async def waken(person):
    """Ask a deployment that sleeps; return the status and how long the answer took."""
    async with httpx.AsyncClient(timeout=30) as http:
        began_s = time.monotonic()
        answer = await http.post(person.url, content='"hi"', headers=person.headers)
        return answer.status_code, time.monotonic() - began_s


async def test_a_sleeping_deployment_answers_soon(person):
    """Once its files are here, the request that wakes it is answered within 1.5 s."""
    person.up()
    person.deploy(QUICK, more=SCALE.format(least=0))
    taken_s = []

    for _ in range(3):
        await instances(person, 0)
        status, took_s = await waken(person)
        taken_s.append(took_s)
        assert status == 200
    print("0 -> 1, first answer after", *(f"{one:.2f}" for one in taken_s), "s")  # noqa: T201  # what the test is for

    assert min(taken_s) < ANSWERED_S


async def test_a_burst_is_followed_at_once(person):
    """Within 2 s of ten times the load as many instances are started as the policy wants."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=1))
    over, started = asyncio.Event(), asyncio.Queue()
    bus = await sign_in(broker_access(person.state.path), "test")

    async def hear(message):
        event = wire.decode(message.data, Event)
        if event.name == "Started":
            started.put_nowait(event)

    await bus.subscribe(subjects.event("echo", "blue"), hear)
    await bus.flush()
    began_s = time.time()
    asking = asyncio.create_task(ask_until(person, over, 10))
    taken_s = [(await started.get()).at_s - began_s for _ in range(3)]
    await instances(person, 4)
    ready_s = time.time() - began_s
    over.set()
    statuses = set(await asking)
    await bus.close()
    print(f"1 -> 4: started after {taken_s[-1]:.2f} s, ready after {ready_s:.2f} s")  # noqa: T201

    assert taken_s[-1] < STARTED_S
    assert statuses == {200}


@contextlib.contextmanager
def by_hand(person):
    """A worker that somebody starts as on another host: with a state folder of its own."""
    broker = person.state.read("nats", BrokerRecord)
    user = broker.users["worker"]
    process = subprocess.Popen(
        [
            *(*COMMAND, "worker", "run", "-e", "echo", "-n", "blue"),
            *("--nats", broker.url, "--user", user.user),
            *("--state-dir", str(person.folder / "other")),
        ],
        env=person.environ | {"MESH_NATS_PASSWORD": user.password},
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


async def until(person, holds):
    """Look at the deployment until its instances are as they should be."""
    async with (
        await Management.open(state_dir=person.state.path) as mesh,
        mesh.watch("echo", "blue") as watch,
        contextlib.aclosing(watch.views()) as views,
    ):
        async for view in views:
            ready = [one.instance for one in view.instances if one.state == "ready"]
            if len(ready) == len(view.instances) and holds(ready):
                return


def is_ours(names):
    """One instance, started by the scaler."""
    return len(names) == 1 and names[0].startswith("g1-")


def is_by_hand(names):
    """One instance, named after its host."""
    return len(names) == 1 and not names[0].startswith("g1-")


async def test_a_worker_by_hand_serves_and_is_replaced_when_its_host_is_gone(person):
    """It takes the place of the one that was there; when it falls silent another one is started."""
    person.up()
    person.deploy(ECHO)

    with by_hand(person) as process:
        await until(person, is_by_hand)
        answers = [await asyncio.to_thread(person.ask)]
        process.kill()
        began_s = time.monotonic()
        await until(person, is_ours)
        print(f"a host that is gone: replaced after {time.monotonic() - began_s:.1f} s")  # noqa: T201
    answers.append(await asyncio.to_thread(person.ask))

    assert answers == [ANSWER, ANSWER]


async def test_a_worker_by_hand_is_drained_and_says_so(person):
    """When its generation is not to serve any more it leaves, with no error."""
    person.up()
    person.deploy(ECHO)

    with by_hand(person) as process:
        await until(person, is_by_hand)
        (person.folder / "src" / "score.py").write_text(ECHO + "# changed")
        done = await asyncio.to_thread(person.mesh, "deployment", "update", "-f", "blue.yml")
        said = await asyncio.to_thread(process.stderr.read)
        process.wait()

    assert (done.returncode, process.returncode) == (0, 0)
    assert b"nobody starts it again" in said


def test_a_worker_by_hand_is_told_what_does_not_exist(person):
    """What is no name, or names nothing that is there, is said with its option."""
    person.up()
    person.deploy(ECHO)

    wrong = person.mesh("worker", "run", "-e", "echo", "-n", "no/name")
    gone = person.mesh("worker", "run", "-e", "echo", "-n", "green")
    old = person.mesh("worker", "run", "-e", "echo", "-n", "blue", "--generation", "9")

    assert (wrong.returncode, gone.returncode, old.returncode) == (2, 2, 2)
    assert "--deployment 'no/name': 3-32 characters" in wrong.stderr
    assert "--deployment green: endpoint 'echo' has no deployment of this name" in gone.stderr
    assert "--generation 9: deployment 'blue' of endpoint 'echo' has no such" in old.stderr
