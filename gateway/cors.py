"""Cross-origin calls from browsers: off unless settings name origins. Ring: decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ANY: Final = "*"
MAX_AGE_S: Final = 600
ALLOWED_HEADERS: Final = (
    "authorization, content-type, azureml-model-deployment, mesh-routing-key, "
    "x-ms-client-request-id, x-ms-request-timeout-ms, request-timeout, traceparent, "
    "inference-header-content-length"
)
EXPOSED_HEADERS: Final = (
    "x-request-id, x-ms-client-request-id, azureml-model-deployment, "
    "ms-azureml-model-error-statuscode, ms-azureml-model-error-reason, retry-after, "
    "inference-header-content-length"
)


class Cors:
    """Which origins may call, and the header lines that tell a browser so."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    def __bool__(self) -> bool:
        return self._any or bool(self._origins)

    def is_allowed(self, origin: bytes) -> bool:
        """Tell whether a page of this origin may call."""
        return bool(origin) and (self._any or origin in self._origins)

    def lines(self, origin: bytes) -> bytes:
        """Return the header lines of an answer to a call from this origin; none if not allowed."""
        if not self.is_allowed(origin):
            return b""
        exposed = EXPOSED_HEADERS.encode()
        return (
            b"access-control-allow-origin: %b\r\n"
            b"access-control-expose-headers: %b\r\nvary: origin\r\n" % (origin, exposed)
        )

    def preflight(self, origin: bytes) -> dict[str, str] | None:
        """Return the headers of the answer to a preflight, None if the origin is not allowed."""
        if not self.is_allowed(origin):
            return None
        return {
            "access-control-allow-origin": origin.decode("latin-1"),
            "access-control-allow-methods": "POST, GET, DELETE",
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": str(MAX_AGE_S),
            "vary": "origin",
        }
