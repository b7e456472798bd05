"""The broker's clock."""

import pytest

from mesh.clock import NS, BrokerClock, Sample, parse_broker_time


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [
        pytest.param("2026-01-01T00:00:00Z", 1767225600.0, id="whole seconds"),
        pytest.param("2026-01-01T00:00:00.25Z", 1767225600.25, id="short fraction"),
        pytest.param("2026-01-01T00:00:00.123456789Z", 1767225600.123456789, id="nanoseconds"),
        pytest.param("2026-01-01T02:00:00.5+02:00", 1767225600.5, id="another zone"),
    ],
)
def test_broker_time_is_read_to_the_nanosecond(text, unix_s):
    """The API answers in RFC 3339."""
    assert parse_broker_time(text) == pytest.approx(unix_s, abs=1e-6)


def test_a_skewed_host_still_sees_true_ages():
    """The offset cancels: only the broker's own clock counts."""
    clock = BrokerClock()
    clock.record(Sample(broker_s=1_000_000.0, local_s=50.0, round_trip_s=0.001))

    stamped_s = clock.local_s(int(999_997.0 * NS), now_s=50.5)

    assert stamped_s == pytest.approx(47.0)


def test_a_slow_sample_does_not_replace_a_quick_one():
    """A long round trip says little about when the broker looked at its clock."""
    clock = BrokerClock()
    clock.record(Sample(100.0, 10.0, 0.001))
    clock.record(Sample(100.0, 12.0, 1.0))

    assert clock.local_s(100 * NS, now_s=20.0) == pytest.approx(10.0)


def test_nothing_is_stamped_in_the_future():
    """A message cannot be younger than now."""
    clock = BrokerClock()
    clock.record(Sample(100.0, 10.0, 0.001))

    assert clock.local_s(500 * NS, now_s=11.0) == 11.0


def test_without_a_sample_a_message_counts_as_stamped_now():
    """Never a deadline in the past for lack of a measurement."""
    assert BrokerClock().local_s(5, now_s=3.0) == 3.0
