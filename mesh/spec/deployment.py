"""A deployment: a model, its code, its environment and how many instances run it. Ring: values.

Source: Azure ML CLI v2, `managedOnlineDeployment` and `kubernetesOnlineDeployment`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from mesh.spec.collector import DataCollector
from mesh.spec.endpoint import Kind
from mesh.spec.environment import EnvironmentSpec
from mesh.spec.model import CodeConfiguration, ModelSpec
from mesh.spec.options import MeshOptions, QueueOptions
from mesh.spec.runtime import Probe, RequestSettings, Resources
from mesh.spec.scale import ScaleSettings

__all__ = [
    "WORKER_COUNT",
    "CodeConfiguration",
    "DataCollector",
    "DeploymentSpec",
    "EnvironmentSpec",
    "MeshOptions",
    "ModelSpec",
    "Probe",
    "QueueOptions",
    "RequestSettings",
    "Resources",
    "ScaleSettings",
]

WORKER_COUNT: Final = "WORKER_COUNT"
MAX_WORKERS: Final = 256


def is_worker_count(text: str) -> bool:
    """Tell whether `text` may be the value of WORKER_COUNT."""
    return re.fullmatch("[0-9]{1,4}", text) is not None and 1 <= int(text) <= MAX_WORKERS


class DeploymentSpec(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A deployment as its YAML file gives it."""

    name: Annotated[str, Meta(description="Name: 3-32 letters, digits and dashes, a letter first.")]
    endpoint_name: Annotated[str, Meta(description="The endpoint it belongs to.")]
    kind: Annotated[
        Kind, Meta(description="`managed` or `kubernetes`; `$schema` may say it too.")
    ] = field(default="managed", name="type")
    description: Annotated[str | None, Meta(description="Text for people.")] = None
    tags: Annotated[dict[str, str], Meta(description="Labels for people.")] = {}
    properties: Annotated[dict[str, Any], Meta(description="Properties.")] = {}
    model: Annotated[ModelSpec | None, Meta(description="The model, inline.")] = None
    model_mount_path: Annotated[
        str | None, Meta(description="Where a custom container finds the model.")
    ] = None
    code_configuration: Annotated[
        CodeConfiguration | None, Meta(description="The scoring script and its folder.")
    ] = None
    environment_variables: Annotated[
        dict[str, str], Meta(description="Environment of the scoring script.")
    ] = {}
    environment: Annotated[
        EnvironmentSpec | str | None, Meta(description="Image and packages.")
    ] = None
    instance_type: Annotated[str | None, Meta(description="Kind of machine.")] = None
    instance_count: Annotated[
        int, Meta(ge=1, description="Instances to keep running, or to begin with if they scale.")
    ] = 1
    app_insights_enabled: Annotated[bool, Meta(description="Send to App Insights.")] = False
    scale_settings: Annotated[
        ScaleSettings | None, Meta(description="How the number of instances is chosen.")
    ] = None
    data_collector: Annotated[
        DataCollector | None, Meta(description="What is collected for monitoring.")
    ] = None
    request_settings: Annotated[
        RequestSettings, Meta(description="Timeout and concurrency of requests.")
    ] = RequestSettings()
    liveness_probe: Annotated[
        Probe | None, Meta(description="How instances are asked whether they live.")
    ] = None
    readiness_probe: Annotated[
        Probe | None, Meta(description="How instances are asked whether they are ready.")
    ] = None
    startup_probe: Annotated[
        Probe | None,
        Meta(description="How instances are asked whether they have started, before the others."),
    ] = None
    egress_public_network_access: Annotated[
        Literal["enabled", "disabled"], Meta(description="Whether it may call out.")
    ] = "enabled"
    package_model: Annotated[bool, Meta(description="Build dependencies in advance.")] = False
    private_network_connection: Annotated[bool, Meta(description="Private network.")] = False
    resources: Annotated[
        Resources | None, Meta(description="Resources of an instance (kubernetes).")
    ] = None
    mesh: Annotated[MeshOptions, Meta(description="Options that Azure does not have.")] = (
        MeshOptions()
    )

    @property
    def worker_count(self) -> int:
        """Runner processes per instance: the environment variable WORKER_COUNT, 1 by default."""
        text = self.environment_variables.get(WORKER_COUNT, "1").strip()
        return int(text) if is_worker_count(text) else 1

    @property
    def autoscale(self) -> ScaleSettings | None:
        """How the number of instances follows the load; None if it is `instance_count`."""
        scale = self.scale_settings
        return scale if scale is not None and scale.type == "target_utilization" else None

    @property
    def slots(self) -> int:
        """Requests one instance works on at the same time."""
        return self.request_settings.max_concurrent_requests_per_instance

    @property
    def timeout_s(self) -> float:
        """Seconds from acceptance to answer, waiting included."""
        return self.request_settings.request_timeout_ms / 1000

    @property
    def speaks_v2(self) -> bool:
        """Whether it is asked with the v2 inference protocol: its model is Triton's."""
        return self.model is not None and self.model.type == "triton_model"

    @property
    def takes_tensors(self) -> bool:
        """Whether its script is asked with arrays."""
        return self.mesh.inputs == "tensors"
