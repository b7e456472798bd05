"""A broken instance that fails fast does not draw the traffic of its good siblings."""

import pytest

from tests.integration.workers.crew import BAD, GOOD, SLOW

pytestmark = pytest.mark.timeout(40)


async def test_a_broken_instance_stops_by_itself(crew):
    """It fails at once and takes all it can get, until its failures are seen to be its own."""
    await crew.start("good", SLOW)
    await crew.start("fine", SLOW)
    async with crew.clients(8):
        await crew.until(lambda: min(len(crew.by("good")), len(crew.by("fine"))) > 40)
        await crew.start("bad", BAD)
        await crew.until(lambda: crew.state("bad") == "suspect")
        failures = len(crew.by("bad"))
        answered = len(crew.answers)
        await crew.until(lambda: len(crew.answers) > answered + 50)

    assert len(crew.by("bad")) == failures < 200
    assert set(crew.by("good") + crew.by("fine")) == {200}
    assert "of 2 of its siblings 0 of" in crew.said["bad"][-1].reason


async def test_a_model_that_fails_everywhere_trips_nothing(crew):
    """Each of its instances is as good as the others."""
    await crew.start("one", BAD)
    await crew.start("two", BAD)
    async with crew.clients(4):
        await crew.until(lambda: min(len(crew.by("one")), len(crew.by("two"))) > 300)
        told = [len(crew.said[name]) + 4 for name in ("one", "two")]
        await crew.until(lambda: [len(crew.said[n]) for n in ("one", "two")] > told)

    assert {crew.state("one"), crew.state("two")} == {"ready"}


async def test_a_single_instance_has_nobody_to_be_worse_than(crew):
    """It goes on, and so does one that has just broken."""
    await crew.start("only", GOOD)
    async with crew.clients(2):
        await crew.until(lambda: len(crew.by("only")) > 50)
    await crew.until(lambda: crew.said["only"][-1].service.answered > 50)

    assert "unready" not in {said.state for said in crew.said["only"]}


FRAGILE = """
import os, time
def init(): pass
def run(raw):
    if os.path.exists("{gate}"):
        raise ValueError("what all of them need is gone")
    time.sleep(0.02)
    return raw
"""


async def test_all_that_break_at_once_go_on(crew, tmp_path):
    """Those that fail first wait for a moment at most: the others tell that they fail too."""
    gate = tmp_path / "gate"
    for name in ("one", "two", "three"):
        await crew.start(name, FRAGILE.format(gate=gate))
    async with crew.clients(8):
        await crew.until(lambda: len(crew.answers) > 300)
        gate.touch()
        await crew.until(lambda: sum(status != 200 for status, _ in crew.answers) > 100)
        await crew.start("young", FRAGILE.format(gate=gate))
        await crew.until(lambda: all(len(crew.by(n)) > 1000 for n in ("one", "two", "young")))

    assert "suspect" not in {said.state for name in crew.said for said in crew.said[name]}
