"""Dead letters sent again and removed, through the management service."""

import asyncio

import pytest
from click.testing import CliRunner

from mesh import history, streams, subjects, wire
from mesh.cli import main
from mesh.errors import ConflictError, NotFoundError
from mesh.management import Management
from mesh.wire import DeadLetter, Event

HEADERS = {wire.CONTENT_TYPE: "text/plain", wire.HTTP: '[["x-tag", "a"]]', wire.TIMEOUT_MS: "5000"}


@pytest.fixture
async def letters(rig):
    """The dead letters of an endpoint that is there."""
    await rig.endpoint()
    return Management(rig.bus).dead_letters


async def bury(rig, deployment="blue", endpoint="iris", **changes):
    """Give a request up as a worker does; return its letter's number."""
    known = {"lane": "interactive", "request_id": "r1", "reason": "died", "attempts": 3}
    known |= {"at_s": 1.0, "headers": HEADERS, "body": b"body"}
    letter = DeadLetter(endpoint=endpoint, deployment=deployment, **(known | changes))
    ack = await streams.store(rig.bus, subjects.dead(endpoint, deployment), wire.encode(letter))
    return ack["seq"]


async def told(rig, name):
    """The first event of that name."""
    messages = history.read(rig.bus, subjects.EVENTS_STREAM, subjects.EVENTS, follow=True)
    events = (wire.decode(past.data, Event) async for past in messages)
    return await anext(event async for event in events if event and event.name == name)


async def test_retried_letter_is_enqueued_under_a_new_id(rig, letters):
    """Body, content type and the caller's headers go along, the old time limit does not."""
    number = await bury(rig)

    retried = await letters.retry(number)

    subject = subjects.enqueue("iris")
    found = await streams.next_message(rig.bus, subjects.INGRESS_STREAM, subject, 1)
    assert retried.request_id == f"dead-{number}"
    assert (found.body, found.headers) == (
        b"body",
        {wire.CONTENT_TYPE: "text/plain", "x-tag": "a", wire.REQUEST_ID: retried.request_id},
    )
    assert await letters.list() == []


async def test_retried_letter_leaves_its_key_behind(rig, letters):
    """The answer for that key is the old one's."""
    headers = HEADERS | {wire.HTTP: '[["idempotency-key", "k"], ["x-tag", "a"]]'}

    await letters.retry(await bury(rig, headers=headers))

    subject = subjects.enqueue("iris")
    found = await streams.next_message(rig.bus, subjects.INGRESS_STREAM, subject, 1)
    assert set(found.headers) == {wire.CONTENT_TYPE, "x-tag", wire.REQUEST_ID}


async def test_retry_is_in_the_audit_trail(rig, letters):
    """Who asks for the old id finds the new one."""
    await letters.retry(await bury(rig))

    event = await told(rig, "DeadLetterRetried")

    assert (event.endpoint, event.deployment, event.message) == ("iris", "blue", "r1 -> dead-1")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lane": "shadow"}, ConflictError),
        ({"kind": "other"}, ConflictError),
        ({"headers": {wire.STATUS: "200"}}, ConflictError),
        ({"endpoint": "rose"}, NotFoundError),
    ],
)
async def test_what_cannot_be_sent_again_stays(rig, letters, changes, error):
    """A shadow copy, what is no request, and what has no endpoint any more."""
    number = await bury(rig, **changes)

    with pytest.raises(error):
        await letters.retry(number)

    assert [one.number for one in await letters.list()] == [number]


async def test_purge_removes_what_it_names_and_nothing_later(rig, letters):
    """One deployment's letters, up to the number that was counted."""
    await bury(rig, "green")
    await bury(rig)
    found = await letters.count("iris", "blue")
    await bury(rig)

    purged = await letters.purge(found.up_to, "iris", "blue")

    assert (found.letters, purged) == (1, 1)
    assert [one.number for one in await letters.list()] == [3, 1]
    event = await told(rig, "DeadLettersPurged")
    assert (event.deployment, event.message) == ("blue", "1 removed")


@pytest.mark.parametrize(
    ("words", "said", "ends"),
    [
        (("purge",), "n\n", (1, 2)),
        (("purge",), None, (2, 2)),
        (("purge", "-e", "iris", "--yes"), None, (0, 0)),
        (("retry", "1", "2"), None, (0, 0)),
        (("retry", "1", "9"), None, (4, 1)),
    ],
)
async def test_commands(rig, letters, monkeypatch, words, said, ends):
    """`purge` asks first; `retry` tells the ids of what it has sent."""
    monkeypatch.setenv("NATS_URL", rig.server.url)
    for _ in range(2):
        await bury(rig)

    command = ["deadletter", *words]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, input=said)

    assert (result.exit_code, len(await letters.list())) == ends
    assert ("2 dead letters" in result.output) is (words[0] == "purge")
    assert ("dead-1" in result.output) is (words[0] == "retry")
