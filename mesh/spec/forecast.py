"""How a deployment scales ahead of the demand that earlier weeks let expect. Ring: values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class ForecastSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A floor learned from the last weeks' demand: instances are there before it comes."""

    mode: Annotated[
        Literal["enabled", "forecast_only"],
        Meta(description="`forecast_only` shows what is expected, and asks for nothing."),
    ] = "enabled"
    min_days: Annotated[
        int, Meta(ge=3, le=28, description="Days of demand that must be known before.")
    ] = 7
    percentile: Annotated[
        int,
        Meta(
            ge=50,
            le=99,
            description="So many percent of the time the demand is to stay below the forecast.",
        ),
    ] = 90
    look_ahead_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="Seconds ahead, beside what an instance takes to start."),
    ] = 0.0
