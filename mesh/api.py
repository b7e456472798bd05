"""The management protocol: what `mesh.api.<verb>` takes and answers, as JSON structs.

One request struct per verb; every answer is `Answer` holding either `result` or `error`. The
service side is `scaler.api`, the client side `mesh.management`. Ring: values.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mesh.figures import GpuFigures
from mesh.records import Artifact, ProvisioningState
from mesh.scaling.observation import Observation
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec

KeyType = Literal["primary", "secondary"]


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a verb was refused: `code` is that of a `mesh.errors` class."""

    code: str
    message: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to any verb: an error, or else a result, which may be null."""

    result: msgspec.Raw = msgspec.Raw(b"null")  # a union with None cannot be decoded
    error: Failure | None = None


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """Which endpoint. Verbs: endpoint.get, endpoint.delete, endpoint.credentials."""

    name: str


class DeploymentName(msgspec.Struct, frozen=True, kw_only=True):
    """Which deployment.

    Verbs: deployment.get, deployment.delete, deployment.pause, deployment.resume,
    deployment.history.
    """

    endpoint: str
    name: str


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """No argument. Verbs: endpoint.list, status."""


class DeploymentList(msgspec.Struct, frozen=True, kw_only=True):
    """Deployments of one endpoint, or of all (None). Verb: deployment.list."""

    endpoint: str | None = None


class EndpointPut(msgspec.Struct, frozen=True, kw_only=True):
    """A whole endpoint. Verbs: endpoint.create (must not exist), endpoint.update (must exist).

    `revision`: the config revision the caller saw; an update of anything newer is a conflict.
    """

    spec: EndpointSpec
    revision: int | None = None


class DeploymentPut(msgspec.Struct, frozen=True, kw_only=True):
    """A whole deployment, its folders already in the artifact store.

    Verbs: deployment.create, deployment.update.
    """

    spec: DeploymentSpec
    code: Artifact | None = None
    model: Artifact | None = None
    all_traffic: bool = False
    revision: int | None = None


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """A new instance count. Verb: deployment.scale."""

    endpoint: str
    name: str
    instance_count: int


class LetterNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letter. Verb: deadletter.retry."""

    number: int


class LetterPurge(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of an endpoint and a deployment, or of all (None), up to a number.

    Verb: deadletter.purge.
    """

    up_to: int
    endpoint: str | None = None
    deployment: str | None = None


class LetterRetried(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that was sent again: what its new request is called."""

    number: int
    endpoint_name: str
    request_id: str


class LettersPurged(msgspec.Struct, frozen=True, kw_only=True):
    """How many dead letters were removed."""

    purged: int


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as people see it, without its body; `at_s` is when it was given up.

    `number` is its place in the stream of dead letters. A letter of the kind `request` is one that
    no worker could run.
    """

    number: int
    kind: str
    endpoint_name: str
    deployment: str
    lane: str
    request_id: str
    reason: str
    attempts: int
    at_s: float
    size_bytes: int
    headers: dict[str, str] = {}


class RegenerateKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Replace one key, by a given or a random one. Verb: endpoint.regenerate_keys."""

    name: str
    key_type: KeyType = "primary"
    key_value: str | None = None


class Credentials(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An endpoint's keys, and the secret that its webhooks are signed with."""

    primary_key: str
    secondary_key: str
    webhook_secret: str = ""


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as its last heartbeat told."""

    instance: str
    generation: int
    state: str
    reason: str = ""
    pid: int = 0
    host: str = ""
    slots: int = 0
    in_flight: int = 0
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    metrics_url: str = ""
    gpu: GpuFigures | None = None


class ScalingView(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment's count follows its load: the bounds, and why it is what it is now.

    `seen`: the load at the last look; `notes`: why some of it is not known. `paused`: the count
    stays as it is, or as somebody sets it. `profile`: which one applies, and what keeps its rules
    from changing the count.
    """

    min_instances: int
    max_instances: int
    reason: str = ""
    seen: Observation | None = None
    notes: list[str] = []
    paused: bool = False
    profile: str = ""


class DeploymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as people see it. `scaling` is null if the count does not follow the load.

    `limits` is what an instance is held to, in words; `price_per_hour` what the instances asked for
    cost, null if their type has no price.
    """

    name: str
    endpoint_name: str
    provisioning_state: ProvisioningState
    reason: str = ""
    generation: int = 0
    serving_generation: int = 0
    instance_count: int = 0
    ready_instances: int = 0
    traffic: int = 0
    mirror_traffic: int = 0
    queue: dict[str, int] = {}
    instances: list[InstanceView] = []
    spec: dict[str, Any] = {}
    revision: int = 0
    code: Artifact | None = None
    model: Artifact | None = None
    created_at_s: float = 0.0
    modified_at_s: float = 0.0
    warnings: list[str] = []
    scaling: ScalingView | None = None
    limits: str = ""
    price_per_hour: float | None = None


class ScaleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a deployment's number of instances, or a pause; `at_s` is Unix time.

    `asked`: the count each target asked for, before the bounds, and `why`. `queue`: requests queued
    or being worked on, by lane. `ready` instances of `slots` each; `service_s` seconds a request
    took and `cpu_percent` of one core, the mean of the instances; `offered_per_s` requests a
    second, of which `refused_per_s` were refused. None if it was not known. `seen`: all that the
    decision was made by; None if somebody set the count, or an older release made it.
    """

    at_s: float
    endpoint_name: str
    deployment: str
    generation: int
    before: int
    after: int
    reason: str
    min_instances: int
    max_instances: int
    asked: dict[str, int]
    queue: dict[str, int]
    ready: int
    slots: int
    service_s: float | None
    cpu_percent: float | None
    offered_per_s: float | None = None
    refused_per_s: float | None = None
    seen: Observation | None = None
    why: dict[str, str] = {}


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as people see it. `scoring_uri` is empty while no gateway is known."""

    name: str
    kind: str
    auth_mode: str
    provisioning_state: ProvisioningState
    scoring_uri: str = ""
    traffic: dict[str, int] = {}
    mirror_traffic: dict[str, int] = {}
    deployments: list[str] = []
    description: str = ""
    tags: dict[str, str] = {}
    spec: dict[str, Any] = {}
    revision: int = 0
    created_at_s: float = 0.0
    modified_at_s: float = 0.0
    warnings: list[str] = []


class GatewayView(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway as its last heartbeat told."""

    gateway: str
    url: str
    pid: int
    host: str
    revision: int
    pending: int
    memory_bytes: int


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The mesh at a glance. `limits`: by what means instances are held to their type."""

    revision: int
    gateways: list[GatewayView]
    endpoints: list[EndpointView]
    deployments: list[DeploymentView]
    limits: str = ""
