"""The parts of the scaling bench that decide: Knative's algorithm, who is better, what is apart."""

import pytest

from benchmarks.scaling import report
from benchmarks.scaling.contenders import CONTENDERS
from benchmarks.scaling.figures import IDEAL, Run, rows_of, verdicts
from benchmarks.scaling.kpa import TICK_S, Kpa
from benchmarks.scaling.reality import apart
from mesh.scaling.observation import Observation


class Knative:
    """The autoscaler, asked at each tick; every instance it wants is ready at the next."""

    def __init__(self, count: int = 1) -> None:
        self.kpa = Kpa(1, 100)
        self.count = count
        self.now_s = 0.0

    def tick(self, depth, times=1):
        for _ in range(times):
            seen = Observation(current=self.count, ready=self.count, depth=depth)
            self.count = self.kpa.decide(seen, self.now_s).count
            self.now_s += TICK_S
        return self.count


def test_kpa_holds_seventy_percent():
    """Seven requests in one-slot instances need ten."""
    assert Knative(10).tick(7, times=31) == 10


def test_kpa_panics_at_twice_what_is_meant():
    """The mean of six seconds counts then, not that of sixty."""
    knative = Knative(10)
    knative.tick(7, times=31)

    assert knative.tick(35, times=3) == 50


def test_kpa_takes_nothing_away_in_a_panic():
    """For sixty seconds after the last sign of it."""
    knative = Knative(10)
    knative.tick(7, times=31)
    peak = knative.tick(35, times=3)

    assert knative.tick(7, times=27) == peak
    assert knative.tick(7, times=5) < peak


def test_kpa_halves_at_most():
    """Whatever the demand says."""
    knative = Knative(40)
    knative.tick(28, times=31)

    counts = [knative.tick(0) for _ in range(40)]

    assert all(after >= before // 2 for before, after in zip([40, *counts], counts, strict=False))
    assert counts[-1] == 1


def test_kpa_stays_between_two_ticks():
    """Its loop runs every two seconds."""
    kpa = Kpa(1, 100)
    kpa.decide(Observation(current=1, ready=1, depth=0), 0.0)

    assert kpa.decide(Observation(current=1, ready=1, depth=50), 1.0).count == 1


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda one: one.name)
def test_contenders_decide_within_the_bounds(contender):
    """Each can be made, and says a count that all may have."""
    policy = contender.make()

    counts = [
        policy.decide(Observation(current=1, ready=1, depth=500, service_s=0.2), 0.25 * look).count
        for look in range(20)
    ]

    assert all(1 <= count <= 40 for count in counts)


def run(policy, late, worker_s, seed=1):
    return Run(
        trace="office",
        policy=policy,
        seed=seed,
        requests=1000,
        late=late,
        worker_s=worker_s,
        most_instances=1,
        changes=0,
    )


def test_rows_are_means_over_the_seeds():
    """With the smallest and the largest share beside."""
    (row,) = rows_of([run("ours", 10, 100), run("ours", 30, 300, seed=2)])

    assert (row.late_share, row.late_shares, row.worker_s) == (0.02, (0.01, 0.03), 200)


@pytest.mark.parametrize(
    ("late", "worker_s", "won"),
    [
        pytest.param(20, 200, ["office"], id="better on both"),
        pytest.param(10, 100, ["office"], id="the same"),
        pytest.param(5, 200, [], id="more late"),
        pytest.param(20, 50, [], id="dearer"),
    ],
)
def test_a_trace_is_won_on_both_axes_or_not_at_all(late, worker_s, won):
    """And the ideal is no rival."""
    rows = rows_of([run("ours", 10, 100), run("other", late, worker_s), run(IDEAL, 0, 10)])

    assert report.won(list(verdicts(rows, "ours"))) == won


def test_losses_are_said():
    """In the sentence on each trace."""
    rows = rows_of([run("ours", 10, 100), run("other", 5, 200)])

    said = report.sentences(verdicts(rows, "ours"), {"other": "Other"})

    assert said == ["- `office`: Other: **more late**, no dearer"]


def test_put_replaces_what_stands_between_its_lines(tmp_path):
    """And refuses a page without them."""
    page = tmp_path / "page.md"
    page.write_text("a\n<b>\nold\n<e>\nz\n")

    report.put(page, "<b>", "<e>", "new")

    assert page.read_text() == "a\n<b>\n\nnew\n\n<e>\nz\n"
    with pytest.raises(ValueError, match="has no"):
        report.put(page, "<x>", "<e>", "new")


def test_a_change_a_second_later_is_no_difference():
    """Within the shift; without it the counts differ for as long."""
    real, simulated = [(10.0, 4)], [(11.0, 4)]
    times = [9.0, 10.5, 12.0]

    assert apart(real, simulated, times, 1.0) == [0, 0, 0]
    assert apart(real, simulated, times, 0.0) == [0, 3, 0]
