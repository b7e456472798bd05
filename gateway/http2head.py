"""The head of an HTTP/2 request: whether it is in order, and what HTTP/1.1 would have brought.

The library would end the connection, and every request on it, for one head that is not in order.
Ring: decisions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from mesh.errors import RequestError

Fields = list[tuple[bytes, bytes]]

PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path"))
OF_HTTP1: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)

_NAME: Final = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_PATH: Final = re.compile(rb"(?:/[^\x00-\x20\x7f]*|\*)")

_RULES: Final = {b"te": re.compile(rb"trailers"), b"content-length": re.compile(rb"[0-9]{1,18}")}


class Head(NamedTuple):
    """A request's head; `headers` with the host, the pieces of a cookie joined."""

    method: bytes
    url: bytes
    scheme: bytes
    headers: Fields
    size_bytes: int


def read_head(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """Return a request's head; what is wrong with it is told by `check_head`."""
    pseudo: dict[bytes, bytes] = {}
    headers: Fields = []
    cookies: list[bytes] = []
    size_bytes = 0
    for name, value in fields:
        size_bytes += len(name) + len(value)
        if name == b"cookie":
            cookies.append(value)
        elif name in PSEUDO and name not in pseudo and not headers:
            pseudo[name] = value
        else:
            headers.append((name, value))
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))
    if b":authority" in pseudo:
        headers = [pair for pair in headers if pair[0] != b"host"]
        headers.insert(0, (b"host", pseudo[b":authority"]))
    method, url = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    return Head(method, url, pseudo.get(b":scheme", b""), headers, size_bytes)


def check_head(head: Head) -> None:
    """Refuse a head that is not in order.

    A pseudo-header that is unknown, repeated or late is among the headers, where its name is none.

    Raises:
        RequestError: it is not.
    """
    if not (_NAME.fullmatch(head.method.lower()) and head.scheme and _PATH.fullmatch(head.url)):
        raise RequestError("a request has a :method, a :scheme and a :path")
    for name, value in head.headers:
        if not _NAME.fullmatch(name) or name in OF_HTTP1:
            raise RequestError(f"{name[:80]!r} is no header of HTTP/2")
        rule = _RULES.get(name, _VALUE)
        if not rule.fullmatch(value):
            raise RequestError(f"{name[:80]!r} has a value that is not allowed")
