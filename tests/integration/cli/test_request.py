"""`mesh request list` and `show`, from the streams of queued requests."""

import msgspec
import pytest

from mesh import jobs, subjects, wire
from mesh.records import JobRecord, JobRun
from mesh.streams import store

DONE = {wire.STATUS: "200", wire.CONTENT_TYPE: "text/plain", wire.DEPLOYMENT: "blue"}


@pytest.fixture
async def requests(bus, mesh):
    """Three requests of two endpoints: one done, one cancelled, one that waits."""
    await mesh("endpoint", "create", "-n", "iris")
    for endpoint, name in (("rose", "r1"), ("iris", "r2"), ("iris", "r3")):
        await jobs.note(bus, endpoint, name, JobRecord(deployment="blue", timeout_s=60.0, seq=1))
    run = JobRun(deployment="blue", lane="queued", seq=1, attempt=2, instance="i1")
    await store(bus, subjects.job_run("rose", "r1"), msgspec.json.encode(run))
    await jobs.keep_result(bus, "rose", "r1", b"body", DONE)


async def test_requests_are_listed_newest_first(mesh, requests):
    """Those of an endpoint that was deleted too, each with its state."""
    listed = await mesh.json("request", "list")

    assert [(one["request_id"], one["state"]) for one in listed] == [
        ("r3", "queued"),
        ("r2", "queued"),
        ("r1", "done"),
    ]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (("-e", "iris"), ["r3", "r2"]),
        (("--state", "done"), ["r1"]),
        (("--state", "done", "--state", "queued", "--limit", "2"), ["r3", "r2"]),
        (("--limit", "1"), ["r3"]),
        (("--state", "failed"), []),
    ],
)
async def test_the_options_narrow_the_list_down(mesh, requests, which, expected):
    """By endpoint, state and number."""
    listed = await mesh.json("request", "list", *which)

    assert [one["request_id"] for one in listed] == expected


async def test_one_is_shown_with_its_result(mesh, requests, tmp_path):
    """Who ran it, what it answered, and the body on demand."""
    shown = await mesh.json("request", "show", "-e", "rose", "r1", "--body", str(tmp_path / "b"))

    assert (shown["attempt"], shown["instance"], shown["status"]) == (2, "i1", 200)
    assert shown["submitted_at_s"] <= shown["begun_at_s"] <= shown["ended_at_s"]
    assert shown["headers"][wire.CONTENT_TYPE] == "text/plain"
    assert not [name for name in shown["headers"] if name.startswith("Nats-")]
    assert (tmp_path / "b").read_bytes() == b"body"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "-e", "iris", "nope"), 4, "no request 'nope'"),
        (("show", "-e", "iris", "a.b"), 4, "letters, digits, dashes and underscores"),
        (("list", "--state", "lost"), 2, "'lost' is not one of"),
        (("list", "-e", "nobody"), 4, "nobody"),
    ],
)
async def test_what_is_not_there_is_told(mesh, requests, words, code, said):
    """With what would be right."""
    done = await mesh("request", *words)

    assert done.exit_code == code
    assert said in done.stderr
