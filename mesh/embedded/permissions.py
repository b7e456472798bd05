"""What each role may publish and hear on the broker: its subjects and no others.

Roles guard against mistakes and against a program that was taken over: a gateway cannot read keys
or change desired state, a worker cannot take another role's answers. Ring: values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from mesh import subjects, topology
from mesh.settings import (
    PRODUCER_INBOXES,
    ROLES,
    NatsUser,
    Role,
    inbox_prefix,
    producer_inbox,
)

CONFIG: Final = f"KV_{subjects.CONFIG_BUCKET}"
ATTEMPTS: Final = f"KV_{subjects.ATTEMPTS_BUCKET}"
SAMPLES: Final = f"KV_{subjects.SAMPLES_BUCKET}"
IDEMPOTENCY: Final = f"KV_{subjects.IDEMPOTENCY_BUCKET}"
ARTIFACTS: Final = f"OBJ_{subjects.ARTIFACTS_BUCKET}"
_BODY_CHUNKS: Final = f"$JS.API.DIRECT.GET.{subjects.BODIES_STREAM}.{subjects.BODIES}"
# A management call may take minutes (a traffic change waits for every gateway); its caller's
# inbox may have any name, so the answer is allowed by the question.
ANSWERS: Final = {"max": 16, "expires": "30m"}
# A producer's inbox may have any name too; one answer, within the longest deadline there is.
INVOKED: Final = {"max": 1, "expires": "6m"}

Permissions = dict[str, Any]


class ProducerUser(Protocol):
    """A user who produces to some endpoints."""

    @property
    def name(self) -> str:
        """What the broker calls it."""

    @property
    def password(self) -> str:
        """Its password."""

    @property
    def endpoints(self) -> Sequence[str]:
        """The endpoints it may produce to."""

    @property
    def deployments(self) -> Sequence[str]:
        """Deployments it may queue requests for by itself, as `endpoint/deployment`."""


def permissions(role: Role) -> Permissions:
    """Return the permissions of one role, in the form the broker's configuration takes."""
    own_inbox = f"{inbox_prefix(role)}.>"
    match role:
        case "gateway":
            hears = [
                subjects.reply_wildcard("*"),
                subjects.DEPTHS,
                subjects.INVOKES,
                subjects.WITHDRAWS,
                subjects.ABANDONS,
                subjects.RESULTS,
                subjects.JOBS,
                subjects.RESERVATIONS,
                own_inbox,
            ]
            return _limited(_gateway_publishes(), hears) | {"allow_responses": INVOKED}
        case "worker":
            return _limited(_worker_publishes(), _worker_hears(own_inbox))
        case "scaler":
            hears = [
                subjects.CALLS,
                subjects.GATEWAY_HEARTBEATS,
                subjects.WORKER_HEARTBEATS,
                subjects.DEMANDS,
                own_inbox,
            ]
            return _limited(_scaler_publishes(), hears) | {"allow_responses": ANSWERS}
        case "admin":
            return {"publish": {"allow": [">"]}, "subscribe": {"allow": [">"]}}


def producer_permissions(
    name: str, endpoints: Sequence[str], deployments: Sequence[str] = ()
) -> Permissions:
    """Return the permissions of a producer: to ask, to read what became of it, and to cancel.

    A deployment's `interactive` lane is not open to it: its answers go to gateways.
    """
    places = [deployment.partition("/")[::2] for deployment in deployments]
    publishes: list[str] = []
    hears = [f"{producer_inbox(name)}.>"]
    for endpoint in endpoints:
        publishes += [subjects.invoke(endpoint), subjects.enqueue(endpoint)]
        publishes.append(subjects.abandon(endpoint))
    for endpoint, deployment in places:
        publishes += [subjects.work(endpoint, deployment, lane) for lane in subjects.KEPT_LANES]
    for endpoint in dict.fromkeys([*endpoints, *(endpoint for endpoint, _ in places)]):
        publishes += [
            subjects.withdraw(endpoint),
            f"$JS.API.DIRECT.GET.{subjects.RESULTS_STREAM}.{subjects.result(endpoint, '>')}",
            f"$JS.API.DIRECT.GET.{subjects.JOBS_STREAM}.{subjects.job(endpoint, '>')}",
        ]
        hears.append(subjects.result(endpoint, ">"))
    return {"publish": {"allow": publishes}, "subscribe": {"allow": hears}}


def authorization(
    users: dict[Role, NatsUser], producers: Sequence[ProducerUser] = ()
) -> dict[str, Any]:
    """Return the `authorization` block of the broker's configuration."""
    roles = [
        {
            "user": users[role].user,
            "password": users[role].password,
            "permissions": permissions(role),
        }
        for role in ROLES
    ]
    return {
        "users": roles
        + [
            {
                "user": one.name,
                "password": one.password,
                "permissions": producer_permissions(one.name, one.endpoints, one.deployments),
            }
            for one in producers
        ]
    }


def _limited(publishes: list[str], hears: list[str]) -> Permissions:
    return {
        "publish": {"allow": publishes, "deny": _guarded(publishes)},
        "subscribe": {"allow": hears},
    }


def _gateway_publishes() -> list[str]:
    return [
        subjects.WORK,
        subjects.GATEWAY_HEARTBEATS,
        subjects.DEMANDS,
        subjects.CANCELS,
        subjects.TRAFFIC,
        subjects.RESULTS,
        subjects.JOBS,
        subjects.BODIES,
        f"{PRODUCER_INBOXES}.>",  # an answer after a reconnect has no question on record
        subjects.ENQUEUES,
        subjects.WEBHOOKS,
        subjects.DEAD,
        *_shares(subjects.INGRESS_STREAM),
        *_shares(subjects.WEBHOOKS_STREAM),
        f"$JS.API.DIRECT.GET.{subjects.RESULTS_STREAM}.>",
        f"$JS.API.DIRECT.GET.{subjects.JOBS_STREAM}.>",
        f"$JS.API.DIRECT.GET.{IDEMPOTENCY}.>",
        subjects.RESERVATIONS,
        _BODY_CHUNKS,
        # A stream's name is one token, so work queues cannot be named by a wildcard alone.
        "$JS.API.STREAM.MSG.DELETE.*",
        "$JS.API.STREAM.MSG.GET.*",
        *(f"$JS.API.CONSUMER.INFO.*.{lane}" for lane in subjects.KEPT_LANES),
        *_reads(CONFIG),
    ]


def _worker_publishes() -> list[str]:
    return [
        subjects.REPLIES,
        subjects.WORKER_HEARTBEATS,
        subjects.LOGS,
        subjects.EVENTS,
        subjects.SHADOWS,
        subjects.DEAD,
        subjects.RESULTS,
        subjects.JOB_RUNS,
        subjects.WEBHOOKS,
        subjects.BODIES,
        _BODY_CHUNKS,
        "$JS.API.CONSUMER.MSG.NEXT.*.*",
        "$JS.API.CONSUMER.INFO.*.*",
        "$JS.ACK.>",
        *_reads(CONFIG),
        *_reads(ATTEMPTS),
        f"$KV.{subjects.ATTEMPTS_BUCKET}.>",
        *_reads(SAMPLES),
        f"$KV.{subjects.SAMPLES_BUCKET}.>",
        *_reads(ARTIFACTS),
        "$JS.API.STREAM.NAMES",  # the client library looks for the store's stream by its subject
    ]


def _worker_hears(own_inbox: str) -> list[str]:
    return [subjects.CANCELS, subjects.DRAINS, subjects.DEPTHS, own_inbox]


def _scaler_publishes() -> list[str]:
    return [
        subjects.EVENTS,
        subjects.DEPTHS,
        subjects.SCALES,
        subjects.LOADS,
        subjects.DRAINS,
        # What a deleted deployment leaves is enqueued anew.
        subjects.ENQUEUES,
        subjects.JOBS,
        subjects.WEBHOOKS,
        # It cancels queued requests for people.
        subjects.RESULTS,
        subjects.CANCELS,
        "$JS.API.>",
        "$JS.ACK.>",
        "$JS.FC.>",
        "$KV.>",
        "$O.>",
    ]


def _shares(stream: str) -> list[str]:
    """What it takes to work off a stream that all gateways share."""
    return [
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{subjects.GATEWAYS_CONSUMER}",
        f"$JS.API.CONSUMER.INFO.{stream}.{subjects.GATEWAYS_CONSUMER}",
        f"$JS.ACK.{stream}.>",
    ]


def _reads(stream: str) -> list[str]:
    """What it takes to read a stream: look at it, get messages, follow it with a consumer."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.FC.{stream}.>",
    ]


def _guarded(publishes: list[str]) -> list[str]:
    """What the wildcards over work queues must not reach: the streams that are none."""
    shared = [
        config["name"]
        for config in (*topology.buckets(), topology.artifacts(), *topology.shared_streams())
    ]
    suffixes = {
        "$JS.API.STREAM.MSG.DELETE.*": "",
        "$JS.API.STREAM.MSG.GET.*": "",
        "$JS.API.CONSUMER.MSG.NEXT.*.*": ".*",
        "$JS.API.CONSUMER.INFO.*.*": ".*",
        "$JS.ACK.>": ".>",
    }
    return [
        denied
        for pattern, suffix in suffixes.items()
        if pattern in publishes and "$JS.API.>" not in publishes
        for stream in shared
        if (denied := pattern.split("*")[0].split(">")[0] + stream + suffix) not in publishes
    ]
