"""Idempotency keys over a whole mesh: two gateways, two deployments, and whatever is killed.

The models' own log is the witness: one line for each run.
"""

import asyncio
import json
import os
import signal

import httpx
import pytest

from tests.e2e.person import Person
from tests.e2e.test_scaling import SCALE, instances

pytestmark = pytest.mark.timeout(120)
SCRIPT = """
import json, os, time, uuid

def init():
    pass

def run(raw_data):
    asked = json.loads(raw_data)
    with open(os.environ["RUNS"], "a") as log:
        log.write(json.dumps([os.environ["WHO"], asked["name"]]) + "\\n")
    if asked.get("tells"):
        open(os.environ["RUNS"] + ".begun", "w").close()
    time.sleep(asked.get("takes_s", 0))
    return {"by": os.environ["WHO"], "run": str(uuid.uuid4())}
"""
MORE = """
environment_variables: {{RUNS: {runs}, WHO: {name}}}
request_settings: {{max_concurrent_requests_per_instance: 4}}
"""


class Shop:
    """Somebody with two gateways, and two deployments that share the traffic."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.runs = person.folder / "runs.log"
        self.begun = person.folder / "runs.log.begun"  # whoever reads it waits until it is told
        os.mkfifo(self.begun)

    def open(self, more: str = "") -> "Shop":
        """Have both served."""
        person = self.person
        person.environ["MESH_GATEWAY__COUNT"] = "2"
        assert person.mesh("up", "--detach").returncode == 0
        person.deploy(SCRIPT, more=MORE.format(runs=self.runs, name="blue") + more)
        green = (person.folder / "blue.yml").read_text().replace("blue", "green")
        (person.folder / "green.yml").write_text(green)
        for args in (
            ("deployment", "create", "-f", "green.yml"),
            ("endpoint", "update", "-n", "echo", "--traffic", "blue=50 green=50"),
        ):
            done = person.mesh(*args)
            assert done.returncode == 0, done.stderr
        return self

    def gateways(self) -> list[tuple[str, int]]:
        """Where they listen, and their processes."""
        programs = self.person.state.mesh().programs
        return [
            (f"{one.url}/endpoints/echo/score", one.pid)
            for one in programs
            if one.name.startswith("gateway")
        ]

    def ran(self, name: str) -> list[str]:
        """Which deployments ran a request, once for each run."""
        lines = self.runs.read_text().splitlines() if self.runs.exists() else []
        return [who for who, asked in map(json.loads, lines) if asked == name]

    async def ask(
        self, http: httpx.AsyncClient, url: str, name: str, **more: float
    ) -> httpx.Response:
        """Ask under a key of this name."""
        headers = self.person.headers | {"Idempotency-Key": name}
        return await http.post(url, content=json.dumps({"name": name} | more), headers=headers)


@pytest.fixture
def shop(person):
    """Both deployments, always ready."""
    return Shop(person).open()


async def test_twenty_at_once_are_one_run(shop):
    """Over both gateways: one line in the models' log, one answer for all, and for later ones."""
    urls = [url for url, _ in shop.gateways()]
    async with httpx.AsyncClient(timeout=30) as http:
        asked = [shop.ask(http, urls[n % 2], "a", takes_s=0.2) for n in range(20)]
        answers = await asyncio.gather(*asked)
        later = [await shop.ask(http, url, "a", takes_s=0.2) for url in urls]

    assert len(urls) == 2
    assert shop.ran("a") == [answers[0].json()["by"]]
    assert {(one.status_code, one.text) for one in (*answers, *later)} == {(200, answers[0].text)}


async def test_keys_survive_the_broker(shop):
    """Killed between the two calls, it still knows the answer."""
    (first, _), (second, _) = shop.gateways()
    programs = shop.person.state.mesh().programs
    broker = next(one for one in programs if one.name == "nats-server")
    async with httpx.AsyncClient(timeout=30) as http:
        before = await shop.ask(http, first, "a")
        os.kill(broker.pid, signal.SIGKILL)
        for _ in range(5):
            after = await shop.ask(http, second, "a")
            if after.status_code != 503:
                break
            await asyncio.sleep(float(after.headers["Retry-After"]))

    assert (after.status_code, after.text) == (200, before.text)
    assert after.headers["idempotency-replayed"] == "true"
    assert len(shop.ran("a")) == 1


async def test_answer_outlives_its_gateway(shop):
    """It is killed while the model runs: a repeat at the other one gets that run's answer."""
    (first, pid), (second, _) = shop.gateways()
    async with httpx.AsyncClient(timeout=30) as http:
        asked = asyncio.create_task(shop.ask(http, first, "a", takes_s=1.0, tells=True))
        await asyncio.to_thread(shop.begun.read_text)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.HTTPError):
            await asked
        repeat = await shop.ask(http, second, "a", takes_s=1.0, tells=True)

    assert repeat.status_code == 200
    assert shop.ran("a") == [repeat.json()["by"]]


async def test_key_wakes_a_deployment_that_sleeps_once(person):
    """Nobody is there to run it: all wait for the one run of the instance that starts for it."""
    shop = Shop(person)
    person.environ["MESH_GATEWAY__COUNT"] = "2"
    assert person.mesh("up", "--detach").returncode == 0
    more = MORE.format(runs=shop.runs, name="blue") + SCALE.format(least=0)
    person.deploy(SCRIPT, more=more.replace("{max", "{request_timeout_ms: 30000, max"))
    await instances(person, 0)

    async with httpx.AsyncClient(timeout=40) as http:
        asked = [shop.ask(http, url, "a") for url, _ in shop.gateways() * 2]
        answers = await asyncio.gather(*asked)

    assert {(one.status_code, one.text) for one in answers} == {(200, answers[0].text)}
    assert shop.ran("a") == ["blue"]
