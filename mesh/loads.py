"""What a deployment was asked for in the last weeks, as it is kept. Ring: values."""

from __future__ import annotations

import msgspec


class LoadPoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Requests that gateways were asked for from `start_s` (Unix time) on, for five minutes.

    `heard_s`: in so many of its seconds gateways were heard. `service_s`: the time a request took,
    None if no instance told. There may be several of one start: each has seen a part.
    """

    start_s: float
    heard_s: float
    requests: int
    service_s: float | None = None


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LoadPoint).decode


def decode(data: bytes) -> LoadPoint | None:
    """Decode a point; None if it is not one."""
    try:
        return _decode(data)
    except msgspec.MsgspecError:
        return None
