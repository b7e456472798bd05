"""Queries of a Prometheus by which a deployment scales. Ring: values."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class QuerySettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A query whose value asks for instances."""

    name: Annotated[
        str,
        Meta(
            pattern="^[a-zA-Z][a-zA-Z0-9_-]{0,31}$",
            description="What reasons call it: letters, digits, dashes and underscores.",
        ),
    ]
    query: Annotated[
        str,
        Meta(min_length=1, description="PromQL whose result is one number: a scalar or series."),
    ]
    target: Annotated[float, Meta(gt=0, description="The value that one instance is for.")]
    activation: Annotated[
        float, Meta(description="A value that is not above this asks for no instance.")
    ] = 0.0
    prometheus_url: Annotated[
        str | None, Meta(description="The Prometheus to ask. Default: `scaler.prometheus_url`.")
    ] = None
