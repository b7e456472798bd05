"""Load from wrk, one thread, and the check that answers are right. Ring: adapter."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks import processes
from benchmarks.figures import Sample
from benchmarks.processes import ServerError

SCRIPT: Final = Path(__file__).with_name("post.lua")
MARK: Final = "@result "


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What every server is asked, in its protocol's words: `answer` is the part that is checked."""

    body: str
    answer: dict[str, Any]


IRIS: Final = Question(body='{"data":[[5.1,3.5,1.4,0.2]]}', answer={"predictions": [2]})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A running server: where it scores, its key if it wants one, and the root of its processes."""

    url: str
    pid: int
    key: str = ""
    question: Question = IRIS


class WrkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `post.lua` prints."""

    requests: int
    duration_us: int
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int
    status_errors: int
    connect_errors: int
    read_errors: int
    write_errors: int
    timeouts: int

    @property
    def failed(self) -> int:
        """Requests that got no answer, or one with a status over 399."""
        return (
            self.status_errors
            + self.connect_errors
            + self.read_errors
            + self.write_errors
            + self.timeouts
        )


def wrk(target: Target, connections: int, seconds: float) -> WrkResult:
    """Run wrk once and return its figures."""
    arguments = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
    done = subprocess.run(
        ["wrk", *arguments, "-s", str(SCRIPT), target.url],
        env={**os.environ, "BENCH_BODY": target.question.body, "BENCH_KEY": target.key},
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return msgspec.json.decode(line.removeprefix(MARK), type=WrkResult)
    raise ServerError(f"wrk printed no result: {done.stdout} {done.stderr}")


def measure(server: str, turn: int, target: Target, connections: int, seconds: float) -> Sample:
    """Load a server once.

    Raises:
        ServerError: a request failed: a figure with errors in it says nothing.
    """
    before_s = processes.cpu_s(target.pid)
    result = wrk(target, connections, seconds)
    cpu_us = cpu_us_per_request(target, before_s, result.requests)
    if result.failed or not result.requests:
        raise ServerError(f"{server}, {connections} connections: {result}")
    return Sample(
        server=server,
        round=turn,
        connections=connections,
        requests_per_s=result.requests / result.duration_us * 1e6,
        p50_ms=result.p50_us / 1e3,
        p99_ms=result.p99_us / 1e3,
        failed=result.failed,
        cpu_us_per_request=cpu_us,
    )


def cpu_us_per_request(
    target: Target, before_s: dict[str, float], requests: int
) -> dict[str, float]:
    """Return what a request took of each process of a server since `before_s` was taken."""
    return {
        role: round((used_s - before_s.get(role, 0.0)) / max(requests, 1) * 1e6, 1)
        for role, used_s in processes.cpu_s(target.pid).items()
    }


def ask(target: Target) -> str:
    """Send one request; return an empty text if the answer is right, else what came."""
    where = urlsplit(target.url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)
    headers = {"Content-Type": "application/json"}
    if target.key:
        headers["Authorization"] = f"Bearer {target.key}"
    try:
        connection.request("POST", where.path, target.question.body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as exc:
        return repr(exc)
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        return f"{answer.status} {text[:200]}"
    return "" if _is_right(text, target.question) else f"a wrong answer: {text[:200]}"


def _is_right(text: str, question: Question) -> bool:
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and question.answer.items() <= answer.items()


def wait_until_right(target: Target, timeout_s: float = 60.0) -> None:
    """Return when the server gives the right answer.

    Raises:
        ServerError: it never did, or it ended.
    """
    deadline_s = time.monotonic() + timeout_s
    while wrong := ask(target):
        if time.monotonic() > deadline_s or not processes.tree(target.pid):
            raise ServerError(f"{target.url} did not come up: {wrong}")
        time.sleep(0.05)
