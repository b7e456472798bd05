"""Which requests wait, which run, and which must run apart from the others."""

from mesh.subjects import Lane
from workers.desk import Desk
from workers.work import Work


def work(number: int, lane: Lane = "interactive", attempt: int = 1, deadline_s: float = 100.0):
    return Work(
        number=number,
        ack=f"ack.{number}",
        lane=lane,
        seq=number,
        delivered=attempt,
        attempt=attempt,
        is_last_try=attempt >= 3,
        request_id=f"id-{number}",
        reply="",
        deadline_s=deadline_s,
        stamped_s=0.0,
        held_s=0.0,
        body=b"",
        headers={},
    )


def test_interactive_runs_before_lower_lanes():
    """The order of the lanes is the order of starting."""
    desk = Desk(slots=3)
    for number, lane in enumerate(("shadow", "queued", "interactive")):
        desk.accept(work(number, lane), 0.0)

    started = [desk.start_next(0.0) for _ in range(3)]

    assert [one.lane for one in started if one] == ["interactive", "queued", "shadow"]


def test_no_more_run_than_there_are_slots():
    """The rest waits until one is finished."""
    desk = Desk(slots=1)
    desk.accept(work(1), 0.0)
    desk.accept(work(2), 0.0)
    desk.start_next(0.0)

    assert desk.start_next(0.0) is None
    desk.finish(1, 0.0)
    assert desk.start_next(0.0) is not None


def test_a_suspect_runs_apart():
    """A request that may have brought its runner down waits for an empty desk and keeps it so."""
    desk = Desk(slots=4)
    desk.accept(work(1), 0.0)
    desk.start_next(0.0)
    desk.accept(work(2, attempt=2), 0.0)
    desk.accept(work(3), 0.0)

    assert desk.start_next(0.0) is None, "nothing starts while a suspect waits"
    assert desk.start_suspect(0.0) is None, "the suspect waits for those that run"
    desk.finish(1, 0.0)
    assert desk.start_suspect(0.0).number == 2
    assert desk.start_next(0.0) is None, "nothing starts beside it"
    desk.finish(2, 0.0)
    assert desk.start_next(0.0).number == 3


def test_suspects_run_together_until_their_last_try():
    """Groups of the slots' square root, so that innocent neighbours do not wait in a long row."""
    desk = Desk(slots=4)
    for number, attempt in enumerate((2, 2, 2, 3, 3)):
        desk.accept(work(number, attempt=attempt), 0.0)

    groups = []
    while desk.suspects:
        groups.append([one.number for one in iter(lambda: desk.start_suspect(0.0), None)])
        for number in groups[-1]:
            desk.finish(number, 0.0)

    assert groups == [[0, 1], [2], [3], [4]]


def test_what_never_began_goes_back_to_the_head():
    """A neighbour's crash costs a request neither its place nor an attempt."""
    desk = Desk(slots=2)
    for number in (1, 2, 3):
        desk.accept(work(number), 0.0)
    desk.start_next(0.0)
    desk.start_next(0.0)

    desk.put_back(2, 0.0)

    assert desk.start_next(0.0).number == 2
    assert (desk.load.busy, desk.load.waiting) == (2, 1)


def test_counts_return_to_zero():
    """Whatever the way out, nothing is left inside."""
    desk = Desk(slots=1)
    for number in (1, 2, 3):
        desk.accept(work(number, deadline_s=number), 0.0)
    desk.start_next(0.0)

    desk.drop(desk.expired(2.0))
    desk.drop([desk.find("id-3")])
    desk.finish(1, 0.0)

    assert len(desk) == 0
    assert (desk.load.busy, desk.load.waiting, desk.find("id-3")) == (0, 0, None)
