"""How a deployment's instances take requests, are watched and what they get. Ring: values."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class RequestSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How long a request may take, and how many an instance works on at once."""

    request_timeout_ms: Annotated[
        int,
        Meta(
            ge=1,
            extra_json_schema={"maximum": 300_000},  # the kind of deployment decides: see the rules
            description="Milliseconds from acceptance to answer, waiting included. "
            "At most 180000, for kubernetes 300000.",
        ),
    ] = 5000
    max_concurrent_requests_per_instance: Annotated[
        int, Meta(ge=1, description="Requests one instance works on at the same time.")
    ] = 1
    max_queue_wait_ms: Annotated[
        int, Meta(ge=0, description="Milliseconds a request may wait; deprecated by Azure.")
    ] = 500


class Probe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an instance is asked whether it lives, or is ready."""

    initial_delay: Annotated[int, Meta(ge=1, description="Seconds before the first probe.")] = 10
    period: Annotated[int, Meta(ge=1, description="Seconds from probe to probe.")] = 10
    timeout: Annotated[int, Meta(ge=1, description="Seconds a probe may take.")] = 2
    success_threshold: Annotated[
        int, Meta(ge=1, description="Successes in a row that count as one; 1 for liveness.")
    ] = 1
    failure_threshold: Annotated[
        int, Meta(ge=1, description="Failures in a row that count as one.")
    ] = 30


class ResourceAmounts(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"gpu": "nvidia.com/gpu"},
):
    """Amounts of the resources of one instance."""

    cpu: Annotated[str | None, Meta(description="Cores, such as 500m.")] = None
    memory: Annotated[str | None, Meta(description="Memory, such as 1Gi.")] = None
    gpu: Annotated[str | None, Meta(description="GPUs.")] = None


class Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one instance asks for, and what it may use."""

    requests: Annotated[ResourceAmounts | None, Meta(description="What it is given.")] = None
    limits: Annotated[ResourceAmounts | None, Meta(description="What it may use.")] = None
