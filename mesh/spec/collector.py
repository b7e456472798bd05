"""What of the requests and answers is collected for monitoring. Ring: values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

RollingRate = Literal["Minute", "Hour", "Day", "Month", "Year", "minute", "hour", "day"]


class CollectionData(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The data asset a collection is written to."""

    name: Annotated[str | None, Meta(description="Name of the asset.")] = None
    path: Annotated[str | None, Meta(description="Where it is written.")] = None
    version: Annotated[str | int | None, Meta(description="Version of the asset.")] = None


class Collection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One collection: `request`, `response`, or a name the scoring script chose."""

    enabled: Annotated[
        Literal["True", "False"] | bool, Meta(description="Whether it is collected.")
    ] = False
    data: Annotated[CollectionData | None, Meta(description="Where it goes.")] = None
    client_id: Annotated[str | None, Meta(description="Identity that writes.")] = None


class RequestLogging(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is stored beside the payloads."""

    capture_headers: Annotated[
        list[str], Meta(description="Request headers to store beside the payload.")
    ] = []


class DataCollector(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Data collection of a deployment."""

    sampling_rate: Annotated[
        float, Meta(ge=0.0, le=1.0, description="Share of requests that is collected.")
    ] = 1.0
    rolling_rate: Annotated[RollingRate, Meta(description="Span of one output folder.")] = "Hour"
    collections: Annotated[dict[str, Collection], Meta(description="The collections by name.")] = {}
    request_logging: Annotated[
        RequestLogging | None, Meta(description="What is stored beside the payloads.")
    ] = None
