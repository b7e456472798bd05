"""Spans of time, by cron, with at least so many instances. Ring: values."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from mesh.spec.zones import UTC


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From each `start` to the next `end`, at least so many instances."""

    start: Annotated[str, Meta(description="Cron expression of five fields.")]
    end: Annotated[str, Meta(description="Cron expression of five fields.")]
    instances: Annotated[int, Meta(ge=1, description="Fewest instances in between.")]
    timezone: Annotated[str, Meta(description="A name of Windows or IANA.")] = UTC
    name: Annotated[
        Annotated[str, Meta(max_length=260)] | None, Meta(description="Its name in reasons.")
    ] = None

    @property
    def title(self) -> str:
        """What it is called in reasons."""
        return self.name or f"{self.start} to {self.end}"
