"""Errors that are answers: what Triton's own HTTP server would say of a request. Ring: values."""

from __future__ import annotations

import json


class V2Error(Exception):
    """A request that ends with an error, with the HTTP status that Triton gives it."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.message = message
        self.status = status
        super().__init__(message)

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return json.dumps({"error": self.message}, ensure_ascii=False).encode()


class ServerAwayError(Exception):
    """The server is not there, ended while it had the request, or is of no use any more."""


class OverdueError(Exception):
    """The request's deadline passed before its answer came."""
