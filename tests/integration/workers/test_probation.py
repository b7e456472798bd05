"""A new generation shows that it is no worse before it gets more than one request at a time."""

import pytest

from tests.integration.workers.crew import BAD, GOOD

pytestmark = pytest.mark.timeout(40)


async def test_a_newcomer_that_does_well_becomes_ready(crew):
    """After 20 answers, of which none failed."""
    await crew.start("old", GOOD, 1)
    await crew.until(lambda: crew.state("old") == "ready")
    crew.serving = 1
    async with crew.clients(4):
        await crew.until(lambda: len(crew.by("old")) > 20)
        await crew.start("new", GOOD, 2)
        await crew.until(lambda: crew.state("new") == "ready")

    states = [said.state for said in crew.said["new"]]
    assert "probation" in states
    assert states.index("probation") < states.index("ready")
    assert next(s.slots for s in crew.said["new"] if s.state == "probation") == 1


async def test_a_newcomer_that_fails_stops_by_itself(crew):
    """After no more than 20 failures, and for good; the old generation answers all else."""
    await crew.start("old", GOOD, 1)
    await crew.until(lambda: crew.state("old") == "ready")
    crew.serving = 1
    async with crew.clients(4):
        await crew.until(lambda: len(crew.by("old")) > 20)
        await crew.start("new", BAD, 2)
        await crew.until(lambda: crew.state("new") == "suspect")
        answered = len(crew.by("old"))
        await crew.until(lambda: len(crew.by("old")) > answered + 50)

    assert 1 <= len(crew.by("new")) <= 20
    assert {status for status, who in crew.answers if who == "old"} == {200}
    [reason] = {said.reason for said in crew.said["new"] if said.state == "suspect"}
    assert "answers failed (100%); of generation 1 0 of" in reason
    assert [event.message for event in crew.events if event.name == "Suspect"] == [reason]


async def test_a_newcomer_that_nobody_asks_becomes_ready(crew):
    """Ten seconds without a request are no reason to hold an update up."""
    await crew.start("old", GOOD, 1)
    crew.serving = 1
    await crew.start("new", GOOD, 2)
    await crew.until(lambda: crew.state("new") == "probation")

    await crew.until(lambda: crew.state("new") == "ready")

    assert crew.by("new") == []


async def test_a_newcomer_that_served_alone_is_judged_later(crew):
    """While no scaler speaks it serves, but is not ready; the next one finds it wanting."""
    crew.serving, crew.is_away = 1, True
    await crew.start("old", GOOD, 1)
    await crew.start("new", BAD, 2)
    async with crew.clients(4):
        await crew.until(lambda: len(crew.by("new")) > 20 and crew.by("old"))
        crew.is_away = False
        await crew.until(lambda: crew.state("new") == "suspect")

    assert "ready" not in {said.state for said in crew.said["new"]}


async def test_an_instance_of_the_serving_generation_has_no_probation(crew):
    """It is ready at once: its code serves already."""
    crew.serving = 2
    await crew.start("more", GOOD, 2)

    await crew.until(lambda: crew.state("more") == "ready")

    assert "probation" not in {said.state for said in crew.said["more"]}
