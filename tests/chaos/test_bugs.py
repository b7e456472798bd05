"""The oracle finds bugs that are put in on purpose: the run that is clean without them is not."""

import pytest

from tests.chaos import faults, standstills, trial
from tests.chaos.load import Plan
from tests.chaos.rows import Row

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120)]
NOTHING = Row(name="none", title="nothing", fault=faults.nothing)
KILLED = Row(name="worker", title="kill -9 of a worker", fault=faults.kill_worker)
STOPPED = Row(name="stop", title="all workers stopped", fault=standstills.stop_all, short=0.2)


@pytest.mark.parametrize(
    ("bug", "row", "figure"),
    [
        ("ack_before_answer", KILLED, "lost"),
        ("drop_an_answer", NOTHING, "lost"),
        ("answer_twice", NOTHING, "duplicated"),
        ("run_what_expired", STOPPED, "dead_work"),
    ],
)
async def test_the_oracle_finds_a_bug(bug, row, figure, tmp_path):
    """Each injected bug makes its own figure other than zero, and the row fails."""
    report = await trial.run(row, Plan(seconds=8.0), tmp_path / bug, bug=bug)

    assert getattr(report.verdict, figure) > 0
    assert report.objections


async def test_the_runs_are_clean_without_a_bug(tmp_path):
    """Even with every worker stopped for a while, what nobody waits for any more is not run."""
    report = await trial.run(STOPPED, Plan(seconds=8.0), tmp_path / "clean")

    assert report.verdict.is_clean, report
