"""Having a forecast computed by another process. Ring: adapter."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from typing import Final

import msgspec

from mesh.loads import LoadPoint
from scaler.forecast.outlook import Outlook
from scaler.forecast.task import Task, Wish

LIMIT_S: Final = 120.0
COMMAND: Final = (sys.executable, "-m", "scaler.forecast")
LONGEST_ERROR: Final = 300


class FitError(Exception):
    """There is no forecast."""


async def fit(
    points: Sequence[LoadPoint],
    wish: Wish,
    command: Sequence[str] = COMMAND,
    limit_s: float = LIMIT_S,
) -> Outlook:
    """Return what the points let expect.

    Raises:
        FitError: the process failed, or took too long.
    """
    task = msgspec.msgpack.encode(Task(points=list(points), wish=wish))
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(limit_s):
            told, errors = await process.communicate(task)
    except TimeoutError as exc:
        raise FitError(f"it took more than {limit_s:g} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise FitError((lines[-1] if lines else f"exit code {process.returncode}")[:LONGEST_ERROR])
    return msgspec.msgpack.decode(told, type=Outlook)
