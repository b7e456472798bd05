"""A clock that jumps, for one process: libfaketime, told by a file what the time is."""

import email.utils
import importlib.util
import re
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

from mesh.process import wait_gone
from tests.chaos.faults import GONE_S, Scene, rest

FILE = "clock"
STEP_S = 3600
LAST_S = 2.5
STAMP = re.compile(r"^(\S+Z) .*lifecycle\.stop signal=SIGTERM", re.MULTILINE)


def environ(folder: Path) -> dict[str, str]:
    """Return what makes a process take its time from the file; the monotonic clock is the real one.

    Raises:
        FileNotFoundError: libfaketime is not there.
    """
    package = importlib.util.find_spec("libfaketime")
    if package is None or package.origin is None:
        raise FileNotFoundError("libfaketime")
    library = Path(package.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    set_clock(folder, 0)
    return {
        "LD_PRELOAD": str(library.resolve(strict=True)),
        "FAKETIME_TIMESTAMP_FILE": str(folder / FILE),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(folder: Path, step_s: int) -> None:
    """Let the clock be so much ahead of the real one."""
    (folder / FILE).write_text(f"{step_s:+d}\n")


async def step_worker(scene: Scene) -> str:
    """Step a worker's clock an hour ahead, an hour back, and let it drain there."""
    victim = scene.victim
    worker = victim.odd("workers")
    for step_s in (STEP_S, -STEP_S):
        set_clock(victim.folder, step_s)
        await rest(LAST_S)
    worker.send(signal.SIGTERM)
    assert not await wait_gone([worker], GONE_S)
    stamps = [_age_s(found) for found in STAMP.findall(victim.log_text("echo.blue.*.log"))]
    assert any(abs(age_s - STEP_S) < 60 for age_s in stamps), f"no clock was stepped: {stamps}"
    old_s = max(stamps)
    return (
        f"worker {worker.pid}: {STEP_S:+} s, then {-STEP_S:+} s; its last line is {old_s:.0f} s old"
    )


async def step_gateway(scene: Scene) -> str:
    """Step a gateway's clock an hour ahead, then an hour back."""
    victim = scene.victim
    gateway = victim.odd("gateway")
    url = next(one.url for one in victim.programs("gateway") if one.pid == gateway.pid)
    ahead = []
    async with httpx.AsyncClient() as http:
        for step_s in (STEP_S, -STEP_S):
            set_clock(victim.folder, step_s)
            await rest(LAST_S)
            answer = await http.get(f"{url}/healthz")
            date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
            ahead.append(date - time.time())
    assert abs(ahead[0] - STEP_S) < 60, f"no clock was stepped: {ahead}"
    assert abs(ahead[1] + STEP_S) < 60, f"no clock was stepped: {ahead}"
    return (
        f"gateway {gateway.pid}: its date header was {ahead[0]:+.0f} s, then {ahead[1]:+.0f} s off"
    )


def _age_s(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
