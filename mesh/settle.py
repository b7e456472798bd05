"""How a message of the work queue ends: decided here, carried out by the worker.

Every message ends in exactly one of acknowledged, handed back, or dead-lettered. A drain or a
neighbour's crash is not an attempt; only a runner that died with the request is. Ring: decisions.
"""

from __future__ import annotations

import msgspec


class Again(msgspec.Struct, frozen=True):
    """Run it again, alone."""

    attempt: int


class Dead(msgspec.Struct, frozen=True):
    """Give it up: dead-letter it, tell the caller, acknowledge."""

    reason: str
    attempts: int


def settle_crash(attempt: int, max_attempts: int, reason: str) -> Again | Dead:
    """Decide what becomes of a request whose runner died with it.

    Args:
        attempt: which attempt has just failed, from 1.
        max_attempts: how many the deployment allows, at least 1.
        reason: how the runner died.
    """
    if attempt >= max_attempts:
        return Dead(f"its runner died {attempt} times: {reason}", attempt)
    return Again(attempt + 1)
