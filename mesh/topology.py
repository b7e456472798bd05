"""What the broker must hold: the configuration of every stream, consumer and bucket, as values.

The management service creates them through `mesh.bus`. Units follow the JetStream API:
durations in nanoseconds, sizes in bytes. Ring: values.
"""

from __future__ import annotations

import math
from typing import Any, Final

from mesh import subjects
from mesh.clock import NS
from mesh.spec.options import QueueOptions
from mesh.subjects import LANES, Lane

MIB: Final = 1 << 20
DUPLICATE_WINDOW_S: Final = 30
INGRESS_WINDOW_S: Final = 120
INGRESS_ACK_WAIT_S: Final = 10.0  # shorter than the window in which a work queue knows an id
WEBHOOK_ACK_WAIT_S: Final = 30.0  # longer than a call may take
RESULT_TTL_S: Final = 86_400.0
QUEUED_TIMEOUT_S: Final = 3600.0  # of a request in a lane that does not say how long it may wait
IDEMPOTENCY_BYTES: Final = 1024 * MIB  # about three million keys
# 40 of the largest bodies. The broker reserves it: a small disk has room for no more.
BODIES_BYTES: Final = 4096 * MIB
INTERACTIVE_ACK_WAIT_S: Final = (0.5, 2.0)
LOAD_POINTS: Final = 35 * 288 + 1000  # of a deployment; a slot has two where the scaler changed
LOWER_ACK_WAIT_S: Final = 5.0

Config = dict[str, Any]


def ack_wait_s(lane: Lane, request_timeout_s: float) -> float:
    """How long the broker waits for a sign of life before it hands a message to another worker."""
    if lane != "interactive":
        return LOWER_ACK_WAIT_S
    low, high = INTERACTIVE_ACK_WAIT_S
    return min(high, max(low, request_timeout_s / 4))


def work_stream(endpoint: str, deployment: str, queue: QueueOptions) -> Config:
    """One deployment's work queue: a subject per lane, refused (not dropped) when full."""
    return {
        "name": subjects.work_stream(endpoint, deployment),
        "subjects": [subjects.work(endpoint, deployment, lane) for lane in LANES],
        "retention": "workqueue",
        "storage": queue.storage,
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": queue.max_messages,
        "max_bytes": queue.max_bytes,
        "allow_msg_ttl": True,
        "duplicate_window": DUPLICATE_WINDOW_S * NS,
        "num_replicas": 1,
    }


def work_consumer(endpoint: str, deployment: str, lane: Lane, *, timeout_s: float) -> Config:
    """The durable pull consumer of one lane; attempts are counted by us, never by the broker."""
    return {
        "durable_name": lane,
        "name": lane,
        "filter_subject": subjects.work(endpoint, deployment, lane),
        "ack_policy": "explicit",
        "ack_wait": int(ack_wait_s(lane, timeout_s) * NS),
        "max_deliver": -1,
        "max_ack_pending": -1,
        "max_waiting": 512,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }


def _log_stream(name: str, subject: str, *, max_bytes: int, max_age_s: float) -> Config:
    return {
        "name": name,
        "subjects": [subject],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_bytes": max_bytes,
        "max_age": int(max_age_s * NS),
        "allow_direct": True,
        "num_replicas": 1,
    }


def shared_streams(result_ttl_s: float = RESULT_TTL_S) -> list[Config]:
    """Streams that exist once per mesh; results are kept for `result_ttl_s`."""
    day = 86_400
    return [
        _log_stream(subjects.LOGS_STREAM, subjects.LOGS, max_bytes=256 * MIB, max_age_s=7 * day),
        _log_stream(
            subjects.EVENTS_STREAM, subjects.EVENTS, max_bytes=64 * MIB, max_age_s=30 * day
        ),
        _log_stream(
            subjects.TRAFFIC_STREAM, subjects.TRAFFIC, max_bytes=256 * MIB, max_age_s=7 * day
        ),
        _log_stream(
            subjects.SHADOW_STREAM, subjects.SHADOWS, max_bytes=128 * MIB, max_age_s=7 * day
        ),
        _log_stream(subjects.SCALE_STREAM, subjects.SCALES, max_bytes=64 * MIB, max_age_s=30 * day),
        _log_stream(subjects.DEAD_STREAM, subjects.DEAD, max_bytes=512 * MIB, max_age_s=30 * day),
        loads(),
        ingress(),
        webhooks(),
        results(result_ttl_s),
        jobs(result_ttl_s),
        bodies(),
    ]


def loads() -> Config:
    """What deployments were asked for in five weeks; 1.5 MB each, the oldest make room."""
    name, subject = subjects.LOAD_STREAM, subjects.LOADS
    config = _log_stream(name, subject, max_bytes=256 * MIB, max_age_s=35 * 86_400)
    return config | {"max_msgs_per_subject": LOAD_POINTS}


def bodies() -> Config:
    """Large bodies, chunk by chunk, each gone after its own time to live; refused when full."""
    return {
        "name": subjects.BODIES_STREAM,
        "subjects": [subjects.BODIES],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_bytes": BODIES_BYTES,
        "allow_direct": True,
        "allow_msg_ttl": True,
        "num_replicas": 1,
    }


def ingress() -> Config:
    """What direct producers have enqueued and no gateway has yet routed; refused when full."""
    return {
        "name": subjects.INGRESS_STREAM,
        "subjects": [subjects.ENQUEUES],
        "retention": "workqueue",
        "storage": "file",
        "discard": "new",
        "max_msgs": 1_000_000,
        "max_bytes": 1024 * MIB,
        "duplicate_window": INGRESS_WINDOW_S * NS,
        "num_replicas": 1,
    }


def webhooks() -> Config:
    """Who is to be told of a queued request's end, and has not been yet."""
    return ingress() | {"name": subjects.WEBHOOKS_STREAM, "subjects": [subjects.WEBHOOKS]}


def gateways_consumer(subject: str, ack_wait_s: float) -> Config:
    """The durable pull consumer that all gateways share."""
    return {
        "durable_name": subjects.GATEWAYS_CONSUMER,
        "name": subjects.GATEWAYS_CONSUMER,
        "filter_subject": subject,
        "ack_policy": "explicit",
        "ack_wait": int(ack_wait_s * NS),
        "max_deliver": -1,
        "max_ack_pending": -1,
        "max_waiting": 512,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }


def results(ttl_s: float) -> Config:
    """Results of queued requests. When full a new one is refused: none is dropped before its time.

    Whoever has one that is refused keeps its request, so the queues fill up and say so to callers.
    """
    name, subject = subjects.RESULTS_STREAM, subjects.RESULTS
    config = _log_stream(name, subject, max_bytes=8192 * MIB, max_age_s=ttl_s)
    return config | {"max_msgs_per_subject": 1, "discard": "new"}


def jobs(ttl_s: float) -> Config:
    """Where queued requests are, as long as results are kept; when full the oldest make room."""
    name, subject = subjects.JOBS_STREAM, subjects.JOBS
    config = _log_stream(name, subject, max_bytes=1024 * MIB, max_age_s=ttl_s)
    return config | {"max_msgs_per_subject": 1}


def _bucket(
    name: str, *, history: int = 1, max_age_s: int = 0, per_key_ttl: bool = False
) -> Config:
    config: Config = {
        "name": f"KV_{name}",
        "subjects": [f"$KV.{name}.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": history,
        "max_age": max_age_s * NS,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_direct": True,
        "num_replicas": 1,
    }
    if per_key_ttl:  # markers make an expiry visible to those who watch
        config |= {"allow_msg_ttl": True, "subject_delete_marker_ttl": NS}
    return config


def buckets(result_ttl_s: float = RESULT_TTL_S) -> list[Config]:
    """The key-value buckets, as the streams they are."""
    return [
        _bucket(subjects.CONFIG_BUCKET, history=10),
        _bucket(subjects.STATE_BUCKET),
        _bucket(subjects.KEYS_BUCKET),
        _bucket(subjects.ATTEMPTS_BUCKET, max_age_s=3600),
        _bucket(subjects.LEASES_BUCKET, per_key_ttl=True),
        _bucket(subjects.SAMPLES_BUCKET),
        _bucket(subjects.IDEMPOTENCY_BUCKET, max_age_s=math.ceil(result_ttl_s))
        | {"max_bytes": IDEMPOTENCY_BYTES},
    ]


def artifacts() -> Config:
    """The object store of models and code, as the stream it is."""
    name = subjects.ARTIFACTS_BUCKET
    return {
        "name": f"OBJ_{name}",
        "subjects": [f"$O.{name}.C.>", f"$O.{name}.M.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "num_replicas": 1,
    }
