"""When a queued request may run and until when, who is told of its end, and how urgent it is.

Said in headers, over HTTP and over NATS alike. Ring: decisions.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from mesh import wire
from mesh.deadline import shorter_timeout_s
from mesh.errors import RequestError
from mesh.settings import GatewaySettings
from mesh.subjects import Lane

WISH_MS: Final = b"x-ms-request-timeout-ms"
WISH_S: Final = b"request-timeout"
PRIORITY: Final = wire.PRIORITY.lower().encode()
NOT_BEFORE: Final = wire.NOT_BEFORE.lower().encode()
EXPIRES: Final = wire.EXPIRES.lower().encode()
WEBHOOK: Final = wire.WEBHOOK.lower().encode()
NORMAL: Final = b"normal"
PRIORITIES: Final[dict[str, Lane]] = {"normal": "queued", "low": "background"}
LONGEST_S: Final = 86_400.0
URL_CHARS: Final = 2048

_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?")

Headers = Mapping[bytes, bytes]


class Allowed(NamedTuple):
    """What callers may ask: how long a request waits that says nothing, and any; who may be told.

    `hosts` are patterns of the hosts that webhooks may call.
    """

    default_s: float
    longest_s: float
    hosts: Sequence[str] = ()

    @classmethod
    def of(cls, settings: GatewaySettings) -> Allowed:
        """Return what is set: nothing waits for longer than something is known of it."""
        longest_s = min(LONGEST_S, settings.result_ttl_s)
        default_s = min(settings.queued_timeout_s, longest_s)
        return cls(default_s, longest_s, settings.webhook_hosts)


class Terms(NamedTuple):
    """What a caller asks of a queued request. Times count from when it was accepted.

    `delay_s` before it may run, `timeout_s` after which it may not.
    """

    lane: Lane
    delay_s: float
    timeout_s: float
    webhook: str


def read_terms(headers: Headers, now_s: float, allowed: Allowed) -> Terms:
    """Read what a caller asks for.

    Args:
        headers: the request's, names in lower case.
        now_s: when it was accepted (Unix time).
        allowed: what may be asked for.

    Raises:
        RequestError: a header asks for what cannot be had.
    """
    delay_s = max(0.0, seconds_until(headers, NOT_BEFORE, wire.NOT_BEFORE, now_s) or 0.0)
    timeout_s = seconds_until(headers, EXPIRES, wire.EXPIRES, now_s)
    if timeout_s is None:
        timeout_s = wished_timeout_s(headers, delay_s + allowed.default_s, allowed.longest_s)
    elif timeout_s <= 0:
        raise _refused(headers, EXPIRES, wire.EXPIRES, "it is in the past")
    if timeout_s > allowed.longest_s:
        why = f"it is more than {allowed.longest_s:g} s away"
        raise _refused(headers, EXPIRES, wire.EXPIRES, why)
    if delay_s >= timeout_s:
        raise _refused(headers, NOT_BEFORE, wire.NOT_BEFORE, "it would expire before that")
    return Terms(lane_of(headers), delay_s, timeout_s, webhook_of(headers, allowed.hosts))


def seconds_until(headers: Headers, key: bytes, name: str, now_s: float) -> float | None:
    """Return in how many seconds the time is that a header names; None if there is no such header.

    Raises:
        RequestError: it is no time.
    """
    if key not in headers:
        return None
    text = headers[key].decode("latin-1").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _refused(
            headers, key, name,
            "expected seconds from now, or a time as 2026-01-31T12:00:00Z, its zone included",
        )  # fmt: skip
    return at.astimezone(UTC).timestamp() - now_s


def wished_timeout_s(headers: Headers, default_s: float, longest_s: float) -> float:
    """Return how long a request may wait: its own wish, up to the longest."""
    if WISH_MS not in headers and WISH_S not in headers:
        return min(default_s, longest_s)
    wish_ms, wish_s = headers.get(WISH_MS, b""), headers.get(WISH_S, b"")
    wish = shorter_timeout_s(math.inf, wish_ms.decode("latin-1"), wish_s.decode("latin-1"))
    return min(default_s if wish == math.inf else wish, longest_s)


def lane_of(headers: Headers) -> Lane:
    """Return the lane for the priority that a caller asks for.

    Raises:
        RequestError: there is no such priority.
    """
    priority = headers.get(PRIORITY, NORMAL).decode("latin-1")
    lane = PRIORITIES.get(priority)
    if lane is None:
        raise _refused(headers, PRIORITY, wire.PRIORITY, f"expected {' or '.join(PRIORITIES)}")
    return lane


def webhook_of(headers: Headers, hosts: Sequence[str]) -> str:
    """Return the URL that is to be called in the end, empty if there is none.

    Raises:
        RequestError: it is no such URL, or its host may not be called.
    """
    if WEBHOOK not in headers:
        return ""
    url = headers[WEBHOOK].decode("latin-1").strip()
    host = host_of(url)
    if host is None:
        raise _refused(
            headers, WEBHOOK, wire.WEBHOOK, "expected a URL as https://host/path, without a user"
        )
    if not any(fnmatch.fnmatchcase(host, pattern.lower()) for pattern in hosts):
        raise _refused(
            headers, WEBHOOK, wire.WEBHOOK, f"gateway.webhook_hosts does not name the host {host}"
        )
    return url


def host_of(url: str) -> str | None:
    """Return the host that a URL for a webhook names, None if it is none."""
    if not (url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARS):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    is_fit = parts.scheme in ("http", "https") and parts.username is None
    return host if host and is_fit else None


def _refused(headers: Headers, key: bytes, name: str, why: str) -> RequestError:
    return RequestError(f"{name}: {headers[key].decode('latin-1')!r}: {why}")
