"""An instance for which there is no room is tried for ever."""

from scaler.crashes import TRIES, Crashes, Ending

NO_ROOM = Ending(reason="no room: it needs 4 cores", no_room=True)


def after(*endings: Ending) -> Crashes:
    """What is remembered of endings, each when the next start was due."""
    crashes = Crashes()
    for ending in endings:
        crashes = crashes.after(ending, crashes.retry_at_s, has_served=False)
    return crashes


def test_a_generation_that_finds_no_room_is_never_given_up():
    """The reason stays, and the tries are at most two seconds apart."""
    crashes = after(*[NO_ROOM] * 20)

    assert not crashes.are_final
    assert (crashes.no_room, crashes.count) == (True, TRIES)
    assert crashes.retry_at_s <= 20 * 2.0


def test_what_crashes_after_it_found_room_is_given_up():
    """As any other generation that cannot start."""
    assert after(NO_ROOM, *[Ending(reason="exited with code 7")] * 4).are_final
