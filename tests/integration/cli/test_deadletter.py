"""`mesh deadletter list` and `show`, from the stream of dead letters."""

import pytest

from mesh import subjects, wire
from mesh.streams import store
from mesh.wire import DeadLetter


def dead(deployment="blue", endpoint="iris", **changes):
    known = {
        "lane": "interactive",
        "request_id": "r1",
        "reason": "its runner died 3 times: the runner was ended by SIGSEGV",
        "attempts": 3,
        "at_s": 1.0,
        "headers": {wire.CONTENT_TYPE: "text/plain"},
        "body": b"a body",
    }
    return DeadLetter(endpoint=endpoint, deployment=deployment, **(known | changes))


@pytest.fixture
async def letters(bus, mesh):
    """Three letters of two endpoints, of which the older one is gone."""
    await mesh("endpoint", "create", "-n", "iris")
    for letter in (dead(endpoint="rose"), dead(request_id="r2"), dead("green", request_id="r3")):
        subject = subjects.dead(letter.endpoint, letter.deployment)
        await store(bus, subject, wire.encode(letter))


async def test_letters_are_listed_newest_first(mesh, letters):
    """Those of an endpoint that was deleted too."""
    listed = await mesh.json("deadletter", "list")

    assert [(one["number"], one["endpoint_name"]) for one in listed] == [
        (3, "iris"),
        (2, "iris"),
        (1, "rose"),
    ]
    assert (listed[0]["request_id"], listed[0]["attempts"], listed[0]["size_bytes"]) == ("r3", 3, 6)


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (("-e", "iris"), [3, 2]),
        (("-e", "iris", "-n", "blue"), [2]),
        (("-n", "blue"), [2, 1]),
        (("--limit", "1"), [3]),
    ],
)
async def test_letters_of_one_endpoint_or_deployment(mesh, letters, which, numbers):
    """The options narrow the list down."""
    listed = await mesh.json("deadletter", "list", *which)

    assert [one["number"] for one in listed] == numbers


async def test_list_for_people(mesh, letters):
    """A row per letter with its reason."""
    header, first, *_ = (await mesh("deadletter", "list")).stdout.splitlines()

    assert header.split() == [
        *("Number", "Age", "Endpoint", "Deployment", "Lane", "Attempts", "Size", "Reason"),
    ]
    assert first.split()[2:6] == ["iris", "green", "interactive", "3"]
    assert "its runner died" in first


async def test_show_tells_all_and_writes_the_body(mesh, letters, tmp_path):
    """Headers as they were; the body into a file, byte for byte."""
    target = tmp_path / "body"

    shown = await mesh.json("deadletter", "show", "2", "--body", str(target))

    assert (shown["request_id"], shown["headers"]) == ("r2", {wire.CONTENT_TYPE: "text/plain"})
    assert target.read_bytes() == b"a body"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "4"), 4),
        (("show", "0"), 2),
        (("show", "x"), 2),
        (("show", "2", "--body", "/nowhere/body"), 2),
        (("list", "-e", "lily"), 4),
        (("list", "-e", "iris", "-n", "red"), 4),
        (("list", "-e", "*"), 2),
        (("list", "--limit", "0"), 2),
        (("retry",), 2),
    ],
)
async def test_what_is_wrong_is_told(mesh, letters, words, code):
    """By an exit code and a line on stderr."""
    result = await mesh("deadletter", *words)

    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr


async def test_no_letters_are_an_empty_list(mesh, service):
    """Nothing was given up: no error."""
    assert await mesh.json("deadletter", "list") == []
