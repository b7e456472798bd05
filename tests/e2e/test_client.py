"""The client SDK against a whole mesh: a real model that logs how much of it runs at once."""

import asyncio
import json
import signal

import pytest

from mesh import Client
from mesh.client import Answer
from mesh.errors import (
    AnswerUnknownError,
    BusError,
    DeadlineExceededError,
    KeyReusedError,
    NoRespondersError,
)
from mesh.process import Identity

INPUTS = 1000
SCRIPT = """
import asyncio
import json
import os

running = 0

def init():
    global log
    log = open(os.environ["LOG"], "a", buffering=1)

async def run(raw_data):
    global running
    running += 1
    print(running, file=log)
    await asyncio.sleep(0.005)
    running -= 1
    return json.loads(raw_data)
"""
MORE = """
environment_variables: {{LOG: {log}}}
request_settings: {{max_concurrent_requests_per_instance: 32}}
"""


@pytest.fixture
def mesh(person):
    """A mesh that serves the model, and a producer's user for it."""
    person.up()
    person.deploy(SCRIPT, more=MORE.format(log=person.folder / "log"))
    done = person.mesh("nats", "user", "create", "-e", "echo", "-o", "json")
    assert done.returncode == 0, done.stderr
    person.producer = json.loads(done.stdout)
    return person


async def connect(mesh, way):
    """A client over either way."""
    if way == "http":
        return await Client.connect(mesh.url.removesuffix("/endpoints/echo/score"), key=mesh.key)
    who = mesh.producer
    return await Client.connect(who["url"], user=who["name"], password=who["password"])


def log(mesh):
    """How many requests ran when each began."""
    return [int(line) for line in (mesh.folder / "log").read_text().split()]


def kill(mesh, program):
    """End a program as a power cut would."""
    victim = next(one for one in mesh.state.mesh().programs if one.name == program)
    Identity(pid=victim.pid, create_time=victim.create_time).send(signal.SIGKILL)


async def killed_under(mesh, client, program, **options):
    """Map, and kill a program once a good part has been answered."""

    def inputs():
        for number in range(INPUTS):
            if number == INPUTS // 3:
                kill(mesh, program)
            yield number

    return await client.map("echo", inputs(), concurrency=8, return_errors=True, **options)


def kinds(answers):
    """The errors there are; every answer is that to its own input."""
    assert len(answers) == INPUTS
    for at, answer in enumerate(answers):
        assert not isinstance(answer, Answer) or answer.json() == at
    return {type(answer) for answer in answers if not isinstance(answer, Answer)}


@pytest.mark.parametrize("way", ["nats", "http"])
async def test_no_more_run_at_once_than_was_said(mesh, way):
    """By the model's own log; a thousand answers, in order."""
    async with await connect(mesh, way) as client:
        answers = await client.map("echo", range(INPUTS), concurrency=8)

    assert [answer.json() for answer in answers] == list(range(INPUTS))
    assert len(log(mesh)) == INPUTS
    assert 2 <= max(log(mesh)) <= 8


@pytest.mark.parametrize("way", ["nats", "http"])
async def test_key_stands_for_one_request(mesh, way):
    """A repeat gets the first answer, and the model is not asked; another request is refused."""
    async with await connect(mesh, way) as client:
        answers = [await client.invoke("echo", 1, idempotency_key="k-1") for _ in range(2)]
        with pytest.raises(KeyReusedError):
            await client.invoke("echo", 2, idempotency_key="k-1")

    assert [answer.json() for answer in answers] == [1, 1]
    assert len(log(mesh)) == 1


@pytest.mark.heavy
async def test_keyed_map_outlives_the_broker(mesh):
    """What its end left unknown is asked again: every input has its answer."""
    async with await connect(mesh, "nats") as client:
        async with asyncio.timeout(50):
            answers = await killed_under(mesh, client, "nats-server", keyed=True)

    bad = [str(one) for one in answers if not isinstance(one, Answer)]
    assert (kinds(answers), bad) == (set(), [])


@pytest.mark.heavy
@pytest.mark.parametrize("way", ["nats", "http"])
async def test_map_over_a_killed_gateway_has_typed_errors(mesh, way):
    """It ends, with the answers there were."""
    async with await connect(mesh, way) as client:
        async with asyncio.timeout(50):
            answers = await killed_under(mesh, client, "gateway", timeout_s=2)

    expected = {AnswerUnknownError, BusError, DeadlineExceededError, NoRespondersError}
    assert kinds(answers) <= expected
    assert sum(isinstance(answer, Answer) for answer in answers) >= INPUTS // 3 - 8
