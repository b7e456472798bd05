"""The number of processes follows the load, and nobody who asks notices."""

import asyncio
import contextlib
import itertools
import json
import time

import httpx
import pytest

from mesh.management import Management
from tests.e2e.person import Person

pytestmark = pytest.mark.timeout(120)
DECIDED_S = 2.0  # a measurement, and a busy machine
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
WAIT = """
scale_settings:
  type: target_utilization
  max_instances: 4
  target_wait_ms: 100
  scale_in_delay_s: 2
"""


async def instances(person: Person, count: int) -> None:
    """Wait until so many instances are wanted, are ready and are all there is."""
    async with (
        await Management.open(state_dir=person.state.path) as mesh,
        mesh.watch("echo", "blue") as watch,
        contextlib.aclosing(watch.views()) as views,
    ):
        async for view in views:
            if {view.instance_count, view.ready_instances, len(view.instances)} == {count}:
                break


async def knows_how_long(person: Person) -> None:
    """Ask once, and wait until the scaler knows how long a request takes."""
    async with (
        httpx.AsyncClient(timeout=30) as http,
        await Management.open(state_dir=person.state.path) as mesh,
        mesh.watch("echo", "blue") as watch,
        contextlib.aclosing(watch.views()) as views,
    ):
        await http.post(person.url, content='"hi"', headers=person.headers)
        async for view in views:
            seen = view.scaling and view.scaling.seen
            if seen and seen.service_s:
                break


async def ask_until(person: Person, enough: asyncio.Event, clients: int) -> list[int]:
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


def by_hand(person: Person, group: str, command: str, *more: str) -> None:
    """What a person does to the count."""
    done = person.mesh(group, command, "-e", "echo", "-n", "blue", "-o", "none", *more)
    assert done.returncode == 0, done.stderr


async def test_instances_follow_a_burst(person):
    """One instance becomes four and, while somebody still asks, one again; no request fails."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=1))
    burst_over, over, began_s = asyncio.Event(), asyncio.Event(), time.time()

    burst = asyncio.create_task(ask_until(person, burst_over, 7))
    steady = asyncio.create_task(ask_until(person, over, 1))
    await instances(person, 4)
    burst_over.set()
    await instances(person, 1)
    over.set()
    statuses = {*await burst, *await steady}
    told = changes(person)

    assert statuses == {200}
    assert (told[0]["before"], told[-1]["after"]) == (1, 1)
    assert max(change["after"] for change in told) == 4
    assert all(one["after"] == two["before"] for one, two in itertools.pairwise(told))
    assert told[0]["at_s"] - began_s < DECIDED_S
    assert "queued or running" in told[0]["reason"]
    assert "no more than" in told[-1]["reason"]
    seen = told[-1]["seen"]  # while one client asks, one request at a time
    assert seen["requests_per_s"] > 0
    assert 0.1 < seen["latency_s"]["50"] <= 30  # as exact as a bucket is wide
    assert 0 < seen["memory_percent"] < 100
    assert seen["wait_s"] == 0


async def test_the_history_explains_every_change(person):
    """By the load and by hand: no step is missing, each has its reason and what it was made by."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=1))
    over = asyncio.Event()
    burst = asyncio.create_task(ask_until(person, over, 5))
    await instances(person, 4)
    over.set()
    statuses = set(await burst)
    await instances(person, 1)

    by_hand(person, "scale", "pause")
    by_hand(person, "deployment", "scale", "--instance-count", "3")
    by_hand(person, "scale", "resume")
    await instances(person, 1)
    told = changes(person)
    text = person.mesh("scale", "history", "-e", "echo", "-n", "blue").stdout
    decided = [one for one in told if "autoscaling" not in one["reason"]]

    assert statuses == {200}
    assert (told[0]["before"], told[-1]["after"]) == (1, 1)
    assert all(one["after"] == two["before"] for one, two in itertools.pairwise(told))
    assert [one["reason"] for one in told if one not in decided] == [
        "autoscaling is paused",
        "autoscaling is paused, 3 set by hand",
        "autoscaling goes on",
    ]
    for one in decided:
        assert one["seen"]["current"] == one["before"]
        assert one["asked"].keys() == one["why"].keys()
        if one["after"] > one["before"]:
            assert any(one["reason"].startswith(why) for why in one["why"].values())
    assert all(f"{one['before']} -> {one['after']}\n  {one['reason']}\n" in text for one in told)


async def test_a_target_of_the_wait_is_held(person):
    """By what is offered and how long a request takes; when nobody asks, the least is enough."""
    person.up()
    person.deploy(SCRIPT, more=WAIT)
    await knows_how_long(person)
    over = asyncio.Event()
    burst = asyncio.create_task(ask_until(person, over, 5))
    await instances(person, 4)
    over.set()
    statuses = set(await burst)
    await instances(person, 1)
    out = [one for one in changes(person) if one["after"] > one["before"]]

    assert statuses == {200}
    assert out[-1]["seen"]["service_s"] == pytest.approx(0.2, abs=0.1)
    assert "to wait at most 100 ms" in out[-1]["reason"]


async def test_the_first_request_wakes_a_deployment_that_sleeps(person):
    """Nothing runs while nobody asks; the request that starts an instance is answered."""
    person.up()
    person.deploy(SCRIPT, more=SCALE.format(least=0))
    await instances(person, 0)

    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(person.url, content='"hi"', headers=person.headers)
    await instances(person, 0)

    assert (answer.status_code, answer.json()) == (200, "hi")
    assert [(one["before"], one["after"]) for one in changes(person)] == [(1, 0), (0, 1), (1, 0)]
