"""How a deployment's instances take requests, are watched and are counted. Ring: values."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

DEFAULT_UTILIZATION: Final = 70
SCALE_IN_POLLS: Final = 20


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


class ScaleSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How the number of instances is chosen; with `target_utilization`, by load."""

    type: Annotated[
        Literal["default", "target_utilization"],
        Meta(description="`instance_count` instances, or as many as the load needs."),
    ] = "default"
    min_instances: Annotated[
        int, Meta(ge=0, description="Fewest instances; with 0 the first request starts one.")
    ] = 1
    max_instances: Annotated[int, Meta(ge=1, description="Most instances.")] = 1
    target_utilization_percentage: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(
            description="Requests queued or running, in percent of what the instances run at once. "
            "70 if no other target is given."
        ),
    ] = None
    polling_interval: Annotated[
        int,
        Meta(ge=1, description="Instances are taken away 20 times as many seconds later."),
    ] = 1
    target_wait_ms: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Milliseconds the last request in the queue may wait (not of Azure)."),
    ] = None
    target_messages_per_instance: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Requests queued or running per instance (not of Azure)."),
    ] = None
    target_cpu_percentage: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Mean CPU of the instances; 100 is one core (not of Azure)."),
    ] = None
    scale_in_delay_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Seconds for which fewer instances must do before some are taken away. "
            "20 times `polling_interval` by default (not of Azure)."
        ),
    ] = None

    @property
    def utilization_percentage(self) -> int | None:
        """The utilization to hold; None if other targets are given instead."""
        others = (
            self.target_wait_ms,
            self.target_messages_per_instance,
            self.target_cpu_percentage,
        )
        if self.target_utilization_percentage is None and not any(others):
            return DEFAULT_UTILIZATION
        return self.target_utilization_percentage

    @property
    def delay_s(self) -> float:
        """Seconds for which fewer instances must do before some are taken away."""
        if self.scale_in_delay_s is None:
            return float(SCALE_IN_POLLS * self.polling_interval)
        return self.scale_in_delay_s


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
