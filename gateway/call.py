"""A scoring request on its way: what is read from its HTTP head, and the message made of it.

Ring: adapter.
"""

from __future__ import annotations

import json
import random
import re
from typing import Final

from gateway.edge import content_type_field
from gateway.exchange import Exchange
from gateway.meters import Meters
from gateway.paths import PREFIX, SCORE, read
from gateway.pending import Entry, Sink
from gateway.routes import Mirror, Route, Target, timing_fields
from gateway.terms import WISH_MS, WISH_S
from mesh import wire
from mesh.deadline import shorter_timeout_s
from mesh.errors import NotFoundError, NoWorkerError
from mesh.records import ReservationRecord
from mesh.v2 import V2, check_v2, is_v2

DEPLOYMENT: Final = b"azureml-model-deployment"
ROUTING_KEY: Final = b"mesh-routing-key"
CLIENT_ID: Final = b"x-ms-client-request-id"
TRACEPARENT: Final = b"traceparent"
CONTENT_TYPE: Final = b"content-type"
# What a v2 body cannot be read without: they travel first, and whether headers are read or not.
V2_HEADERS: Final = (b"inference-header-content-length", b"content-encoding")
CLIENT_ID_CHARS: Final = 40
MESH_HTTP_BYTES: Final = 16 * 1024

Headers = list[tuple[bytes, bytes]]

_CLIENT_ID: Final = re.compile(rb"[A-Za-z0-9_-]+")
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}(-[0-9a-f]{2,32}){3,8}")
HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect".split()
)
SECRET: Final = frozenset(b"authorization proxy-authorization cookie".split())


def new_request_id() -> str:
    """Return a fresh GUID (version 4). Unique, not secret: no random device is read for it."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


class Call(Entry):
    """An entry of the pending table that stands for an HTTP request."""

    __slots__ = (
        "deployment", "exchange", "is_out", "meters", "mirror", "mirrored_to", "path",
        "request_id", "target", "timeout_s",
    )  # fmt: skip

    target: Target  # from `aim` on

    def __init__(self, exchange: Exchange, meters: Meters, sink: Sink) -> None:
        super().__init__("", sink)
        self.exchange = exchange
        self.meters = meters
        self.request_id = new_request_id()
        self.deployment = ""
        self.is_out = False
        self.mirror: Mirror | None = None
        self.mirrored_to = ""
        self.path = path_of(exchange)

    def aim(self, target: Target, mirror: Mirror | None) -> None:
        """Note which deployment the request goes to, and where a copy of it."""
        self.target = target
        self.mirror = mirror
        self.wants_ack = mirror is not None or target.is_asleep
        self.stream = target.stream
        self.deployment = target.deployment
        self.meters = target.meters
        self.timeout_s = timeout_s(target, self.exchange.headers)

    def go_out(self) -> None:
        """Note that the request is on its way to the queue."""
        self.is_out = True
        self.meters.accepted += 1
        self.target.forecast.since += 1

    def come_back(self) -> None:
        """Note that it has ended, or that nobody waits for it; harmless if it is not out."""
        if self.is_out:
            self.is_out = False
            self.target.forecast.since -= 1

    def again(self, left_s: float) -> tuple[str, bytes, str, str] | None:
        """Return the message to be published once more, with what is left of its time.

        The queue counts from when it gets it: with the whole time it might run too late. None if
        it is confirmed, or over.
        """
        if self.message is None or left_s <= 0:
            return None
        subject, body, reply, fields = self.message
        fields = fields.replace(timing_fields(self.timeout_s), timing_fields(left_s))
        return subject, body, reply, fields

    @property
    def head(self) -> bytes:
        """The answer's header lines that say which request of whose this was."""
        client = client_id(self.exchange.headers)
        lines = f"x-request-id: {self.request_id}\r\n"
        if client:
            lines += f"x-ms-client-request-id: {client}\r\n"
        if self.deployment:
            lines += f"azureml-model-deployment: {self.deployment}\r\n"
        return lines.encode()

    def fields(self, reply: str, message_id: str = "") -> str:
        """Return the message's header lines; a feature that is not used adds none."""
        target, request_id = self.target, self.request_id
        timing = target.fields
        if self.timeout_s != target.timeout_s:
            timing = timing_fields(self.timeout_s)
        return (
            f"{wire.REQUEST_ID}: {request_id}\r\n{wire.MSG_ID}: {message_id or request_id}\r\n"
            f"{wire.REPLY}: {reply}\r\n{timing}{request_fields(self.exchange, self.path, target)}"
        )


class KeyedCall(Call):
    """A request with an idempotency key.

    `key_subject` is what its key is kept under, `wanted` what it would write there; `seq_held` the
    revision at which it is written, 0 while the key is not this request's; `until_s` when its time
    is over.
    """

    __slots__ = ("key_subject", "seq_held", "until_s", "wanted")

    def __init__(self, exchange: Exchange, meters: Meters, sink: Sink) -> None:
        super().__init__(exchange, meters, sink)
        self.key_subject = ""
        self.seq_held = 0
        self.until_s = 0.0
        self.wanted = ReservationRecord(fingerprint="", request_id=self.request_id, timeout_s=0.0)

    def fields(self, reply: str, message_id: str = "") -> str:
        """Ask for the result to be kept; a second try needs a message id of its own."""
        message_id = f"{self.request_id}.{self.seq_held}"
        return f"{super().fields(reply, message_id)}{wire.KEEP}: 1\r\n"


def path_of(exchange: Exchange) -> str:
    """Return the path, with the query, as the model sees it."""
    if exchange.url == exchange.route.path:
        return SCORE
    return read(exchange.url).model_path


def choose(route: Route, headers: dict[bytes, bytes]) -> tuple[Target, Mirror | None]:
    """Pick the deployment: the one that is named, else the routing key's, else the next by weight.

    Returns:
        The deployment, and the mirror if this request is to be copied to it.

    Raises:
        NotFoundError: the named deployment does not exist, or none has traffic.
    """
    named = headers.get(DEPLOYMENT)
    if named is not None:
        target = route.targets.get(named.decode("latin-1"))
        if target is None:
            raise NotFoundError(f"endpoint {route.endpoint} has no deployment of this name")
        return target, None
    split = route.split
    if split is None:
        raise NotFoundError(f"no deployment of endpoint {route.endpoint} has traffic")
    key = headers.get(ROUTING_KEY)
    target = route.targets[split.stick(key) if key else split.pick()]
    mirror = route.mirror
    return target, mirror if mirror is not None and mirror.is_chosen() else None


def check_path(target: Target, path: str) -> None:
    """Refuse a path that the deployment does not serve, or that is not one.

    Raises:
        NotFoundError: the path is one of the v2 protocol, and the deployment does not speak it.
        RequestError: it is, but not in order.
    """
    if not is_v2(path):
        return
    if not target.speaks_v2:
        raise NotFoundError(
            f"deployment {target.deployment} serves no {V2}: its model is no triton_model; "
            f"POST to {PREFIX.decode()}{target.endpoint}{SCORE}, or name one that does with the "
            f"header {DEPLOYMENT.decode()}"
        )
    check_v2(path)


def check_alive(target: Target, now_s: float) -> None:
    """Refuse at once what nobody could answer.

    Raises:
        NoWorkerError: the deployment has failed and has no instance that is ready.
    """
    if target.failed and now_s < target.failed_until_s:
        raise NoWorkerError(f"deployment {target.deployment} has failed: {target.failed}")


def timeout_s(target: Target, headers: dict[bytes, bytes]) -> float:
    """Return the deadline the caller gets: the deployment's, or its own wish if that is shorter."""
    if WISH_MS not in headers and WISH_S not in headers:
        return target.timeout_s
    wish_ms = headers.get(WISH_MS, b"").decode("latin-1")
    return shorter_timeout_s(target.timeout_s, wish_ms, headers.get(WISH_S, b"").decode("latin-1"))


def client_id(headers: dict[bytes, bytes]) -> str:
    """Return the caller's own request id, cut to its limit; empty if none, or not a valid one."""
    text = headers.get(CLIENT_ID, b"")
    if not text or _CLIENT_ID.fullmatch(text) is None:
        return ""
    return text[:CLIENT_ID_CHARS].decode()


def request_fields(exchange: Exchange, path: str, target: Target) -> str:
    """Return the header lines that describe the HTTP request itself."""
    headers = exchange.headers
    fields = content_type_field(headers.get(CONTENT_TYPE))
    if exchange.method != b"POST" or path != SCORE:
        fields += f"{wire.METHOD}: {exchange.method.decode()}\r\n{wire.PATH}: {path}\r\n"
    if TRACEPARENT in headers and _TRACEPARENT.fullmatch(headers[TRACEPARENT]):
        fields += f"{wire.TRACEPARENT}: {headers[TRACEPARENT].decode()}\r\n"
    if exchange.claim is not None:
        fields += f"{wire.BODY}: {exchange.claim}\r\n"
    if target.read_headers or target.has_v2_body:
        pairs = wanted_headers(exchange.header_list, target)
        fields += f"{wire.HTTP}: {caller_headers(pairs)}\r\n" if pairs else ""
    return fields


def wanted_headers(header_list: Headers, target: Target) -> Headers:
    """Return the headers a deployment gets: what a v2 body needs first, then the others if read."""
    needed = [pair for pair in header_list if pair[0] in V2_HEADERS] if target.has_v2_body else []
    if not target.read_headers:
        return needed
    return needed + [pair for pair in header_list if pair not in needed]


def caller_headers(header_list: Headers) -> str:
    """Return the caller's own headers as a JSON list of pairs, as many as the limit allows."""
    kept: list[tuple[str, str]] = []
    size = 2
    for name, value in header_list:
        if name in HOP_BY_HOP or name in SECRET or name.startswith((b"mesh-", b"nats-")):
            continue
        pair = (name.decode("latin-1"), value.decode("latin-1"))
        size += len(json.dumps(pair)) + 2
        if size > MESH_HTTP_BYTES:
            break
        kept.append(pair)
    return json.dumps(kept)
