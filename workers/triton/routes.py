"""The paths of the v2 protocol, and what each asks. Ring: values."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from workers.triton.errors import V2Error

Verb = Literal[
    "server", "live", "ready", "model", "model_ready", "config", "stats", "index", "infer"
]

SCORE: Final = "/score"
OF_SERVER: Final[dict[str, Verb]] = {
    "/v2": "server",
    "/v2/health/live": "live",
    "/v2/health/ready": "ready",
    "/v2/models/stats": "stats",
    "/v2/repository/index": "index",
}
OF_MODEL: Final[dict[str, Verb]] = {
    "": "model",
    "/ready": "model_ready",
    "/config": "config",
    "/stats": "stats",
    "/infer": "infer",
}
MODEL: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/.*)?")
# What Triton's own server has, and this one leaves out on purpose.
LEFT_OUT: Final = {
    "/generate": "is not passed on: use infer",
    "/generate_stream": "is not passed on: use infer",
    "/trace/setting": "is the operator's, not the callers'",
    "/load": "is not passed on: models are loaded when the deployment starts",
    "/unload": "is not passed on: models stay loaded as long as the deployment runs",
}
POSTED: Final = frozenset({"index", "infer"})


class Asked(NamedTuple):
    """What a request is about; `model` and `version` are empty where it names none."""

    verb: Verb
    model: str = ""
    version: str = ""


def read_path(method: str, path: str) -> Asked:
    """Return what a request asks.

    Raises:
        V2Error: there is no such path, it takes another method, or it is not passed on.
    """
    asked = _asked(urlsplit(path).path)
    wanted = "POST" if asked.verb in POSTED else "GET"
    if method != wanted:
        raise V2Error("Method Not Allowed", 405)
    return asked


def _asked(path: str) -> Asked:
    if path == SCORE:
        return Asked("infer")
    if (verb := OF_SERVER.get(path)) is not None:
        return Asked(verb)
    if (found := MODEL.fullmatch(path)) is not None:
        model, version, rest = found.groups(default="")
        if (verb := OF_MODEL.get(rest)) is not None:
            return Asked(verb, unquote(model), unquote(version))
    for ending, why in LEFT_OUT.items():
        if path.endswith(ending):
            raise V2Error(f"{path}: {why}")
    if "sharedmemory" in path:
        raise V2Error(f"{path}: shared memory does not reach through the mesh")
    raise V2Error("Not Found", 404)
