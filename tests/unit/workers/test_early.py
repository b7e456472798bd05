"""Cancellations that come before their requests."""

from workers.early import REMEMBER, REMEMBER_S, Early


def test_cancelled_request_is_known_once():
    """Whoever has its id after that is another one."""
    early = Early()

    early.note("one", 10.0)

    assert not early.take("two", 10.1)
    assert early.take("one", 10.1)
    assert not early.take("one", 10.1)


def test_cancellation_is_forgotten():
    """After a moment, or when there are too many after it."""
    early = Early()

    early.note("late", 10.0)
    assert not early.take("late", 10.0 + REMEMBER_S)
    for number in range(REMEMBER + 1):
        early.note(str(number), 20.0)

    assert not early.take("0", 20.0)
    assert early.take("1", 20.0)
