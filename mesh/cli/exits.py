"""Exit codes that scripts can rely on. Ring: values."""

from __future__ import annotations

from typing import ClassVar, Final

from mesh.errors import (
    BusError,
    ConflictError,
    DeadlineExceededError,
    MeshError,
    NotFoundError,
    OutOfQuotaError,
    RequestError,
    SpecError,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_FOUND: Final = 4
CONFLICT: Final = 5
DEPLOYMENT_FAILED: Final = 6
STILL_GOING: Final = 7
OUT_OF_QUOTA: Final = 8
INTERRUPTED: Final = 130

MEANINGS: Final[dict[int, str]] = {
    OK: "done",
    FAILED: "the operation failed, or the model answered with an error",
    USAGE: "wrong usage, or a YAML file or a setting breaks a rule",
    UNREACHABLE: "the mesh does not run, or does not answer",
    NOT_FOUND: "there is no such endpoint, deployment, request or dead letter",
    CONFLICT: "it exists already, was changed meanwhile, has ended, has traffic, or scales by load",
    DEPLOYMENT_FAILED: "the deployment ended as Failed",
    STILL_GOING: "--timeout has passed; the operation goes on",
    OUT_OF_QUOTA: "there is no quota for the instances that were asked for",
    INTERRUPTED: "interrupted with Ctrl-C; what was begun goes on",
}


class DeploymentFailedError(MeshError):
    """The deployment has failed."""

    code: ClassVar[str] = "deployment_failed"


CODES: Final[dict[type[MeshError], int]] = {
    SpecError: USAGE,
    NotFoundError: NOT_FOUND,
    ConflictError: CONFLICT,
    OutOfQuotaError: OUT_OF_QUOTA,
    RequestError: USAGE,
    BusError: UNREACHABLE,
    DeploymentFailedError: DEPLOYMENT_FAILED,
    DeadlineExceededError: STILL_GOING,
}


def exit_code(error: MeshError) -> int:
    """Return the exit code of the nearest class of an error that has one."""
    for candidate in type(error).__mro__:
        if candidate in CODES:
            return CODES[candidate]
    return FAILED


def help_text() -> str:
    """Tell every exit code, a line each, for the end of a help page."""
    lines = [f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items()]
    return "\b\nExit codes:\n" + "\n".join(lines)
