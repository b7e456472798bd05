"""What the URL of a request says: whose endpoint it is for, and which path its model is asked.

A model is asked `/score`, or any path of the v2 inference protocol, which is handed on as it was
sent: never decoded, never tidied up, so that nobody after us reads another path than the one that
was checked here. Ring: decisions.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from mesh.errors import RequestError

PREFIX: Final = b"/endpoints/"
SCORE: Final = "/score"
V2: Final = "/v2"
PATH_CHARS: Final = 2048

_V2_START: Final = V2 + "/"
_CHAR: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_PATH: Final = re.compile(rf"(?:/{_CHAR}+)+")
_QUERY: Final = re.compile(rf"(?:{_CHAR}|[/?])*")
_DOTS: Final = (b".", b"..")
_UNFIT: Final = re.compile(rb"[\x00-\x1f\x7f/\\]")


class Place(NamedTuple):
    """Where a URL leads: a host if it names one, an endpoint if its path does, and the rest."""

    host: bytes | None
    endpoint: bytes | None
    path: bytes
    query: bytes  # with its question mark, if there is one

    @property
    def is_scoring(self) -> bool:
        """Whether a model is asked, rather than the gateway."""
        path = self.path
        return path in (b"/score", b"/v2") or path.startswith(b"/v2/")

    @property
    def model_path(self) -> str:
        """The path, with the query, as the model sees it."""
        return (self.path + self.query).decode("latin-1")


def read(url: bytes) -> Place:
    """Take a URL apart, whether absolute or a path alone."""
    path, mark, query = url.partition(b"?")
    host = endpoint = None
    if path.startswith((b"http://", b"https://")):
        host, slash, rest = path.partition(b"://")[2].partition(b"/")
        path = slash + rest
    if path.startswith(PREFIX):
        endpoint, slash, rest = path[len(PREFIX) :].partition(b"/")
        path = slash + rest
    return Place(host, endpoint, path, mark + query)


def is_v2(path: str) -> bool:
    """Tell whether a model's path is one of the v2 inference protocol."""
    return path.startswith(_V2_START) or path.partition("?")[0] == V2


@functools.lru_cache(maxsize=256)
def check_v2(path: str) -> None:
    """Check a path of the v2 protocol, with its query.

    Raises:
        RequestError: it is too long, or not every reader would take it for the same path.
    """
    if len(path) > PATH_CHARS:
        raise RequestError(f"the path from {V2} on is longer than {PATH_CHARS} characters")
    bare, _, query = path.partition("?")
    if _PATH.fullmatch(bare) is None or _QUERY.fullmatch(query) is None:
        raise RequestError(
            "the path has an empty segment, or a character that must be percent-encoded"
        )
    for segment in map(unquote_to_bytes, bare[1:].split("/")):
        if segment in _DOTS or _UNFIT.search(segment):
            raise RequestError(
                "a segment of the path is `.` or `..`, or holds a slash, a backslash or a "
                "control character"
            )
