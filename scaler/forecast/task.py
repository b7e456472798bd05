"""What a process that computes a forecast is given. Ring: values."""

from __future__ import annotations

import msgspec

from mesh.loads import LoadPoint


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be foreseen: from when on, by how many days at least, how safely."""

    now_s: float
    min_days: int
    percentile: int


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment's demand, and what is wished for."""

    points: list[LoadPoint]
    wish: Wish
