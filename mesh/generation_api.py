"""The verbs of a deployment's generations, as `mesh.api` has those of the rest. Ring: values."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mesh.records import Artifact

GenerationState = Literal["serving", "updating", "failed", "superseded"]


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """Put a deployment back to an earlier generation. Verb: deployment.rollback.

    `to`: which one; None for the one that serves if that is not the newest, else for the last one
    before it that has not failed. The rest takes the place of the same keys of `mesh.rollout`.
    """

    endpoint: str
    name: str
    to: int | None = None
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class GenerationView(msgspec.Struct, frozen=True, kw_only=True):
    """A generation of a deployment whose record is kept; `at_s` is when it was asked for.

    `change`: what differs from the one before, on one line. `reason`: why it has failed.
    """

    generation: int
    at_s: float
    change: str
    state: GenerationState
    reason: str = ""
    spec: dict[str, Any] = {}
    code: Artifact | None = None
    model: Artifact | None = None
