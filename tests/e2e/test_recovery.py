"""What is promised about requests holds while processes die and generations change, under load."""

import asyncio
import json
import os
import signal
import time

import httpx
import pytest

from tests.e2e.person import Person

pytestmark = pytest.mark.timeout(120)
CLIENTS = 8
LATEST_S = 3.0  # the ack wait of 1.25 s, the run, and a busy machine
SCRIPT = """
import json, time

def init():
    pass

def run(raw_data):
    time.sleep(0.02)
    return json.loads(raw_data)
"""


class Crowd:
    """Clients that ask, one question after another, each its own, until the block ends."""

    def __init__(self, person: Person) -> None:
        self.failures: list[str] = []
        self.slowest_s = 0.0
        self._person = person
        self._answers = 0
        self._news = asyncio.Condition()

    async def __aenter__(self) -> "Crowd":
        self._http = httpx.AsyncClient(timeout=30, headers=self._person.headers)
        self._url = self._person.url
        self._clients = [asyncio.create_task(self._ask(n)) for n in range(CLIENTS)]
        await self.answers(50)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._http.aclose()

    async def answers(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self._answers + count
        async with self._news:
            await self._news.wait_for(lambda: self._answers >= wanted)

    async def _ask(self, client: int) -> None:
        for number in range(1_000_000):
            question = json.dumps(f"{client}:{number}")
            asked_s = time.monotonic()
            answer = await self._http.post(self._url, content=question)
            self.slowest_s = max(self.slowest_s, time.monotonic() - asked_s)
            if (answer.status_code, answer.text) != (200, question):
                self.failures.append(f"{question}: {answer.status_code} {answer.text}")
            self._answers += 1
            async with self._news:
                self._news.notify_all()


def worker_pids(person: Person) -> set[int]:
    """The workers that are on record."""
    return {one.pid for one in person.state.instances()}


async def test_a_killed_worker_fails_no_request(person):
    """kill -9 of one of two under load: every question gets its own answer, and soon."""
    person.mesh("up", "--detach")
    person.deploy(SCRIPT, instances=2)
    workers = worker_pids(person)

    async with Crowd(person) as crowd:
        os.kill(min(workers), signal.SIGKILL)
        await crowd.answers(300)

    assert len(workers) == 2
    assert crowd.failures == []
    assert crowd.slowest_s < LATEST_S


async def test_a_new_generation_fails_no_request(person):
    """deployment update under load: the new workers take over, the old ones finish."""
    person.mesh("up", "--detach")
    person.deploy(SCRIPT, instances=2)
    old = worker_pids(person)

    async with Crowd(person) as crowd:
        change = ("--set", "environment_variables.WORKER_COUNT=2")
        args = ("deployment", "update", "-f", "blue.yml", *change)
        done = await asyncio.to_thread(person.mesh, *args)
        await crowd.answers(100)

    assert done.returncode == 0, done.stderr
    assert crowd.failures == []
    assert not old & worker_pids(person)
