"""Stopping the mesh of a state folder from outside, and seeing that nothing of it is left.

Ring: service.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from mesh.embedded.folder import StateFolder
from mesh.errors import DeadlineExceededError
from mesh.process import Identity, wait_gone

OnLeft = Callable[[Sequence[str]], None]


async def stop_mesh(folder: StateFolder, timeout_s: float, on_left: OnLeft) -> bool:
    """Stop everything and wait until it is gone; tell whether anything ran.

    Args:
        folder: whose mesh.
        timeout_s: seconds to wait.
        on_left: called with the names of what still runs, at first and at each end.

    Raises:
        DeadlineExceededError: something still runs.
    """
    names = _names(folder)
    if not names:
        return False
    mesh = folder.mesh()
    if folder.is_held() and mesh is not None:  # it stops the others, in the right order
        Identity(pid=mesh.pid, create_time=mesh.create_time).send(signal.SIGTERM)
    else:
        for identity in names:
            identity.send(signal.SIGTERM)
    left = dict(names)
    on_left(list(left.values()))

    async def follow(identity: Identity) -> None:
        if not await wait_gone([identity], timeout_s):
            del left[identity]
            on_left(list(left.values()))

    await asyncio.gather(*(follow(identity) for identity in names))
    if left:
        what = ", ".join(f"{name} (pid {one.pid})" for one, name in left.items())
        raise DeadlineExceededError(f"still running after {timeout_s:g} s: {what}")
    return True


def _names(folder: StateFolder) -> dict[Identity, str]:
    """What runs, by process."""
    mesh = folder.mesh()
    named: dict[Identity, str] = {}
    if mesh is not None:
        *programs, own = mesh.processes()
        named = {one: view.name for one, view in zip(programs, mesh.programs, strict=True)}
        named[own] = "mesh up"
    named |= {one: f"worker {index}" for index, one in enumerate(folder.instances(), start=1)}
    return {identity: name for identity, name in named.items() if identity.is_alive()}
