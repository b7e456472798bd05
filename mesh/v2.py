"""Paths of the v2 inference protocol, and which of them everybody reads alike.

Ring: decisions.
"""

from __future__ import annotations

import functools
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from mesh.errors import RequestError

V2: Final = "/v2"
PATH_CHARS: Final = 2048

_V2_START: Final = V2 + "/"
_CHAR: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_PATH: Final = re.compile(rf"(?:/{_CHAR}+)+")
_QUERY: Final = re.compile(rf"(?:{_CHAR}|[/?])*")
_DOTS: Final = (b".", b"..")
_UNFIT: Final = re.compile(rb"[\x00-\x1f\x7f/\\]")


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
