"""What a client asks of a way to a mesh. Ring: values."""

from __future__ import annotations

from typing import Final, Protocol

from mesh.client.answer import Answer, Status
from mesh.client.options import Ask

LONGEST_S: Final = 310.0  # the longest request an endpoint allows, and a little
MARGIN_S: Final = 5.0


class Transport(Protocol):
    """A way to a mesh. Whatever is not 2xx is raised."""

    async def invoke(self, asked: Ask) -> Answer:
        """Ask and wait for the answer."""

    async def submit(self, asked: Ask) -> str:
        """Queue a request; return its id."""

    async def result(self, endpoint: str, request_id: str, wait_s: float | None) -> Answer:
        """Return a queued request's result; None waits until it has ended."""

    async def status(self, endpoint: str, request_id: str) -> Status:
        """Say what has become of a queued request."""

    async def cancel(self, endpoint: str, request_id: str) -> None:
        """Cancel a queued request."""

    async def close(self) -> None:
        """Disconnect."""


def patience_s(asked: Ask) -> float:
    """Return how long to wait for an answer before giving up on the mesh itself."""
    return LONGEST_S if asked.timeout_s is None else min(LONGEST_S, asked.timeout_s + MARGIN_S)
