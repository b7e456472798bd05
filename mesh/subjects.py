"""The words on the wire: every name of a subject, stream, bucket and key is made here only.

Source: protocol v1, `docs/protocol.md`. Ring: values.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Lane = Literal["interactive", "queued", "background", "shadow"]
LANES: Final[tuple[Lane, ...]] = ("interactive", "queued", "background", "shadow")
KEPT_LANES: Final[tuple[Lane, ...]] = ("queued", "background")  # whose results are kept

CONFIG_BUCKET: Final = "mesh-config"
STATE_BUCKET: Final = "mesh-state"
KEYS_BUCKET: Final = "mesh-keys"
ATTEMPTS_BUCKET: Final = "mesh-attempts"
LEASES_BUCKET: Final = "mesh-leases"
ARTIFACTS_BUCKET: Final = "mesh-artifacts"
IDEMPOTENCY_BUCKET: Final = "mesh-idempotency"
SAMPLES_BUCKET: Final = "mesh-samples"

DEAD_STREAM: Final = "DEAD"
SHADOW_STREAM: Final = "SHADOW"
LOGS_STREAM: Final = "LOGS"
EVENTS_STREAM: Final = "EVENTS"
TRAFFIC_STREAM: Final = "TRAFFIC"
SCALE_STREAM: Final = "SCALE"
LOAD_STREAM: Final = "LOAD"
INGRESS_STREAM: Final = "INGRESS"
RESULTS_STREAM: Final = "RESULTS"
JOBS_STREAM: Final = "JOBS"
WEBHOOKS_STREAM: Final = "WEBHOOKS"
BODIES_STREAM: Final = "BODIES"

GATEWAYS_CONSUMER: Final = "gateways"  # of what all gateways share

API_PREFIX: Final = "mesh.api"

# All subjects of a kind, for those who keep, guard or hear all of them.
CALLS: Final = f"{API_PREFIX}.>"
INVOKES: Final = "mesh.invoke.*"
ENQUEUES: Final = "mesh.enqueue.*"
WITHDRAWS: Final = "mesh.withdraw.*"
ABANDONS: Final = "mesh.abandon.*"
RESULTS: Final = "mesh.result.>"
JOBS: Final = "mesh.job.>"
WEBHOOKS: Final = "mesh.webhook.*.*"
JOB_RUNS: Final = "mesh.job.*.*.run"
RESERVATIONS: Final = f"$KV.{IDEMPOTENCY_BUCKET}.>"
WORK: Final = "mesh.work.>"
REPLIES: Final = "mesh.reply.>"
CANCELS: Final = "mesh.cancel.>"
DEPTHS: Final = "mesh.depth.>"
DEMANDS: Final = "mesh.demand.*.*"
DRAINS: Final = "mesh.drain.*.*.*"
GATEWAY_HEARTBEATS: Final = "mesh.heartbeat.gateway.*"
WORKER_HEARTBEATS: Final = "mesh.heartbeat.worker.>"
EVENTS: Final = "mesh.event.>"
LOGS: Final = "mesh.log.>"
TRAFFIC: Final = "mesh.traffic.>"
SHADOWS: Final = "mesh.shadow.>"
DEAD: Final = "mesh.dead.>"
SCALES: Final = "mesh.scale.>"
LOADS: Final = "mesh.load.*.*"
BODIES: Final = "mesh.body.>"


class WorkerAddress(NamedTuple):
    """One instance of one deployment."""

    endpoint: str
    deployment: str
    instance: str


def invoke(endpoint: str) -> str:
    """Where a direct producer asks an endpoint and waits for the answer."""
    return f"mesh.invoke.{endpoint}"


def enqueue(endpoint: str) -> str:
    """Where a direct producer leaves a request that is to be run whenever there is room."""
    return f"mesh.enqueue.{endpoint}"


def ingress_id(seq: int) -> str:
    """The id of a request that came without one, from its number in the stream it came to."""
    return f"ingress-{seq}"


def withdraw(endpoint: str) -> str:
    """Where a direct producer cancels a queued request."""
    return f"mesh.withdraw.{endpoint}"


def abandon(endpoint: str) -> str:
    """Where a direct producer says that it waits for an answer no longer."""
    return f"mesh.abandon.{endpoint}"


def result(endpoint: str, request_id: str) -> str:
    """Where the result of a queued request is kept."""
    return f"mesh.result.{endpoint}.{request_id}"


def kept_request(endpoint: str, request_id: str) -> str:
    """Where a queued request that did not succeed is kept, so that it can be sent again."""
    return f"mesh.result.{endpoint}.{request_id}.request"


def webhook(endpoint: str, request_id: str) -> str:
    """Where it is kept that somebody is to be told of a queued request's end."""
    return f"mesh.webhook.{endpoint}.{request_id}"


def job(endpoint: str, request_id: str) -> str:
    """Where it is noted that a queued request was accepted."""
    return f"mesh.job.{endpoint}.{request_id}"


def job_run(endpoint: str, request_id: str) -> str:
    """Where the worker that begins a queued request says so."""
    return f"mesh.job.{endpoint}.{request_id}.run"


def reservation(endpoint: str, digest: str) -> str:
    """Where it is kept whose request the idempotency key of this digest stands for."""
    return f"$KV.{IDEMPOTENCY_BUCKET}.{endpoint}.{digest}"


def work(endpoint: str, deployment: str, lane: Lane) -> str:
    """Subject of one lane of a deployment's work queue."""
    return f"mesh.work.{endpoint}.{deployment}.{lane}"


def work_stream(endpoint: str, deployment: str) -> str:
    """Name of the stream that holds a deployment's work queue."""
    return f"WORK_{endpoint}_{deployment}"


def work_stream_owner(stream: str) -> tuple[str, str]:
    """Endpoint and deployment of a work queue's stream: names hold no underscore."""
    _, endpoint, deployment = stream.split("_")
    return endpoint, deployment


def reply_prefix(endpoint: str, deployment: str, gateway: str) -> str:
    """What every reply subject of this gateway for this deployment starts with."""
    return f"mesh.reply.{endpoint}.{deployment}.{gateway}."


def reply_wildcard(gateway: str) -> str:
    """The one subscription on which a gateway hears all its answers."""
    return f"mesh.reply.*.*.{gateway}.*"


def is_reply_of(subject: str, endpoint: str, deployment: str) -> bool:
    """Tell whether a worker of this deployment may answer on `subject`."""
    return subject.startswith(f"mesh.reply.{endpoint}.{deployment}.")


def worker_heartbeat(address: WorkerAddress) -> str:
    """Where one instance says once a second how it is."""
    return f"mesh.heartbeat.worker.{'.'.join(address)}"


def gateway_heartbeat(gateway: str) -> str:
    """Where a gateway says once a second, and at each new revision, how it is."""
    return f"mesh.heartbeat.gateway.{gateway}"


def depth(endpoint: str, deployment: str) -> str:
    """Where the scaler leader says how deep a deployment's queue is."""
    return f"mesh.depth.{endpoint}.{deployment}"


def demand(endpoint: str, deployment: str) -> str:
    """Where a gateway says that requests wait for no instance, or are refused."""
    return f"mesh.demand.{endpoint}.{deployment}"


def demand_owner(subject: str) -> tuple[str, str]:
    """Endpoint and deployment that a word on demand is about, from its subject."""
    endpoint, deployment = subject.rsplit(".", 2)[1:]
    return endpoint, deployment


def drain(address: WorkerAddress) -> str:
    """Where the scaler asks an instance that it cannot signal to stop."""
    return f"mesh.drain.{'.'.join(address)}"


def cancel(endpoint: str, deployment: str) -> str:
    """Where a gateway tells a deployment's workers to stop a request."""
    return f"mesh.cancel.{endpoint}.{deployment}"


def event(endpoint: str, deployment: str = "-") -> str:
    """Where lifecycle events of a deployment, or of the endpoint itself (`-`), are told."""
    return f"mesh.event.{endpoint}.{deployment}"


def log(address: WorkerAddress) -> str:
    """Where an instance's console lines go."""
    return f"mesh.log.{'.'.join(address)}"


def traffic(endpoint: str) -> str:
    """Where access records go, many to a message."""
    return f"mesh.traffic.{endpoint}"


def shadow(endpoint: str, deployment: str) -> str:
    """Where a mirror deployment's answers go instead of to the client."""
    return f"mesh.shadow.{endpoint}.{deployment}"


def dead(endpoint: str, deployment: str) -> str:
    """Where requests go that were given up."""
    return f"mesh.dead.{endpoint}.{deployment}"


def dead_owner(subject: str) -> tuple[str, str]:
    """Endpoint and deployment of a dead letter, from its subject."""
    endpoint, deployment = subject.rsplit(".", 2)[1:]
    return endpoint, deployment


def retried_id(seq: int) -> str:
    """The id under which a dead letter is sent again, from its number: the same each time."""
    return f"dead-{seq}"


def scale(endpoint: str, deployment: str) -> str:
    """Where the scaler says why a deployment gets more instances, or fewer."""
    return f"mesh.scale.{endpoint}.{deployment}"


def load(endpoint: str, deployment: str) -> str:
    """Where it is kept what a deployment was asked for, five minutes by five minutes."""
    return f"mesh.load.{endpoint}.{deployment}"


def body(body_id: str, index: int) -> str:
    """Where one chunk of a large body is kept; they are counted from 0."""
    return f"mesh.body.{body_id}.{index}"


def api(verb: str) -> str:
    """Where the management service takes `verb`, such as `endpoint.create`."""
    return f"{API_PREFIX}.{verb}"


def endpoint_key(endpoint: str) -> str:
    """Key of an endpoint's record in the config bucket."""
    return f"endpoint.{endpoint}"


def deployment_key(endpoint: str, deployment: str) -> str:
    """Key of a deployment's desired record in the config bucket, and of its state."""
    return f"deployment.{endpoint}.{deployment}"


def generation_key(endpoint: str, deployment: str, generation: int) -> str:
    """Key of the immutable record of one generation in the config bucket."""
    return f"generation.{endpoint}.{deployment}.{generation}"


def place_key(address: WorkerAddress) -> str:
    """Key, among the leases, of the place of an instance that is about to be started."""
    return f"place.{'.'.join(address)}"


def place_owner(key: str) -> WorkerAddress | None:
    """The instance whose place a key among the leases stands for, None if for none."""
    kind, *owner = key.split(".")
    return WorkerAddress(*owner) if kind == "place" and len(owner) == 3 else None


def sample_key(endpoint: str, deployment: str) -> str:
    """Key of a deployment's recorded sample in the bucket of samples."""
    return f"{endpoint}.{deployment}"


def auth_key(endpoint: str) -> str:
    """Key of the digests of an endpoint's keys in the config bucket."""
    return f"auth.{endpoint}"
