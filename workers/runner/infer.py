"""How `run` is called with arrays, and how what it returns is answered. Ring: decisions."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable, NamedTuple

from . import adapt, inflate, outputs, tensors
from .adapt import Form, Refusal, Request
from .frames import FIELDS, HEADER, RESULT, pack_fields
from .script import HEADERS_PARAMETER, Script, ScriptError

HEAD_LENGTH = "inference-header-content-length"
ENCODING = "content-encoding"
BINARY_TYPE = b"application/octet-stream"


class Place(NamedTuple):
    """Where arrays live while the script has them: `give` brings them there, `take` back."""

    give: Callable[[Any], Any]
    take: Callable[[Any], Any]


class Scored(NamedTuple):
    """What `run` returned, and to which question."""

    question: tensors.Question
    result: Any


HOST = Place(lambda array: array, lambda array: array)


def tensor_form(script: Script, model_name: str, place: Place) -> Form:
    """Return how a script that takes arrays is called and answered.

    Raises:
        ScriptError: `run` is a generator.
    """
    if inspect.isgeneratorfunction(script.run) or inspect.isasyncgenfunction(script.run):
        raise ScriptError("run() is a generator, which mesh.inputs: tensors does not take")

    def encode(scored: Scored) -> outputs.Reply:
        return _encode(scored, model_name, place.take)

    return Form(_caller(script, place.give), encode, answer)


def _caller(script: Script, give: Callable[[Any], Any]) -> Callable[[Request, bytes], Any]:
    run, parameter, wants_headers = script.run, script.body_parameter, script.wants_headers

    def read(request: Request, body: bytes) -> tuple[tensors.Question, dict[str, Any]]:
        headers = adapt.read_headers(request.headers)
        question = decode(headers, body)
        arrays = {name: give(array) for name, array in question.inputs.items()}
        given = {parameter: arrays, **({HEADERS_PARAMETER: headers} if wants_headers else {})}
        return question, given

    def call(request: Request, body: bytes) -> Scored:
        question, given = read(request, body)
        return Scored(question, run(**given))

    async def call_async(request: Request, body: bytes) -> Scored:
        question, given = read(request, body)
        return Scored(question, await run(**given))

    return call_async if script.is_async else call


def decode(headers: dict[str, str], body: bytes) -> tensors.Question:
    """Read a request, compressed or not.

    Raises:
        Refusal: it is not in order.
    """
    found = {name.lower(): value for name, value in headers.items()}
    text = found.get(HEAD_LENGTH)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refusal(400, f"{HEAD_LENGTH}: {text}: must be the length of the JSON in bytes")
    if ENCODING in found:
        body = inflate.inflate(body, found[ENCODING])
    return tensors.decode(body, int(text) if text is not None else None)


def _encode(scored: Scored, model_name: str, take: Callable[[Any], Any]) -> outputs.Reply:
    question, result = scored
    named = result if isinstance(result, dict) else {outputs.sole_name(question): result}
    try:
        results = {name: take(value) for name, value in named.items()}
        return outputs.encode(question, results, model_name)
    except Refusal:
        raise
    except Exception as exc:  # a result may hold objects of any behaviour
        if inspect.iscoroutine(result):
            result.close()
        raise Refusal(500, adapt.NOT_JSON_MESSAGE) from exc


def answer(number: int, micros: int, reply: outputs.Reply) -> bytes:
    """Return the frame of an answer; each array is copied once: the script may use it again."""
    head, tail = reply
    if not tail:
        return adapt.answer(number, micros, head)
    pairs = [["Inference-Header-Content-Length", str(len(head))]]
    meta = pack_fields(BINARY_TYPE, json.dumps(pairs).encode())
    size = len(head) + sum(part.nbytes for part in tail)
    header = HEADER.pack(RESULT, FIELDS, 200, len(meta), size, micros, number)
    return b"".join([header, meta, head, *tail])
