"""A Triton deployment in a whole mesh: it serves, and its server may die under load."""

import asyncio
import json
import signal

import httpx
import psutil
import pytest

from tests.e2e.person import ENDPOINT, Person
from tests.triton import write_model

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]

CLIENTS = 12
DEPLOYMENT = """
name: blue
endpoint_name: echo
model: {{path: models, type: triton_model}}
instance_count: {instances}
request_settings: {{max_concurrent_requests_per_instance: 8, request_timeout_ms: 30000}}
"""


def deploy(person: Person, instances: int = 1) -> None:
    """Have a repository served."""
    write_model(person.folder / "models", dims="[1]")
    (person.folder / "endpoint.yml").write_text(ENDPOINT)
    (person.folder / "blue.yml").write_text(DEPLOYMENT.format(instances=instances))
    for args in (
        ("endpoint", "create", "-f", "endpoint.yml"),
        ("deployment", "create", "-f", "blue.yml", "--all-traffic"),
    ):
        done = person.mesh(*args)
        assert done.returncode == 0, done.stderr
    person.key = person.keys()["primaryKey"]


def servers(person: Person) -> list[psutil.Process]:
    """The tritonservers of all instances."""
    return [
        child
        for one in person.state.instances()
        for child in psutil.Process(one.pid).children()
        if child.name().startswith("tritonserver")
    ]


def question(value: float) -> bytes:
    """A request for the only model."""
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [value]}
    return json.dumps({"inputs": [tensor]}).encode()


class Crowd:
    """Clients that ask one question after another until the block ends."""

    def __init__(self, person: Person) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._person = person
        self._news = asyncio.Condition()

    async def __aenter__(self) -> "Crowd":
        self._http = httpx.AsyncClient(timeout=60, headers=self._person.headers)
        self._stop = asyncio.Event()
        self._clients = [asyncio.create_task(self._ask(n)) for n in range(CLIENTS)]
        await self.more(50)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._clients)
        await self._http.aclose()

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answers + count
        async with self._news:
            await self._news.wait_for(lambda: self.answers >= wanted)

    async def _ask(self, client: int) -> None:
        number = client * 100_000
        while not self._stop.is_set():
            number += 1
            answer = await self._http.post(self._person.url, content=question(number))
            if answer.status_code != 200 or answer.json()["outputs"][0]["data"] != [number]:
                self.failures.append(f"{number}: {answer.status_code} {answer.text}")
            self.answers += 1
            async with self._news:
                self._news.notify_all()


@pytest.mark.parametrize("instances", [1, 2])
async def test_a_killed_server_fails_no_request(person, instances: int):
    """kill -9 of a tritonserver under load: every question gets its own answer, from a new one."""
    person.mesh("up", "--detach")
    deploy(person, instances)
    before = servers(person)

    async with Crowd(person) as crowd:
        before[0].send_signal(signal.SIGKILL)
        await crowd.more(200)

    assert len(before) == instances
    assert crowd.failures == []
    assert before[0] not in servers(person)


def test_a_request_that_kills_its_server_is_given_up(person):
    """After three servers it is poison; the next request gets a fourth one."""
    person.mesh("up", "--detach")
    deploy(person)

    deadly = httpx.post(person.url, content=question(-2), headers=person.headers, timeout=60)
    after = httpx.post(person.url, content=question(1), headers=person.headers, timeout=60)

    assert (deadly.status_code, after.status_code) == (424, 200)
    assert deadly.json()["error"]["code"] == "poison"
    assert "the Triton server was ended by SIGKILL" in deadly.json()["error"]["message"]


def test_a_repository_that_does_not_load_says_why(person):
    """The deployment fails with the model's own words, in the command and in the log."""
    person.mesh("up", "--detach")
    code = "class TritonPythonModel:\n    def initialize(self, args): raise KeyError('weights')\n"
    write_model(person.folder / "models", code=code)
    (person.folder / "endpoint.yml").write_text(ENDPOINT)
    (person.folder / "blue.yml").write_text(DEPLOYMENT.format(instances=1))
    person.mesh("endpoint", "create", "-f", "endpoint.yml")

    done = person.mesh("deployment", "create", "-f", "blue.yml")

    assert done.returncode != 0
    assert "model 'echo' version 1 is not ready" in done.stderr
    assert "KeyError: 'weights'" in done.stderr


def test_a_server_is_part_of_its_instance(person):
    """Its memory counts; `mesh endpoint invoke` asks it; its console is in the log."""
    person.mesh("up", "--detach")
    deploy(person)
    (person.folder / "ask.json").write_bytes(question(3))

    said = person.mesh("endpoint", "invoke", "-n", "echo", "--request-file", "ask.json")
    logs = person.mesh("deployment", "get-logs", "-n", "blue", "-e", "echo")
    instances = person.mesh("deployment", "show", "-n", "blue", "-e", "echo", "-o", "json")

    assert json.loads(said.stdout)["outputs"][0]["data"] == [3.0]
    assert "loaded echo" in logs.stdout
    assert "began 3.0" in logs.stdout
    assert json.loads(instances.stdout), instances.stderr
