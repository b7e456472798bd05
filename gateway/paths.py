"""What the URL of a request says: whose endpoint it is for, and which path its model is asked.

A model is asked `/score`, or any path of the v2 inference protocol, which is handed on as it was
sent: never decoded, never tidied up, so that nobody after us reads another path than the one that
was checked here. Ring: decisions.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PREFIX: Final = b"/endpoints/"
SCORE: Final = "/score"


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
