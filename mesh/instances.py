"""The states an instance says it is in. Ring: values.

`probation`: it serves one request at a time until it has shown that it is no worse than the
generation it is to replace. `unready`: its readiness probe fails. `suspect`: it answers so much
worse than others that it has stopped pulling.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

InstanceState = Literal[
    "starting", "probation", "ready", "unready", "suspect", "draining", "failed"
]
INSTANCE_STATES: Final[tuple[InstanceState, ...]] = get_args(InstanceState)
SERVING_STATES: Final[tuple[InstanceState, ...]] = ("probation", "ready")
