"""How a message of the work queue ends: decided here, carried out by the worker.

Every message ends in exactly one of acknowledged, handed back, or dead-lettered. A drain or a
neighbour's crash is not an attempt; only a runner that died with the request is. Ring: decisions.
"""

from __future__ import annotations

import msgspec

from mesh.backoff import backoff_s
from mesh.spec.options import RetryOptions


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


def settle_error(options: RetryOptions, errors: int, status: int, left_s: float) -> float | None:
    """Return the seconds until a queued request is tried again, None if its error is its result.

    Args:
        options: what the deployment allows.
        errors: how often its model has answered with an error, this time included.
        status: the model's status.
        left_s: seconds until its time limit, by which it must have begun again.
    """
    is_meant = status in options.statuses if options.statuses else 500 <= status < 600
    if errors >= options.max_attempts or not is_meant:
        return None
    delay_s = backoff_s(errors, options.initial_delay_s, options.max_delay_s)
    return delay_s if delay_s < left_s else None
