"""What travels between the programs: header names, and the control messages as frozen structs.

Requests and answers are NATS headers plus the caller's bytes; control messages are msgpack.
Evolution: add fields at the end with defaults, never retype or reuse a name. Ring: values.
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

import msgspec

from mesh.clock import NS
from mesh.figures import GpuFigures, ServiceTime
from mesh.instances import InstanceState
from mesh.scaling.observation import Observation
from mesh.traffic import AccessRecord

PROTOCOL_VERSION: Final = 1

REQUEST_ID: Final = "Mesh-Request-Id"
TIMEOUT_MS: Final = "Mesh-Timeout-Ms"
REPLY: Final = "Mesh-Reply"
METHOD: Final = "Mesh-Method"
PATH: Final = "Mesh-Path"
HTTP: Final = "Mesh-Http"
SHADOW_OF: Final = "Mesh-Shadow-Of"
CONTENT_TYPE: Final = "Content-Type"
TRACEPARENT: Final = "traceparent"
RETRY_AFTER: Final = "Retry-After"
MSG_ID: Final = "Nats-Msg-Id"
MSG_TTL: Final = "Nats-TTL"
IDEMPOTENCY_KEY: Final = "Mesh-Idempotency-Key"
EXPECTED_SEQ: Final = "Nats-Expected-Last-Subject-Sequence"
TIME_STAMP: Final = "Nats-Time-Stamp"
SEQUENCE: Final = "Nats-Sequence"
STATUS: Final = "Mesh-Status"
ERROR: Final = "Mesh-Error"
INSTANCE: Final = "Mesh-Instance"
GENERATION: Final = "Mesh-Generation"
ATTEMPT: Final = "Mesh-Attempt"
TIMING: Final = "Mesh-Timing"
DEPLOYMENT: Final = "Mesh-Deployment"
MODEL_STATUS: Final = "Mesh-Model-Status"
PRIORITY: Final = "Mesh-Priority"
NOT_BEFORE: Final = "Mesh-Not-Before"
EXPIRES: Final = "Mesh-Expires"
WEBHOOK: Final = "Mesh-Webhook"
KEEP: Final = "Mesh-Keep"
STORED: Final = "Mesh-Stored"
REPLAYED: Final = "Mesh-Replayed"
BODY: Final = "Mesh-Body"

JSON: Final = "application/json"  # the content type of what the mesh itself says

# What is said on the reply subject of a message that was pulled.
ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
IN_PROGRESS: Final = b"+WPI"


class Wire(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower, omit_defaults=True
):
    """Base of every control message."""

    v: int = PROTOCOL_VERSION


class WorkerHeartbeat(Wire, frozen=True, kw_only=True):
    """What an instance says once a second and at each change of state.

    `slots`: how many requests it runs at once; `held`: how many it has taken from the queue, those
    that run included; `cpu_percent` of one core; `memory_bytes` of supervisor and runners together;
    `gpu` is None where the instance has none. `failed`: how many of its `service.answered` answers
    were failures of the model. `by_hand`: a person started it, no launcher knows it.
    `memory_limit_bytes`: what it may have, 0 if that is not known.
    """

    endpoint: str
    deployment: str
    instance: str
    generation: int
    state: InstanceState
    reason: str = ""
    pid: int = 0
    host: str = ""
    slots: int = 0
    in_flight: int = 0
    held: int = 0
    service: ServiceTime = ServiceTime()
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    metrics_url: str = ""
    gpu: GpuFigures | None = None
    failed: int = 0
    by_hand: bool = False
    memory_limit_bytes: int = 0


class GatewayHeartbeat(Wire, frozen=True, kw_only=True):
    """What a gateway says once a second and whenever it has applied a new config revision.

    `offered` counts requests since the start by `endpoint/deployment` and outcome:
    accepted, refused, timed_out. `url` is for clients; `metrics_url` is where this
    process itself listens. `latency` counts those that were not refused, by
    `endpoint/deployment` and the buckets of `mesh.tally`.
    """

    gateway: str
    revision: int
    url: str = ""
    pid: int = 0
    host: str = ""
    pending: int = 0
    offered: dict[str, dict[str, int]] = {}
    memory_bytes: int = 0
    leaving: bool = False
    metrics_url: str = ""
    latency: dict[str, list[int]] = {}


class Depth(Wire, frozen=True, kw_only=True):
    """What the scaler leader says of a deployment's queue: messages by lane, and who serves it.

    `gateways` is how many send requests to it; `startup_s` how long an instance took to start
    lately, in seconds, 0 if none was seen to. `serving`: the generation that has been ready as a
    whole, 0 if none has. `health`: answers, and failures among them, in the last half minute, by
    generation; `instances`: the same since their start, by generation and instance.
    """

    endpoint: str
    deployment: str
    lanes: dict[str, int]
    ready: int = 0
    slots: int = 0
    failed: str = ""
    service: ServiceTime = ServiceTime()
    gateways: int = 0
    startup_s: float = 0.0
    serving: int = 0
    health: dict[str, tuple[int, int]] = {}
    instances: dict[str, dict[str, tuple[int, int]]] = {}


class Cancel(Wire, frozen=True, kw_only=True):
    """Stop a request: nobody waits for its answer any more."""

    request_id: str


class Event(Wire, frozen=True, kw_only=True):
    """Something that happened to an endpoint, a deployment or one of its instances.

    `name` is one of Created, Updated, TrafficChanged, KeyRegenerated, StateChanged, Deleted,
    DeadLetterRetried, DeadLettersPurged; of an instance: Started, Probation, Ready, Unready,
    Suspect, InitFailed, BackOff, OutOfMemory, Killing, Joined, Lost. `at_s` is Unix time.
    """

    endpoint: str
    deployment: str = ""
    instance: str = ""
    name: str
    message: str = ""
    generation: int = 0
    at_s: float = 0.0


class LogLine(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One line an instance's runner printed. `at_s` is Unix time."""

    at_s: float
    stream: Literal["stdout", "stderr", "worker"]
    text: str
    request_id: str = ""
    container: str = "inference-server"


class LogBatch(Wire, frozen=True, kw_only=True):
    """Console lines of one instance, oldest first."""

    endpoint: str
    deployment: str
    instance: str
    lines: list[LogLine]


class AccessBatch(Wire, frozen=True, kw_only=True):
    """Access records of one endpoint, oldest first."""

    endpoint: str
    gateway: str
    records: list[AccessRecord]


class ShadowAnswer(Wire, frozen=True, kw_only=True):
    """How a mirror deployment answered a copied request. `digest` is the body's SHA-256."""

    endpoint: str
    deployment: str
    instance: str
    shadow_of: str
    request_id: str
    status: int
    outcome: Literal["answered", "failed"] = "answered"
    run_ms: float = 0.0
    digest: str = ""


class DeadLetter(Wire, frozen=True, kw_only=True):
    """A request that was given up, with all that is needed to send it again.

    `kind` says what was given up; a `request` is one that no worker could run.
    """

    endpoint: str
    deployment: str
    lane: str
    request_id: str
    reason: str
    attempts: int
    at_s: float
    headers: dict[str, str]
    body: bytes
    kind: str = "request"


class ScaleDecision(Wire, frozen=True, kw_only=True):
    """How many instances a deployment is to have has changed, why, and what the scaler saw.

    `asked`: the count each target asked for, before the bounds, and `why`. `lanes`: requests queued
    or being worked on; `ready` instances of `slots` each; `service_s` seconds a request takes and
    `cpu_percent` of one core, the mean of the instances; `offered_per_s` requests a second, of
    which gateways refused `refused_per_s`: None if not known. `seen` is all that the decision was
    made by, None where somebody set the count. `at_s` is Unix time.
    """

    endpoint: str
    deployment: str
    before: int
    after: int
    reason: str
    generation: int = 0
    at_s: float = 0.0
    min_instances: int = 0
    max_instances: int = 0
    asked: dict[str, int] = {}
    lanes: dict[str, int] = {}
    ready: int = 0
    slots: int = 0
    service_s: float | None = None
    cpu_percent: float | None = None
    offered_per_s: float | None = None
    refused_per_s: float | None = None
    seen: Observation | None = None
    why: dict[str, str] = {}


Control = (
    WorkerHeartbeat
    | GatewayHeartbeat
    | Depth
    | Cancel
    | Event
    | LogBatch
    | AccessBatch
    | ShadowAnswer
    | DeadLetter
    | ScaleDecision
)

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Control).decode
_T = TypeVar("_T", bound=Wire)


def decode(data: bytes, expected: type[_T]) -> _T | None:
    """Decode a control message; None if it is not one, or not of the `expected` kind."""
    try:
        message = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return message if isinstance(message, expected) else None


def again_in(delay_s: float) -> bytes:
    """Return what has a message that was pulled delivered once more, after so many seconds."""
    return NAK + b' {"delay":%d}' % round(delay_s * NS)
