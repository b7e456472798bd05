"""How fast instances come when they are asked for, with real processes."""

import time

import httpx
import pytest

from tests.e2e.test_scaling import SCALE, SCRIPT, instances

pytestmark = pytest.mark.timeout(120)
ANSWERED_S = 1.5
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
