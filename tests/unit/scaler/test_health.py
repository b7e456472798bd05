"""What heartbeats say of answers and failures, over the last half minute."""

from mesh.figures import ServiceTime
from mesh.wire import WorkerHeartbeat
from scaler.health import Health


def beat(answered, failed, instance="a", generation=1):
    return WorkerHeartbeat(
        endpoint="iris",
        deployment="blue",
        instance=instance,
        generation=generation,
        state="ready",
        service=ServiceTime(answered=answered),
        failed=failed,
    )


def told(health, now_s):
    return health.lately("iris", "blue", now_s)


def test_what_is_heard_first_is_where_it_stands():
    """A scaler that has just begun to listen does not know when that was."""
    health = Health()
    health.hear(beat(100, 50), 0.0)

    assert told(health, 0.0) == {}
    health.hear(beat(110, 51), 1.0)
    assert told(health, 1.0) == {"1": (10, 1)}


def test_older_answers_are_forgotten():
    """The window moves on with each heartbeat, and without any."""
    health = Health()
    for at_s in range(61):
        health.hear(beat(at_s, 0), float(at_s))

    assert told(health, 60.0) == {"1": (31, 0)}
    assert told(health, 100.0) == {}


def test_generations_are_apart():
    """And each is the sum of its instances."""
    health = Health()
    for answered in (0, 10):
        for instance, generation in (("a", 1), ("b", 1), ("c", 2)):
            health.hear(beat(answered, answered // 5, instance, generation), answered / 10)

    assert told(health, 1.0) == {"1": (20, 4), "2": (10, 2)}


def test_instances_have_their_totals():
    """All that each has counted, from its own start on."""
    health = Health()
    health.hear(beat(100, 50), 0.0)
    health.hear(beat(7, 0, "b", 2), 0.0)
    health.hear(beat(0, 0, "c", 2), 0.0)

    assert health.totals("iris", "blue") == {"1": {"a": (100, 50)}, "2": {"b": (7, 0)}}


def test_who_is_silent_is_forgotten():
    """Nothing is kept of what has ended."""
    health = Health()
    health.hear(beat(0, 0), 0.0)
    health.expire(31.0)

    assert repr(health) == "<Health deployments=0>"
