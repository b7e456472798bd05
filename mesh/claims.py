"""A claim stands in a message for a body that is too large to travel in it.

In the header `Mesh-Body`: `<id>;<bytes>;<chunks>`. The body lies in the stream `BODIES`, chunk by
chunk; `mesh.bodies` writes and reads it. Ring: values.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mesh.errors import ProtocolError
from mesh.names import is_request_id

CHUNK_BYTES: Final = 1 << 20
NUMBER_DIGITS: Final = 15
# Lives of chunks are padded by this: clocks, retries, the last chunk of a body that is being read.
MARGIN_S: Final = 30.0
# How long a body may take to come from a client, and to be read by one.
TRANSFER_S: Final = 300.0


class Claim(NamedTuple):
    """Where a large body lies: its id, its size, and how many chunks it has."""

    id: str
    size_bytes: int
    chunks: int

    def __str__(self) -> str:
        return f"{self.id};{self.size_bytes};{self.chunks}"


def parse(text: str) -> Claim:
    """Read the value of a `Mesh-Body` header.

    Raises:
        ProtocolError: it is none.
    """
    body_id, _, numbers = text.partition(";")
    size, _, chunks = numbers.partition(";")
    if is_request_id(body_id) and _is_number(size) and _is_number(chunks):
        claim = Claim(body_id, int(size), int(chunks))
        if 0 < claim.chunks <= claim.size_bytes:
            return claim
    raise ProtocolError(f"Mesh-Body: {text[:100]!r}: expected <id>;<bytes>;<chunks>")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS
