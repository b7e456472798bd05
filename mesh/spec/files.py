"""The files and folders that a deployment names. Ring: adapter (looks at the file system)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

from mesh.spec.deployment import DeploymentSpec
from mesh.spec.deployment_rules import reference_rule
from mesh.spec.repository import repository_problem
from mesh.spec.violation import Path, Violation

RELATIVE: Final[tuple[tuple[str, ...], ...]] = (
    ("model", "path"),
    ("code_configuration", "code"),
    ("environment", "conda_file"),
    ("environment", "build", "path"),
    ("mesh", "python"),
)


def resolve_paths(values: dict[str, Any], base: FilePath) -> None:
    """Make the relative paths in a deployment's values absolute, in place.

    Links are not followed: the interpreter of a virtual environment is one.
    """
    for path in RELATIVE:
        holder: Any = values
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None
        text = holder.get(path[-1]) if isinstance(holder, dict) else None
        if (
            isinstance(text, str)
            and text
            and not reference_rule(text)
            and not _is_command(path, text)
        ):
            holder[path[-1]] = os.path.normpath(base.absolute() / text)


def _is_command(path: tuple[str, ...], text: str) -> bool:
    """Tell whether `text` is an interpreter to be found on PATH."""
    return path == ("mesh", "python") and "/" not in text


def missing_files(spec: DeploymentSpec) -> Iterator[Violation]:
    """Yield what a deployment names and is not there."""
    model, code = spec.model, spec.code_configuration
    if model is not None and not reference_rule(model.path):
        if not _exists(model.path):
            yield Violation(("model", "path"), model.path, "there is no such file or folder")
        elif spec.speaks_v2 and (problem := repository_problem(model.path)):
            yield Violation(("model", "path"), model.path, problem)
    yield from _missing_sample(spec)
    if spec.speaks_v2 or code is None or not code.code or reference_rule(code.code):
        return
    folder: Path = ("code_configuration", "code")
    if not _exists(code.code):
        yield Violation(folder, code.code, "there is no such folder")
    elif not FilePath(code.code).is_dir():
        yield Violation(folder, code.code, "must be a folder")
    elif ".." not in code.scoring_script and not _exists(f"{code.code}/{code.scoring_script}"):
        path: Path = ("code_configuration", "scoring_script")
        yield Violation(path, code.scoring_script, f"there is no such file in {code.code}")


def _missing_sample(spec: DeploymentSpec) -> Iterator[Violation]:
    """Yield the file of the warm-up, if its folder is there without it."""
    file, code, model = (
        spec.mesh.warmup and spec.mesh.warmup.file,
        spec.code_configuration,
        spec.model,
    )
    if not file or ".." in file:
        return
    folder = code.code if code is not None else model.path if model is not None else ""
    if folder and FilePath(folder).is_dir() and not FilePath(folder, file).is_file():
        yield Violation(("mesh", "warmup", "file"), file, f"there is no such file in {folder}")


def _exists(path: str) -> bool:
    try:
        return FilePath(path).exists()
    except OSError:  # a name too long to be one
        return False
