"""Time limits, clients that leave, and poison, with real processes from HTTP to the runner."""

import asyncio
import time

import httpx
import pytest

from mesh.management import LogQuery, Management
from tests.e2e.person import Person

pytestmark = pytest.mark.timeout(120)
LATE_S = 1.5  # what a busy machine may add to a time limit

# A number sleeps so long; "poison" kills the process. What it does it prints.
SCRIPT = """
import asyncio, json, os, time

def init():
    pass

def note(word, raw):
    print(word, raw, flush=True)

def run(raw):
    note("began", raw)
    time.sleep(float(json.loads(raw)))
    note("ended", raw)
    return os.getpid()
"""
ASYNC = """
import asyncio, json, os, time

def init():
    pass

def note(word, raw):
    print(word, raw, flush=True)

async def run(raw):
    wish = json.loads(raw)
    if wish == "poison":
        os.kill(os.getpid(), 11)
    if wish == "block":
        time.sleep(60)
    note("began", raw)
    try:
        await asyncio.sleep(wish)
    except asyncio.CancelledError:
        note("cancelled", raw)
        raise
    return raw
"""
LIMITS = """
request_settings:
  request_timeout_ms: {timeout_ms}
  max_concurrent_requests_per_instance: {slots}
environment_variables: {{WORKER_COUNT: "{runners}"}}
mesh: {mesh}
"""


class Model:
    """A deployed script and a client of it."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def deploy(self, script, *, timeout_ms=1000, slots=4, runners=1, mesh="{}"):
        """Have it served."""
        more = LIMITS.format(timeout_ms=timeout_ms, slots=slots, runners=runners, mesh=mesh)
        self._person.mesh("up", "--detach")
        self._person.deploy(script, more=more)
        self.client = httpx.AsyncClient(
            timeout=30, headers=self._person.headers, limits=httpx.Limits(max_connections=None)
        )

    @property
    def url(self):
        """Where it is asked."""
        return self._person.url

    async def ask(self, wish, **headers):
        """Status, body and seconds of an answer."""
        asked_s = time.monotonic()
        answer = await self.client.post(self.url, content=wish, headers=headers)
        return answer.status_code, answer.text, time.monotonic() - asked_s

    async def result(self, wish, *, wait_s):
        """Status of a queued request's result."""
        prefer = {"prefer": "respond-async"}
        accepted = await self.client.post(self.url, content=wish, headers=prefer)
        place = httpx.URL(self.url).join(accepted.headers["location"])
        answer = await self.client.get(place, headers={"prefer": f"wait={wait_s}"})
        return answer.status_code

    async def noted(self, text):
        """Wait until the model has printed a line."""
        query = LogQuery(endpoint="echo", deployment="blue", follow=True)
        async with await self._management() as mesh, asyncio.timeout(10):
            async for line in mesh.logs(query):
                if line.line.text == text:
                    return

    async def dead(self):
        """The ids of the dead letters."""
        async with await self._management() as mesh:
            return [letter.request_id for letter in await mesh.dead_letters.list()]

    async def _management(self):
        return await Management.open(state_dir=self._person.state.path)


@pytest.fixture
async def model(person):
    """A model that is yet to be deployed."""
    model = Model(person)
    yield model
    await model.client.aclose()


async def test_a_run_that_passes_its_limit_is_stopped_and_the_slot_comes_back(model):
    """408 on time; the neighbour in the other runner is answered by its process; no attempt."""
    model.deploy(SCRIPT, runners=2, slots=2, timeout_ms=2000, mesh="{admission: none}")
    slow = asyncio.create_task(model.ask("60"))
    await model.noted("began 60")
    neighbour = asyncio.create_task(model.ask("1.5"))

    status, _, took_s = await slow
    beside = await neighbour
    after = [await model.ask("0.1") for _ in range(4)]

    assert (status, took_s < 2.0 + LATE_S) == (408, True)
    assert beside[0] == 200
    assert [one[0] for one in after] == [200] * 4
    assert await model.dead() == []


async def test_a_deployment_may_let_its_runs_go_on(model):
    """With hard_timeout: false the caller has its 408 on time, and the process stays."""
    model.deploy(SCRIPT, mesh="{hard_timeout: false}")
    (_, before, _) = await model.ask("0")

    status, _, took_s = await model.ask("2.5")
    await model.noted("ended 2.5")

    assert (status, took_s < 1.0 + LATE_S) == (408, True)
    assert (await model.ask("0"))[1] == before


async def test_an_async_run_hears_that_its_client_has_left(model):
    """CancelledError inside run(), long before its time limit; its neighbour is not harmed."""
    model.deploy(ASYNC, timeout_ms=30_000)
    neighbour = asyncio.create_task(model.ask("1"))
    leaver = asyncio.create_task(model.ask("25"))
    await model.noted("began 25")

    leaver.cancel()

    await model.noted("cancelled 25")
    assert (await neighbour)[:2] == (200, '"1"')


async def test_a_sync_run_whose_client_has_left_is_stopped_if_the_deployment_says_so(model):
    """After the grace time; the request that waited behind it is answered, as a first attempt."""
    model.deploy(SCRIPT, timeout_ms=30_000, mesh="{cancel_grace_s: 0.3, max_attempts: 1}")
    leaver = asyncio.create_task(model.ask("25"))
    await model.noted("began 25")
    behind = asyncio.create_task(model.ask("0"))

    leaver.cancel()
    status, _, took_s = await behind

    assert (status, took_s < 10) == (200, True)
    assert await model.dead() == []


async def test_poison_in_an_async_runner_kills_no_neighbour(model):
    """With 200 requests in flight beside it: they are all answered, DEAD holds exactly that one."""
    model.deploy(ASYNC, timeout_ms=60_000, slots=250)
    asked = [asyncio.create_task(model.ask("0.5")) for _ in range(200)]
    await model.noted("began 0.5")

    poison = await model.client.post(model.url, content='"poison"')
    answers = await asyncio.gather(*asked)

    assert poison.status_code == 424
    assert poison.json()["error"]["code"] == "poison"
    assert {one[:2] for one in answers} == {(200, '"0.5"')}
    assert await model.dead() == [poison.headers["x-request-id"]]


async def test_a_run_that_blocks_an_async_loop_fails_alone(model):
    """Queued requests beside it that were kept from going on are run again and succeed."""
    model.deploy(ASYNC, timeout_ms=1000, slots=4)
    beside = [asyncio.create_task(model.result("0.3", wait_s=25)) for _ in range(3)]

    blocking = await model.result('"block"', wait_s=25)

    assert blocking == 408
    assert [await one for one in beside] == [200] * 3
    assert await model.dead() == []
