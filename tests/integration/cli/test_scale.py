"""`mesh scale history`, from the stream of changes."""

import pytest

from mesh import subjects, wire
from mesh.management import Management
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
        change(0, 1, lanes={"interactive": 2, "shadow": 0}, asked={"utilization": 3}),
        change(1, 3, "green"),
        change(1, 2, ready=1, cpu_percent=41.5),
    ):
        subject = subjects.scale(said.endpoint, said.deployment)
        await bus.request(subject, wire.encode(said))
    return bus


async def test_changes_are_told_oldest_first(mesh, told):
    """A row per change: when, whose, from what to what, why, and what was seen."""
    lines = [line.split("  ") for line in (await mesh(*HISTORY)).stdout.splitlines()]
    header, *rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]

    assert header[:4] == ["Time", "Deployment", "Instances", "Reason"]
    assert [row[1:4] for row in rows] == [
        ["blue", "0 -> 1", "need 1"],
        ["green", "1 -> 3", "need 3"],
        ["blue", "1 -> 2", "need 2"],
    ]
    assert rows[0][4] == "interactive=2"
    assert rows[2][-1] == "42%"


async def test_changes_of_one_deployment(mesh, told):
    """`-n` picks a deployment, `--limit` the newest; JSON has all that was seen."""
    blue = await mesh.json(*HISTORY, "-n", "blue")
    [last] = await mesh.json(*HISTORY, "-n", "blue", "--limit", "1")

    assert [one["after"] for one in blue] == [1, 2]
    assert blue[0]["queue"] == {"interactive": 2, "shadow": 0}
    assert blue[0]["asked"] == {"utilization": 3}
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
    """`scale_history` returns what the command shows."""
    changes = await Management(bus).scale_history("iris", limit=2)

    assert [(one.deployment, one.after) for one in changes] == [("green", 3), ("blue", 2)]
