"""From a request to its answer, by way of a Triton server. Ring: adapter."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from mesh.wire import JSON
from workers.exchange import RunRequest
from workers.triton.client import DEAD_MODEL, TritonClient
from workers.triton.errors import ServerAwayError, V2Error
from workers.triton.inference import HEADER_LENGTH, Worded, read_inference, word_inferred
from workers.triton.relay import Relay, Reply
from workers.triton.routes import Asked, Verb, read_path

LENGTH_NAME: Final = HEADER_LENGTH.lower()
UNPACKED_LIMIT_BYTES: Final = 256 << 20
WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
# The gRPC method of each question that is answered with a message of its own.
METHODS: Final[dict[Verb, str]] = {
    "server": "ServerMetadata",
    "model": "ModelMetadata",
    "config": "ModelConfig",
    "stats": "ModelStatistics",
    "index": "RepositoryIndex",
}
PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")  # Triton's HTTP decodes no other name
BRACKETS: Final = 1000
SHAPE: Final = re.compile(rb'"shape"\s*:\s*\[([^\]]{0,1000})')
NUMBER: Final = re.compile(rb"[0-9]+")
NOT_READY: Final = "Model version not ready"


class Answer(NamedTuple):
    """What goes back; `headers` is a JSON list of pairs, or empty."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: bytes = b""


class Front:
    """Answers requests with one server. `models`: what it serves, for requests that name none.

    With a `relay`, which only a server of our own has, inference goes by it, unread.
    """

    def __init__(self, client: TritonClient, relay: Relay | None = None) -> None:
        self._client = client
        self._relay = relay
        self.models: list[str] = []

    async def answer(self, request: RunRequest, timeout_s: float | None) -> Answer:
        """Return the answer to a request; a `V2Error` is one too.

        Raises:
            ServerAwayError: the server ended meanwhile, or is not there.
            OverdueError: it did not answer in time.
        """
        try:
            asked = read_path(request.method, request.path)
            if asked.verb == "infer":
                return await self._infer(asked, request, timeout_s)
            return await self._tell(asked, timeout_s)
        except V2Error as exc:
            return Answer(exc.status, exc.body)

    async def _infer(self, asked: Asked, request: RunRequest, timeout_s: float | None) -> Answer:
        model = asked.model or self._only_model()
        headers = read_headers(request.headers)
        size = header_length(headers)
        if self._relay is not None and not (
            "content-encoding" in headers
            or PLAIN.fullmatch(model + asked.version) is None
            or is_delicate(request.body, size)
        ):
            return relayed(
                await self._relay.infer(model, asked.version, request.body, size, timeout_s)
            )
        body = unpack(request.body, headers.get("content-encoding", ""))
        inference = read_inference(body, size)
        said = await self._client.infer(model, asked.version, inference, timeout_s)
        return answer_of(word_inferred(said, inference))

    def _only_model(self) -> str:
        if len(self.models) == 1:
            return self.models[0]
        names = ", ".join(self.models)
        raise V2Error(
            f"/score is for a repository of one model, this one has {names}: "
            f"POST /v2/models/<model>/infer"
        )

    async def _tell(self, asked: Asked, timeout_s: float | None) -> Answer:
        client, verb = self._client, asked.verb
        fields = {"name": asked.model, "version": asked.version} if asked.model else {}
        if (method := METHODS.get(verb)) is not None:
            said = await client.tell(method, timeout_s, **fields)
            return Answer(200, msgspec.json.encode(said))
        if verb == "model_ready":
            is_so = (await client.tell("ModelReady", timeout_s, **fields))["ready"]
            if not is_so:
                raise V2Error(NOT_READY)
            return Answer(200, b"")
        said = await client.tell("ServerLive" if verb == "live" else "ServerReady", timeout_s)
        return Answer(200 if said[verb] else 400, b"")


def read_headers(pairs: bytes) -> Mapping[str, str]:
    """Return the caller's headers by their names in lower case."""
    if not pairs:
        return {}
    return {name.lower(): text for name, text in json.loads(pairs)}


def header_length(headers: Mapping[str, str]) -> int | None:
    """Return how long the JSON part of a body is; None if there is no other.

    Raises:
        V2Error: the header is no number.
    """
    text = headers.get(LENGTH_NAME)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise V2Error(f"{HEADER_LENGTH}: {text!r} is not a whole number")
    return int(text)


def unpack(body: bytes, encoding: str) -> bytes:
    """Return the body without its compression.

    Raises:
        V2Error: it is of another kind, broken, or too large.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in WINDOW_BITS:
        raise V2Error(f"Content-Encoding: {encoding!r}: must be gzip or deflate", 415)
    packed = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        unpacked = packed.decompress(body, UNPACKED_LIMIT_BYTES)
    except zlib.error as exc:
        raise V2Error(f"the body is not {encoding}: {exc}") from exc
    if not packed.eof:
        limit = f"or has more than {UNPACKED_LIMIT_BYTES} bytes unpacked"
        raise V2Error(f"the {encoding} body is cut off, {limit}")
    return unpacked


def is_delicate(body: bytes, json_bytes: int | None) -> bool:
    """Tell whether a body is to be read before a server gets it.

    Triton's own HTTP dies of deep nesting and reserves memory for any shape.
    """
    end = len(body) if json_bytes is None else min(json_bytes, len(body))
    return (
        body.find(b"shared_memory", 0, end) >= 0
        or body.find(b"\\", 0, end) >= 0  # which may hide the other words
        or body.count(b"[", 0, end) + body.count(b"{", 0, end) > BRACKETS
        or any(
            math.prod(map(int, NUMBER.findall(shape))) > len(body)
            for shape in SHAPE.findall(body, 0, end)
        )
    )


def relayed(reply: Reply) -> Answer:
    """Return the answer that the server gave over HTTP.

    Raises:
        ServerAwayError: it says that a model is dead.
    """
    if reply.status != 200 and DEAD_MODEL.fullmatch(text := error_in(reply.body)):
        raise ServerAwayError(text)
    content_type = reply.headers.get("content-type", JSON)
    if (json_bytes := reply.headers.get(LENGTH_NAME)) is None:
        return Answer(reply.status, reply.body, content_type)
    pairs = f'[["{HEADER_LENGTH}","{json_bytes}"]]'.encode()
    return Answer(reply.status, reply.body, content_type, pairs)


def error_in(body: bytes) -> str:
    """Return the message of an error's body; empty if there is none."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    text = said.get("error") if isinstance(said, dict) else None
    return text if isinstance(text, str) else ""


def answer_of(worded: Worded) -> Answer:
    """Return the answer that holds what a model said."""
    body, content_type, json_bytes = worded
    if json_bytes is None:
        return Answer(200, body)
    pairs = f'[["{HEADER_LENGTH}","{json_bytes}"]]'.encode()
    return Answer(200, body, content_type, pairs)
