"""How the number of a deployment's instances is chosen. Ring: values."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from mesh.spec.forecast import ForecastSettings
from mesh.spec.profiles import Profile
from mesh.spec.queries import QuerySettings
from mesh.spec.schedules import Schedule

DEFAULT_UTILIZATION: Final = 70
SCALE_IN_POLLS: Final = 20


class WaitSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How the target of a wait is held."""

    stable_window_s: Annotated[
        float, Meta(ge=1, le=3600, description="Seconds over which the usual load is measured.")
    ] = 60.0
    panic_window_s: Annotated[
        float, Meta(ge=1, le=3600, description="Seconds over which a sudden load is measured.")
    ] = 6.0
    panic_percentage: Annotated[
        int,
        Meta(ge=100, description="A sudden load of so much of the usual one is a panic."),
    ] = 200
    burst_percentage: Annotated[
        int,
        Meta(ge=0, description="Load that may come on top while instances start, in percent."),
    ] = 60
    late_percentage: Annotated[
        float,
        Meta(gt=0, le=50, description="Requests of a steady load that may wait longer."),
    ] = 1.0


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
        Meta(description="Milliseconds that hardly a request waits longer than (not of Azure)."),
    ] = None
    wait: Annotated[
        WaitSettings, Meta(description="How `target_wait_ms` is held (not of Azure).")
    ] = WaitSettings()
    target_messages_per_instance: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Requests queued or running per instance (not of Azure)."),
    ] = None
    target_cpu_percentage: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Mean CPU of the instances; 100 is one core (not of Azure)."),
    ] = None
    target_memory_percentage: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="Mean memory of the instances, of what one may have (not of Azure)."),
    ] = None
    target_gpu_percentage: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="Mean GPU utilization of the instances (not of Azure)."),
    ] = None
    target_gpu_memory_percentage: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="Mean GPU memory of the instances, of what there is (not of Azure)."),
    ] = None
    scale_in_delay_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Seconds for which fewer instances must do before some are taken away. "
            "20 times `polling_interval` by default (not of Azure)."
        ),
    ] = None
    profiles: Annotated[
        list[Profile],
        Meta(description="Bounds and rules by time, as of Azure Monitor; at most 20."),
    ] = []
    schedules: Annotated[
        list[Schedule], Meta(description="At least so many instances by time (not of Azure).")
    ] = []
    queries: Annotated[
        list[QuerySettings],
        Meta(max_length=10, description="Values of a Prometheus to scale by (not of Azure)."),
    ] = []
    forecast: Annotated[
        ForecastSettings | None,
        Meta(description="A floor learned from the last weeks' demand (not of Azure)."),
    ] = None

    @property
    def utilization_percentage(self) -> int | None:
        """The utilization to hold; None if other targets are given instead."""
        others = (
            self.target_wait_ms,
            self.target_messages_per_instance,
            self.target_cpu_percentage,
            self.target_memory_percentage,
            self.target_gpu_percentage,
            self.target_gpu_memory_percentage,
            self.profiles,
            self.schedules,
            *self.queries,
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
