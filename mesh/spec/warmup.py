"""The request with which an instance is warmed up before it serves. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.spec.violation import MISSING, Violation


class WarmupOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A request that each runner must answer before it serves: `body`, `file` or `sample`."""

    body: Annotated[str | None, Meta(description="Its body.")] = None
    file: Annotated[
        str | None,
        Meta(
            description="A file that holds its body, by its path inside the code folder; of a "
            "`triton_model`, inside the model's."
        ),
    ] = None
    sample: Annotated[
        Literal["recorded"] | None,
        Meta(
            description="`recorded`: the last request of 16 KiB at most that was answered well, "
            "kept until the deployment is deleted; before there is one nothing is asked."
        ),
    ] = None
    content_type: Annotated[str, Meta(description="Content type of `body` or `file`.")] = (
        "application/json"
    )
    path: Annotated[str, Meta(description="Path that is asked, with `body` or `file`.")] = "/score"
    requests: Annotated[int, Meta(ge=1, le=100, description="How many times it is asked.")] = 1


def warmup_violations(warmup: WarmupOptions | None) -> Iterator[Violation]:
    """Yield every rule that a warm-up breaks."""
    if warmup is None:
        return
    here = ("mesh", "warmup")
    given = [name for name in ("body", "file", "sample") if getattr(warmup, name) is not None]
    if len(given) != 1:
        yield Violation(
            here, " and ".join(given) or MISSING, "must have one of body, file and sample"
        )
    if warmup.file is not None and not _is_inside(warmup.file):
        yield Violation((*here, "file"), warmup.file, "must be a path inside the folder")
    if not (warmup.path.startswith("/") and warmup.path.isascii() and warmup.path.isprintable()):
        yield Violation((*here, "path"), warmup.path, "must be a path such as /score")
    content_type = warmup.content_type
    if not (content_type and content_type.isascii() and content_type.isprintable()):
        yield Violation((*here, "content_type"), content_type, "must be a content type")


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
