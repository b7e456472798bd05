"""What of its machine an instance gets: which GPUs, which cores, and whether there is room.

A fraction of a GPU goes where the least is left over, so that whole GPUs stay whole; where nothing
fits, a machine that may be shared gives what is used least. Ring: decisions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from mesh.figures import size_text
from mesh.gpus import Gpu, Gpus
from scaler.launchers import Need, NoRoomError, Place, Running

EPSILON: Final = 1e-6

Taken = Sequence[Running]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What instances may use: the numbers of its cores, its memory (0: not known), its GPUs.

    `strict`: what does not fit is refused; else it gets what there is.
    """

    cpus: tuple[int, ...] = ()
    memory_bytes: int = 0
    gpus: Gpus = Gpus(reason="none was looked for")
    strict: bool = False


ANY_MACHINE: Final = Machine()


def lacks(need: Need, machine: Machine) -> str:
    """Say why nobody can ever have this here; empty if somebody can."""
    if need.device == "cuda" and not machine.gpus.found:
        return f"mesh.device: cuda: no GPU on this machine ({machine.gpus.reason})"
    return shortage(need, machine) if machine.strict else ""


def shortage(need: Need, machine: Machine) -> str:
    """Say what an instance asks for that the whole machine does not have; empty if nothing."""
    cores, memory_bytes = _asked_cores(need), _asked_memory(need)
    parts = []
    if machine.cpus and cores > len(machine.cpus) + EPSILON:
        parts.append(f"{cores:g} cores, this machine has {len(machine.cpus)}")
    if machine.memory_bytes and memory_bytes > machine.memory_bytes:
        have = size_text(machine.memory_bytes)
        parts.append(f"{size_text(memory_bytes)} of memory, this machine has {have}")
    if text := _gpu_shortage(need, machine.gpus):
        parts.append(text)
    return "; ".join(parts)


def place(need: Need, machine: Machine, taken: Taken) -> Place:
    """Return where an instance goes.

    Args:
        need: what it asks for.
        machine: what there is.
        taken: the living instances.

    Raises:
        NoRoomError: the machine is strict, and others have what this one needs.
    """
    if machine.strict:
        _require_room(need, machine, taken)
    gpus = _choose_gpus(need, machine, [running.place for running in taken])
    share = gpu_share(need, gpus[0]) if gpus and need.gpus else 0.0
    cpus = choose_cpus(need.cores, machine.cpus, (running.place.cpus for running in taken))
    return Place(gpus=tuple(gpu.uuid for gpu in gpus), share=share, cpus=cpus)


def cut(need: Need, machine: Machine) -> Need:
    """Return what an instance is held to: no more than there is means no limit."""
    cores = need.cores if not machine.cpus or need.cores < len(machine.cpus) else 0.0
    within = not machine.memory_bytes or need.memory_bytes < machine.memory_bytes
    return replace(need, cores=cores, memory_bytes=need.memory_bytes if within else 0)


def least_loaded(gpus: Sequence[Gpu], taken: Iterable[str]) -> Gpu:
    """Return the GPU with the fewest instances, the first of several.

    Args:
        gpus: at least one.
        taken: the UUIDs that living instances have; what is not among `gpus` does not count.
    """
    load = Counter(taken)
    return min(gpus, key=lambda gpu: load[gpu.uuid])


def gpu_share(need: Need, gpu: Gpu) -> float:
    """Return how much of this GPU an instance takes; more than 1 if it has too little memory."""
    if gpu.memory_bytes and need.gpu_memory_bytes > gpu.memory_bytes * (1 + EPSILON):
        return need.gpu_memory_bytes / gpu.memory_bytes
    if need.gpus >= 1:
        return 1.0
    if gpu.memory_bytes and need.gpu_memory_bytes:
        return need.gpu_memory_bytes / gpu.memory_bytes
    return need.gpus


def best_fit(need: Need, gpus: Sequence[Gpu], taken: Sequence[Place]) -> list[Gpu]:
    """Return the GPUs for a whole number or a fraction of them; none if they do not fit.

    The fullest that still has room for a fraction; for whole ones the smallest that nobody has.
    """
    free = free_shares(gpus, taken)
    if need.gpus < 1:
        fit = [gpu for gpu in gpus if gpu_share(need, gpu) <= free[gpu.uuid] + EPSILON]
        return [min(fit, key=lambda gpu: free[gpu.uuid] - gpu_share(need, gpu))] if fit else []
    used = {uuid for one in taken for uuid in one.gpus}
    fit = [gpu for gpu in gpus if gpu.uuid not in used and gpu_share(need, gpu) <= 1 + EPSILON]
    count = int(need.gpus)
    return sorted(fit, key=lambda gpu: gpu.memory_bytes)[:count] if len(fit) >= count else []


def free_shares(gpus: Sequence[Gpu], taken: Iterable[Place]) -> dict[str, float]:
    """Return how much of each GPU nobody has set aside; below 0 where it was given away twice."""
    free = dict.fromkeys((gpu.uuid for gpu in gpus), 1.0)
    for one in taken:
        for uuid in one.gpus:
            if uuid in free:
                free[uuid] -= one.share
    return free


def choose_cpus(
    cores: float, cpus: Sequence[int], taken: Iterable[Sequence[int]]
) -> tuple[int, ...]:
    """Return the whole cores for so many, those with the fewest instances; empty for all."""
    count = math.ceil(cores - EPSILON)
    if not 0 < count < len(cpus):
        return ()
    load = Counter(cpu for one in taken for cpu in one)
    return tuple(sorted(sorted(cpus, key=lambda cpu: load[cpu])[:count]))


def _choose_gpus(need: Need, machine: Machine, taken: Sequence[Place]) -> list[Gpu]:
    gpus = machine.gpus.found
    if not need.wants_gpu or not gpus:
        return []
    if not need.gpus:
        open_ones = _not_full(gpus, taken) or gpus
        return [least_loaded(open_ones, (uuid for one in taken for uuid in one.gpus))]
    if fit := best_fit(need, gpus, taken):
        return fit
    free = free_shares(gpus, taken)
    load = Counter(uuid for one in taken for uuid in one.gpus)
    count = max(1, min(int(need.gpus), len(gpus)))
    return sorted(gpus, key=lambda gpu: (-free[gpu.uuid], load[gpu.uuid]))[:count]


def _require_room(need: Need, machine: Machine, taken: Taken) -> None:
    cores = len(machine.cpus) - sum(_asked_cores(one.need) for one in taken)
    if machine.cpus and _asked_cores(need) > cores + EPSILON:
        has = f"{max(0.0, cores):g} of {len(machine.cpus)} cores"
        raise NoRoomError(f"no room: it needs {_asked_cores(need):g} cores, {has} are free")
    free_bytes = machine.memory_bytes - sum(_asked_memory(one.need) for one in taken)
    if machine.memory_bytes and _asked_memory(need) > free_bytes:
        has = f"{size_text(max(0, free_bytes))} of {size_text(machine.memory_bytes)}"
        asks = size_text(_asked_memory(need))
        raise NoRoomError(f"no room: it needs {asks} of memory, {has} are free")
    places = [one.place for one in taken]
    gpus = machine.gpus.found
    if need.wants_gpu and not (
        best_fit(need, gpus, places) if need.gpus else _not_full(gpus, places)
    ):
        shares = free_shares(gpus, places)
        has = ", ".join(
            f"GPU {gpu.index} has {max(0.0, shares[gpu.uuid]):.0%} free" for gpu in gpus
        )
        raise NoRoomError(f"no room: it needs {_gpu_text(need)}, {has}")


def _not_full(gpus: Sequence[Gpu], taken: Sequence[Place]) -> list[Gpu]:
    free = free_shares(gpus, taken)
    return [gpu for gpu in gpus if free[gpu.uuid] > EPSILON]


def _gpu_shortage(need: Need, gpus: Gpus) -> str:
    if not need.gpus or best_fit(need, gpus.found, ()):
        return ""
    if not gpus.found:
        return f"{_gpu_text(need)}, this machine has none ({gpus.reason})"
    have = ", ".join(
        f"{gpu.name} {size_text(gpu.memory_bytes)}" if gpu.memory_bytes else gpu.name
        for gpu in gpus.found
    )
    return f"{_gpu_text(need)}, this machine has {len(gpus.found)} ({have})"


def _gpu_text(need: Need) -> str:
    what = f"{need.gpus or 1:g} GPU" + ("s" if need.gpus > 1 else "")
    each = " each" if need.gpus > 1 else ""
    memory = need.gpu_memory_bytes
    return f"{what} with {size_text(memory)}{each}" if memory else what


def _asked_cores(need: Need) -> float:
    return need.reserved_cores or need.cores


def _asked_memory(need: Need) -> int:
    return need.reserved_memory_bytes or need.memory_bytes
