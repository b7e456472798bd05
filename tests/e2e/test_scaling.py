"""The number of processes follows the load, and nobody who asks notices."""

import asyncio
import contextlib
import json
import time

import httpx
import pytest

from mesh.management import Management
from tests.e2e.person import Person

pytestmark = pytest.mark.timeout(120)
CLIENTS = 8
WITHIN_S = 2.0
SCRIPT = """
import json, time

def init():
    pass

def run(raw_data):
    time.sleep(0.2)
    return json.loads(raw_data)
"""
SCALE = """
scale_settings:
  type: target_utilization
  min_instances: {least}
  max_instances: 4
  target_utilization_percentage: 100
  scale_in_delay_s: 2
"""


async def ready(person: Person, count: int) -> float:
    """Wait until so many instances are wanted, are ready and are all there is; return when."""
    async with await Management.open(state_dir=person.state.path) as mesh:
        async with mesh.watch("echo", "blue") as watch, contextlib.aclosing(watch.views()) as views:
            async for view in views:
                counts = (view.instance_count, view.ready_instances, len(view.instances))
                if set(counts) == {count}:
                    break
    return time.monotonic()


async def ask(person: Person, clients: int, enough: asyncio.Event) -> list[int]:
    """Ask over and over with so many clients until it is enough; return every status."""
    statuses = []

    async def client(http: httpx.AsyncClient) -> None:
        while not enough.is_set():
            answer = await http.post(person.url, content='"hi"', headers=person.headers)
            statuses.append(answer.status_code)

    async with httpx.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client(http))
    return statuses


def changes(person: Person) -> list[dict]:
    """What `mesh scale history` tells."""
    done = person.mesh("scale", "history", "-e", "echo", "-n", "blue", "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_instances_follow_a_burst(person):
    """One instance becomes four and one again; no request fails, and each change is explained."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=1))
    enough = asyncio.Event()

    began_s = time.monotonic()
    asking = asyncio.create_task(ask(person, CLIENTS, enough))
    out_s = await ready(person, 4) - began_s
    enough.set()
    statuses = await asking
    await ready(person, 1)
    told = changes(person)

    assert set(statuses) == {200}
    assert [told[0]["before"], told[-1]["after"]] == [1, 1]
    assert max(change["after"] for change in told) == 4
    assert all(one["after"] == two["before"] for one, two in zip(told, told[1:], strict=False))
    assert "queued or running" in told[0]["reason"]
    assert "needed for 2 s" in told[-1]["reason"]
    print(f"4 instances ready after {out_s:.2f} s")


async def test_the_first_request_wakes_a_deployment_that_sleeps(person):
    """Nothing runs while nobody asks; the request that starts an instance is answered."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=0))
    await ready(person, 0)

    began_s = time.monotonic()
    answer = httpx.post(person.url, content='"hi"', headers=person.headers, timeout=30)
    woken_s = time.monotonic() - began_s
    await ready(person, 0)

    assert (answer.status_code, answer.json()) == (200, "hi")
    assert [(one["before"], one["after"]) for one in changes(person)] == [(1, 0), (0, 1), (1, 0)]
    print(f"answered after {woken_s:.2f} s")
