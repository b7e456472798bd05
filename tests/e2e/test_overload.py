"""Twice what a model can do is offered, at arrival times fixed beforehand."""

import asyncio
import collections
import json
import time

import pytest

from tests.e2e.person import Person
from tests.rawhttp import Answer, Client

pytestmark = pytest.mark.timeout(120)
RATE = 400.0
SECONDS = 6.0
TIMEOUT_S = 1.0
ON_THE_WAY_S = 0.25  # from the client to where the deadline begins, on a busy machine
SCRIPT = """
import json, time

def init():
    pass

def run(raw_data):
    sent = json.loads(raw_data)
    with open("{log}", "a") as log:
        log.write(f"{{time.time() - sent}}\\n")
    time.sleep(0.02)
    return sent
"""
FOUR_SLOTS = """
environment_variables: {WORKER_COUNT: 4}
request_settings:
  request_timeout_ms: 1000
  max_concurrent_requests_per_instance: 4
"""


async def offer(person: Person) -> list[Answer]:
    """Send each request at its time, whatever becomes of those before it."""
    port = int(person.url.split(":")[2].split("/")[0])
    idle: list[Client] = []

    async def ask() -> Answer:
        client = idle.pop() if idle else await Client.open(port)
        body = json.dumps(time.time()).encode()
        answer = await client.ask("POST", "/endpoints/echo/score", body, **person.headers)
        idle.append(client)
        return answer

    start_s, asked = time.monotonic(), []
    for number in range(round(RATE * SECONDS)):
        await asyncio.sleep(start_s + number / RATE - time.monotonic())
        asked.append(asyncio.create_task(ask()))
    answers = await asyncio.gather(*asked)
    for client in idle:
        await client.close()
    return answers


async def test_overload_is_refused_and_what_is_let_in_is_answered(person):
    """Too many are refused with a time to come back, and no dead request is run."""
    log = person.folder / "begun.log"
    person.up()
    person.deploy(SCRIPT.format(log=log), more=FOUR_SLOTS)

    answers = await offer(person)
    counts = collections.Counter(answer.status for answer in answers)
    waited_s = [float(line) for line in log.read_text().split()]

    assert counts[200] + counts[429] >= 0.98 * len(answers), counts
    assert min(counts[200], counts[429]) > 0, counts
    refused = [answer for answer in answers if answer.status == 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(waited_s) >= counts[200]
    assert max(waited_s) <= TIMEOUT_S + ON_THE_WAY_S
