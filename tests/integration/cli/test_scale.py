"""`mesh scale history`, from the stream of changes."""

import io

import pytest
from rich.console import Console

from mesh import subjects, wire
from mesh.api import ScaleChange
from mesh.cli.scaleviews import scale_history
from mesh.management import Management
from mesh.scaling.observation import Observation
from mesh.wire import ScaleDecision

HISTORY = ("scale", "history", "-e", "iris")


def change(before, after, deployment="blue", **seen):
    return ScaleDecision(
        endpoint="iris",
        deployment=deployment,
        before=before,
        after=after,
        reason=f"need {after}",
        at_s=1.0,
        **seen,
    )


@pytest.fixture
async def told(bus, mesh):
    """An endpoint with a deployment that grew twice and one that grew once."""
    await mesh("endpoint", "create", "-n", "iris")
    for said in (
        change(
            0,
            1,
            lanes={"interactive": 2, "shadow": 0},
            asked={"utilization": 3},
            why={"utilization": "2 requests"},
            seen=Observation(current=0, depth=2),
        ),
        change(1, 3, "green"),
        change(
            1,
            2,
            ready=1,
            cpu_percent=41.5,
            seen=Observation(current=1, cpu_percent=41.5, depth=None),
        ),
    ):
        subject = subjects.scale(said.endpoint, said.deployment)
        await bus.request(subject, wire.encode(said))
    return bus


async def test_changes_are_told_oldest_first(mesh, told):
    """When, whose and from what to what; below it why, what was seen and what was asked for."""
    lines = (await mesh(*HISTORY)).stdout.splitlines()

    assert lines == [
        "1970-01-01 00:00:01 UTC  blue  0 -> 1",
        "  need 1",
        "  seen: interactive=2, 0 ready, 2 queued or running",
        "  asked: utilization 3",
        "1970-01-01 00:00:01 UTC  green  1 -> 3",
        "  need 3",
        "1970-01-01 00:00:01 UTC  blue  1 -> 2",
        "  need 2",
        "  seen: queue empty, 1 ready, CPU 42%",
    ]


def test_a_narrow_terminal_is_enough():
    """Nothing is wider than 80 columns, whatever the reason; what is too long goes on below."""
    seen = Observation(current=1, depth=8, in_flight=2, offered_per_s=12.5, cpu_percent=31.0)
    decision = ScaleChange(
        at_s=1.0,
        endpoint_name="iris",
        deployment="blue",
        generation=1,
        before=1,
        after=4,
        reason="8 requests queued or running, 1 at once to 70%, need 12, max_instances is 4",
        min_instances=1,
        max_instances=4,
        asked={"demand": 1, "utilization": 12},
        queue={"interactive": 6, "queued": 2},
        ready=1,
        slots=1,
        service_s=0.2,
        cpu_percent=31.0,
        seen=seen,
    )
    terminal = Console(file=io.StringIO(), width=80)

    terminal.print(scale_history([decision] * 2))
    lines = terminal.file.getvalue().splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) == 10


async def test_changes_of_one_deployment(mesh, told):
    """`-n` picks a deployment, `--limit` the newest; JSON has all that was seen."""
    blue = await mesh.json(*HISTORY, "-n", "blue")
    [last] = await mesh.json(*HISTORY, "-n", "blue", "--limit", "1")

    assert [one["after"] for one in blue] == [1, 2]
    assert blue[0]["queue"] == {"interactive": 2, "shadow": 0}
    assert blue[0]["asked"] == {"utilization": 3}
    assert blue[0]["why"] == {"utilization": "2 requests"}
    assert blue[0]["seen"]["depth"] == 2
    assert (last["after"], last["cpu_percent"], last["service_s"]) == (2, 41.5, None)


@pytest.mark.parametrize("who", [("-e", "rose"), ("-e", "iris", "-n", "red")])
async def test_what_does_not_exist_is_told(mesh, told, who):
    """An empty history is shown only of what is there."""
    assert (await mesh("scale", "history", *who)).exit_code == 4


async def test_no_changes_yet(mesh, service):
    """Nothing has happened: no error, an empty list."""
    await mesh("endpoint", "create", "-n", "iris")

    assert await mesh.json(*HISTORY) == []


async def test_the_sdk_tells_the_same(bus, told):
    """`scaling.history` returns what the command shows."""
    changes = await Management(bus).scaling.history("iris", limit=2)

    assert [(one.deployment, one.after) for one in changes] == [("green", 3), ("blue", 2)]
