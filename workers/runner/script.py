"""The user's script: loaded by path, its two functions checked before anything runs.

`init()` and `run()` are required, as azureml-inference-server-http has it. Ring: adapter.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any, Callable, NamedTuple

OURS = os.path.dirname(os.path.abspath(__file__))
HEADERS_PARAMETER = "request_headers"
TRACEBACK_LIMIT = 64 * 1024  # characters, the last ones


class ScriptError(Exception):
    """The script breaks the contract; there is no traceback worth showing."""


class Script(NamedTuple):
    """The functions of a loaded script, and how `run` wants to be called."""

    init: Callable[[], Any]
    run: Callable[..., Any]
    body_parameter: str
    wants_headers: bool
    is_async: bool


def load(path: str) -> Script:
    """Import the script and check its functions.

    Raises:
        ScriptError: a function is missing, or `run` cannot be called with one argument.
        BaseException: whatever the script raises while it is imported.
    """
    if not os.path.isfile(path):
        raise ScriptError(f"the scoring script {path} does not exist")
    _extend_path(path)
    module = _import(path)
    name = os.path.basename(path)
    missing = [f for f in ("init()", "run()") if not callable(getattr(module, f[:-2], None))]
    if missing:
        raise ScriptError(f"{name}: no function " + " and no function ".join(missing))
    run = module.run
    parameter, wants_headers = _check_signature(run, name)
    if _is_async(module.init) and not _is_async(run):
        raise ScriptError(f"{name}: init() is async but run() is not")
    return Script(module.init, run, parameter, wants_headers, _is_async(run))


def _extend_path(path: str) -> None:
    """Let the script import what lies beside it, and what lies in the code folder (cwd)."""
    for folder in (os.getcwd(), os.path.dirname(path)):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


def _import(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules:  # such as a script called json.py
        name = "entry_module"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ScriptError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickle and dataclasses look classes up there
    spec.loader.exec_module(module)
    return module


def _check_signature(run: Callable[..., Any], name: str) -> tuple[str, bool]:
    """Return the parameter that takes the body, and whether the headers are wanted too."""
    taken = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = dict(inspect.signature(run).parameters)
    for parameter in parameters.values():
        if parameter.kind not in taken:
            raise ScriptError(
                f"{name}: run(): parameter '{parameter}' is {parameter.kind.description}; "
                "only ordinary and keyword-only parameters can be filled"
            )
    wants_headers = parameters.pop(HEADERS_PARAMETER, None) is not None
    if not parameters:
        raise ScriptError(f"{name}: run() has no parameter for the request's data")
    required = [p.name for p in parameters.values() if p.default is p.empty]
    if len(required) > 1:
        raise ScriptError(f"{name}: run() requires more than one argument: {required}")
    return (required or list(parameters))[0], wants_headers


def _is_async(function: Any) -> bool:
    functions = (function, getattr(function, "__call__", None))  # noqa: B004  # an object with async __call__
    return any(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in functions)


def describe(error: BaseException) -> str:
    """Return the traceback of an error as the script's author should see it, without our frames."""
    if isinstance(error, ScriptError):
        return str(error)
    trace = _trim(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, trace))
    return text[-TRACEBACK_LIMIT:].rstrip("\n")


def _trim(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((OURS, "<frozen importlib")):
            break
        trace = trace.tb_next
    return trace
