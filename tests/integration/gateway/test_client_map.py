"""`Client.map`, over NATS and over HTTP: many inputs, so many at a time."""

import json

import pytest

from mesh import wire
from mesh.errors import BackendError, QueueFullError
from tests.integration.gateway.test_client import broker_url, client
from tests.integration.gateway.test_client_jobs import holds
from tests.stub import echo

__all__ = ["broker_url", "client"]


def refuse_odd(message):
    """A model that has something against odd numbers."""
    if json.loads(message.data) % 2:
        return b"odd", {wire.STATUS: "400", wire.ERROR: "model_error"}
    return echo(message)


@pytest.mark.timeout(60)
async def test_thousand_inputs_come_back_in_order(mesh, client):
    """However many are out at once, it is never more than was said."""
    out = []

    def count(message):
        out.append(mesh.gateway.in_flight)
        return echo(message)

    await mesh.work("blue", count)

    answers = await client.map(mesh.endpoint, range(1000), concurrency=8)

    assert [answer.json() for answer in answers] == list(range(1000))
    assert 2 <= max(out) <= 8
    assert mesh.gateway.in_flight == 0


async def test_errors_may_stand_where_answers_would(mesh, client):
    """Each at its place, with what the model said."""
    await mesh.work("blue", refuse_odd)

    answers = await client.map(mesh.endpoint, range(6), return_errors=True)

    assert [type(answer) is BackendError for answer in answers] == [False, True] * 3
    assert answers[3].body == b"odd"


async def test_first_error_is_raised_and_the_rest_is_stopped(mesh, client):
    """What is out is withdrawn; no further input is taken."""

    def hold_even(message):
        return refuse_odd(message) if json.loads(message.data) == 3 else None

    await mesh.work("blue", hold_even)
    inputs = iter([0, 2, 3, 4, 6, 8])

    with pytest.raises(BackendError):
        await client.map(mesh.endpoint, inputs, concurrency=3)

    assert next(inputs) == 4
    await holds(mesh, 0)


async def test_full_queue_is_tried_again_if_asked_for(mesh, client):
    """By as many retries as the client was given; without any it is raised."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)
    with pytest.raises(QueueFullError):
        await client.map(mesh.endpoint, range(4), concurrency=4, timeout_s=3)
    await holds(mesh, 0, "small")
    client._retries = 5
    await mesh.work("small")

    answers = await client.map(mesh.endpoint, range(4), concurrency=4)

    assert [answer.json() for answer in answers] == list(range(4))


async def test_nothing_to_do_is_done(client):
    """Without asking anybody."""
    assert await client.map("iris", []) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [({"concurrency": 0}, "concurrency 0"), ({"timeout_s": 0}, "timeout_s 0")],
)
async def test_what_cannot_be_done_is_refused(client, options, named):
    """Whether errors are returned or not."""
    with pytest.raises(ValueError, match=named):
        await client.map("iris", [1], return_errors=True, **options)


async def test_bar_is_for_terminals(mesh, client, capfd):
    """Elsewhere nothing is printed."""
    await mesh.work("blue")

    await client.map(mesh.endpoint, range(3), progress=True)

    assert capfd.readouterr() == ("", "")
