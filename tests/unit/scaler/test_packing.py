"""What of a machine an instance gets: fractions of GPUs, whole ones, cores, and room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.gpus import Gpu, Gpus
from mesh.settings import GIB
from mesh.subjects import WorkerAddress
from scaler.launchers import NOTHING, Need, NoRoomError, Place, Running
from scaler.launchers.assignment import (
    Machine,
    best_fit,
    choose_cpus,
    cut,
    free_shares,
    lacks,
    place,
    shortage,
)

GPUS = tuple(Gpu(index, f"GPU-{index}", "A100", 80 * GIB) for index in range(3))
SMALL = Gpu(3, "GPU-3", "T4", 16 * GIB)
HALF, QUARTER, WHOLE = Need(gpus=0.5), Need(gpus=0.25), Need(gpus=1)


def machine(*gpus: Gpu, **changes) -> Machine:
    given = {"cpus": (0, 1, 2, 3), "memory_bytes": 8 * GIB, "strict": True} | changes
    return Machine(gpus=Gpus(found=gpus, reason="" if gpus else "NVML: not here"), **given)


def on(*gpus: str, share: float = 0.0) -> Place:
    return Place(gpus=gpus, share=share)


def running(place: Place, need: Need = NOTHING) -> Running:
    address = WorkerAddress("iris", "blue", "g1-a")
    return Running(address=address, generation=1, pid=1, started_s=0.0, need=need, place=place)


def fill(there: Machine, needs) -> list[Running]:
    """Start as many as there is room for."""
    taken: list[Running] = []
    for need in needs:
        try:
            taken.append(running(place(need, there, taken), need))
        except NoRoomError:
            continue
    return taken


def test_a_fraction_goes_where_the_least_is_left():
    """A GPU that is in use is filled up before one that is whole."""
    chosen = best_fit(QUARTER, GPUS, [on("GPU-1", share=0.5), on("GPU-2", share=0.25)])

    assert [gpu.uuid for gpu in chosen] == ["GPU-1"]


def test_whole_gpus_are_those_that_nobody_has():
    """One that is shared, even by instances that set nothing aside, is not whole."""
    two = Need(gpus=2)

    assert [g.uuid for g in best_fit(two, GPUS, [on("GPU-0")])] == ["GPU-1", "GPU-2"]
    assert best_fit(two, GPUS, [on("GPU-0"), on("GPU-2", share=0.1)]) == []


def test_a_whole_gpu_is_the_smallest_that_will_do():
    """A large one is kept for who needs it."""
    gpus = (*GPUS, SMALL)

    assert best_fit(Need(gpus=1, gpu_memory_bytes=16 * GIB), gpus, []) == [SMALL]
    assert best_fit(Need(gpus=1, gpu_memory_bytes=32 * GIB), gpus, []) == [GPUS[0]]


def test_a_fraction_is_one_of_memory():
    """A share that says its memory takes that much of each GPU, whatever its size."""
    need = Need(gpus=1 / 6, gpu_memory_bytes=4 * GIB)

    assert place(need, machine(SMALL), []).share == 0.25
    assert place(need, machine(GPUS[0]), []).share == 0.05


needs = st.lists(
    st.one_of(
        st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0, 2.0]).map(lambda n: Need(gpus=n)),
        st.integers(1, 90).map(lambda n: Need(gpus=0.5, gpu_memory_bytes=n * GIB)),
    ),
    max_size=20,
)


@given(needs)
def test_no_gpu_is_given_away_twice(wanted):
    """On a strict machine the shares of a GPU never add up to more than it."""
    taken = fill(machine(*GPUS, SMALL), wanted)

    free = free_shares((*GPUS, SMALL), [one.place for one in taken])
    assert all(left >= -1e-4 for left in free.values())


@given(needs)
def test_who_is_refused_would_not_have_fitted(wanted):
    """A fraction is refused only if no GPU has so much left."""
    there = machine(*GPUS)
    taken = fill(there, wanted)
    free = max(free_shares(GPUS, [one.place for one in taken]).values())

    for share in (0.1, 0.5):
        if free > share + 1e-4:
            assert place(Need(gpus=share), there, taken).gpus


@given(needs)
def test_a_machine_that_may_be_shared_refuses_nobody(wanted):
    """Without `strict` everybody gets a GPU, and as many as asked for if there are."""
    there = machine(*GPUS, strict=False)
    taken = fill(there, wanted)

    assert [len(one.place.gpus) for one in taken] == [max(1, int(need.gpus)) for need in wanted]


def test_no_room_says_what_is_left():
    """Who reads it knows how much to free."""
    taken = [running(on("GPU-0", share=0.75), QUARTER)]

    with pytest.raises(NoRoomError, match=r"it needs 0\.5 GPU, GPU 0 has 25% free"):
        place(HALF, machine(GPUS[0]), taken)


@pytest.mark.parametrize(
    ("need", "text"),
    [
        (Need(cores=3), "it needs 3 cores, 2 of 4 cores are free"),
        (Need(memory_bytes=5 * GIB), "it needs 5.0 GiB of memory, 4.0 GiB of 8.0 GiB are free"),
    ],
)
def test_cores_and_memory_are_set_aside(need, text):
    """On a strict machine what others asked for is not given again."""
    other = Need(cores=4, memory_bytes=4 * GIB, reserved_cores=2)

    with pytest.raises(NoRoomError, match=text):
        place(need, machine(), [running(Place(), other)])


def test_more_than_the_machine_has_is_said():
    """All of it at once, whatever is in use."""
    need = Need(cores=16, memory_bytes=64 * GIB, gpus=2, gpu_memory_bytes=96 * GIB)

    assert shortage(need, machine(*GPUS)) == (
        "16 cores, this machine has 4; 64.0 GiB of memory, this machine has 8.0 GiB; "
        "2 GPUs with 96.0 GiB each, this machine has 3 "
        "(A100 80.0 GiB, A100 80.0 GiB, A100 80.0 GiB)"
    )


def test_what_can_never_be_had_is_refused_only_where_it_is_strict():
    """A file for a large machine runs on a small one, but for a GPU that a script needs."""
    assert "this machine has none" in lacks(WHOLE, machine())
    assert lacks(WHOLE, machine(strict=False)) == ""
    assert "no GPU on this machine" in lacks(Need(device="cuda"), machine(strict=False))


def test_a_limit_that_the_machine_is_anyway_is_none():
    """Nobody is bound to all cores, or watched for all memory."""
    need = Need(cores=4, memory_bytes=8 * GIB)

    assert cut(need, machine()) == Need()
    assert cut(Need(cores=1, memory_bytes=GIB), machine()) == Need(cores=1, memory_bytes=GIB)


@given(st.lists(st.sampled_from([0.2, 1, 1.5, 2, 3, 4, 9]), max_size=12))
def test_cores_are_spread(asked):
    """Each gets whole cores, those with the fewest instances; all of them is no binding."""
    taken: list[tuple[int, ...]] = []
    for cores in asked:
        chosen = choose_cpus(cores, (0, 1, 2, 3), taken)
        load = [sum(cpu in one for one in taken) for cpu in range(4)]
        taken.append(chosen)

        assert len(chosen) == (0 if cores > 3 else -(-cores // 1))
        others = [load[cpu] for cpu in range(4) if cpu not in chosen]
        assert not chosen or max(load[cpu] for cpu in chosen) <= min(others)
