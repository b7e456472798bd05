"""Append-only logs of what was asked, answered and run: one JSON line, one write.

All times are seconds of the machine's monotonic clock, which every process here shares and no
clock step moves.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["http", "keyed", "invoke", "async", "enqueue"]
KINDS: tuple[Kind, ...] = ("http", "keyed", "invoke", "async", "enqueue")
QUEUED: tuple[Kind, ...] = ("async", "enqueue")


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag="sent"):
    """A request is about to be sent; `timeout_s` is its deadline from now on."""

    id: str
    kind: Kind
    at_s: float
    timeout_s: float


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The mesh has said that it will see to a queued request, which it calls `name`."""

    id: str
    name: str
    at_s: float


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered"):
    """An answer came: its status, the error's code, whose id is in it, and what it looks like."""

    id: str
    at_s: float
    status: int
    error: str = ""
    own: str = ""
    digest: str = ""


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, tag="unanswered"):
    """No answer will come. `refused`: nobody took the request; `cut`: its gateway was killed;
    `silent`: waited for in vain; `unconfirmed`: a queued one, and nobody said that it is safe;
    `gone`: its caller never read an answer."""

    id: str
    at_s: float
    why: Literal["refused", "cut", "silent", "unconfirmed", "gone"]


class Routed(msgspec.Struct, frozen=True, kw_only=True, tag="routed"):
    """A gateway, which calls itself so, has queued a synchronous request."""

    id: str
    gateway: str
    at_s: float


class Struck(msgspec.Struct, frozen=True, kw_only=True, tag="struck"):
    """A gateway or the broker went, or its link did: what was on its way may be gone."""

    at_s: float


Entry = Sent | Accepted | Answered | Unanswered | Routed | Struck


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The model says that it begins with a request, or has ended with it."""

    id: str
    event: Literal["begin", "end"]
    pid: int
    at_s: float


class Journal:
    """A file that is only ever appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    def note(self, entry: Entry) -> None:
        """Append one entry."""
        os.write(self._fd, msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """Write no more."""
        os.close(self._fd)


def read_entries(path: Path) -> list[Entry]:
    """Read the load generator's log."""
    return [msgspec.json.decode(line, type=Entry) for line in _lines(path)]


def read_runs(path: Path) -> list[Run]:
    """Read the model's log; there is none if it was never asked."""
    return [msgspec.json.decode(line, type=Run) for line in _lines(path)] if path.exists() else []


def _lines(path: Path) -> Iterator[bytes]:
    lines: Iterable[bytes] = path.read_bytes().splitlines()
    return iter(lines)
