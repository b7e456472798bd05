"""Back-off: when the next instance of a generation may start."""

import pytest

from scaler.crashes import Crashes, Ending, Pace

CRASH = Ending(reason="exited with code 1")


def test_boot_delay_doubles_from_half_a_second():
    """A generation that never served is tried again after 0.5, 1 and 2 s."""
    assert [Pace().boot_delay_s(n) for n in (1, 2, 3)] == [0.5, 1, 2]


def test_restart_delay_starts_at_once_and_is_capped():
    """A generation that served is restarted at once, then ever slower, at most 30 s apart."""
    delays = [Pace().restart_delay_s(n) for n in range(1, 20)]

    assert delays[:5] == [0, 0.5, 1, 2, 4]
    assert delays == sorted(delays)
    assert max(delays) == 30


def test_crashes_before_the_next_start_count_once():
    """Instances that go down together had one cause."""
    crashes = Crashes()
    for now_s in (100.0, 100.1, 100.2):
        crashes = crashes.after(CRASH, now_s, has_served=False)

    assert crashes.count == 1
    assert crashes.retry_at_s == 100.5


@pytest.mark.parametrize(("crashes", "final"), [(3, False), (4, True)])
def test_never_served_generation_is_given_up_after_three_retries(crashes, final):
    """The first start and three more; then it has failed."""
    memory = Crashes()
    for n in range(crashes):
        memory = memory.after(CRASH, 100.0 * n, has_served=False)

    assert memory.are_final is final


def test_boot_failure_is_final_at_once():
    """A model that says it cannot start is not tried again."""
    memory = Crashes().after(Ending(reason="no file", boot_failed=True), 0.0, has_served=False)

    assert memory.are_final
    assert memory.reason == "no file"


def test_stable_run_forgets_earlier_crashes():
    """After ten seconds of readiness the next crash is the first again."""
    memory = Crashes(count=7, retry_at_s=10.0)

    memory = memory.after(Ending(reason="x", ready_for_s=10.0), 100.0, has_served=True)

    assert memory.count == 1
    assert memory.retry_at_s == 100.0
