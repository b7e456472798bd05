"""From YAML, or from values, to a spec: all that is wrong at once, and what is not acted on.

Ring: adapter (reads files).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Final, Generic, TypeVar

import msgspec

from mesh.errors import SpecError
from mesh.spec.convert import Rules, convert, flag
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.deployment_rules import deployment_violations
from mesh.spec.document import Document, read_document
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.endpoint_rules import endpoint_violations
from mesh.spec.files import missing_files, resolve_paths
from mesh.spec.kind import settle_kind
from mesh.spec.overrides import apply_overrides, read_override
from mesh.spec.support import DEPLOYMENT, ENDPOINT, Support, unsupported, warning_text
from mesh.spec.violation import Path, Violation, path_text

S = TypeVar("S", bound=msgspec.Struct)

LARGEST_FILE_BYTES: Final = 1 << 20


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """A spec, and one line for each key that is given but not acted on."""

    spec: S
    warnings: list[str]


def load_endpoint(
    path: str | FilePath, *, overrides: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> Loaded[EndpointSpec]:
    """Load an endpoint's YAML file.

    Args:
        path: the file.
        overrides: `a.b=value`, as of `--set`.
        given: top-level keys that win over the file, as of `--name`.

    Raises:
        SpecError: the file cannot be read or breaks a rule; one line for each.
    """
    document = _change(_read(FilePath(path)), overrides, given)
    return _endpoint(document)


def load_deployment(
    path: str | FilePath, *, overrides: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> Loaded[DeploymentSpec]:
    """Load a deployment's YAML file. Paths in it are relative to it, and must lead somewhere.

    Args:
        path: the file.
        overrides: `a.b=value`, as of `--set`.
        given: top-level keys that win over the file, as of `--name`.

    Raises:
        SpecError: the file cannot be read or breaks a rule; one line for each.
    """
    file = FilePath(path)
    document = _change(_read(file), overrides, given)
    resolve_paths(document.values, file.parent)
    return _deployment(document, lambda spec: [*deployment_violations(spec), *missing_files(spec)])


def load_scaling(path: str | FilePath, *, overrides: Sequence[str] = ()) -> Loaded[DeploymentSpec]:
    """Load what a file says of scaling: a deployment's YAML, or parts of one.

    What a deployment has beside may be missing, and what it names need not be there.

    Args:
        path: the file.
        overrides: `a.b=value`, as of `--set`.

    Raises:
        SpecError: the file cannot be read, breaks a rule or says nothing of scaling.
    """
    document = _change(_read(FilePath(path)), overrides, None)
    if document.values.get("scale_settings") is None and "instance_count" not in document.values:
        raise SpecError(f"{document.source}: scale_settings: missing: is what is asked for")
    stand_ins: dict[str, Any] = {"name": "simulated", "endpoint_name": "simulated"}
    if document.values.get("model") is None:
        stand_ins["code_configuration"] = {"code": ".", "scoring_script": "score.py"}
    values = {**stand_ins, **document.values}
    return _deployment(Document(document.source, values, document.places), deployment_violations)


def endpoint_from_values(
    values: Mapping[str, Any], *, overrides: Sequence[str] = (), source: str = "endpoint"
) -> Loaded[EndpointSpec]:
    """Make an endpoint of values such as `EndpointView.spec`, with changes.

    Raises:
        SpecError: a rule is broken; one line for each.
    """
    return _endpoint(_change(Document(source, dict(values)), overrides, None))


def deployment_from_values(
    values: Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    source: str = "deployment",
    folder: FilePath | None = None,
) -> Loaded[DeploymentSpec]:
    """Make a deployment of values such as `DeploymentView.spec`, with changes.

    Args:
        values: keys as in the YAML.
        overrides: `a.b=value`, as of `--set`.
        source: what the values are called in messages.
        folder: what paths are relative to, the current folder by default. They need not lead
            anywhere: a deployment outlives the folders it was made from.

    Raises:
        SpecError: a rule is broken; one line for each.
    """
    document = _change(Document(source, dict(values)), overrides, None)
    resolve_paths(document.values, folder or FilePath())
    return _deployment(document, deployment_violations)


def _endpoint(document: Document) -> Loaded[EndpointSpec]:
    early = settle_kind(document.values, "endpoint")
    spec = convert(document, EndpointSpec, endpoint_violations, early)
    return Loaded(spec, _warnings(document, ENDPOINT))


def _deployment(document: Document, rules: Rules[DeploymentSpec]) -> Loaded[DeploymentSpec]:
    early = settle_kind(document.values, "deployment")
    model = document.values.get("model")
    if isinstance(model, str):
        rule = "registered models are not supported until the registry exists: give model.path"
        early.append(Violation(("model",), model, rule))
        del document.values["model"]
    spec = convert(document, DeploymentSpec, rules, early)
    return Loaded(spec, _warnings(document, DEPLOYMENT))


def _read(path: FilePath) -> Document:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise SpecError(f"{path}: cannot be read: {reason}") from exc
    if len(text) > LARGEST_FILE_BYTES:
        raise SpecError(f"{path}: must be at most {LARGEST_FILE_BYTES} bytes")
    return read_document(text, str(path))


def _change(
    document: Document, overrides: Sequence[str], given: Mapping[str, Any] | None
) -> Document:
    """Apply what the command line says; those values stand there, not in the file."""
    given = {key: value for key, value in (given or {}).items() if value is not None}
    values = apply_overrides({**document.values, **given}, overrides)
    places = dict(document.places)
    changes: list[tuple[Path, str]] = [((key,), flag(key)) for key in given]
    for override in overrides:
        path, _ = read_override(override)
        changes.append((path, f"--set {override.partition('=')[0]}"))
    for path, place in changes:
        for stale in [known for known in places if known[: len(path)] == path]:
            del places[stale]
        places[path] = place
    return Document(document.source, values, places)


def _warnings(document: Document, table: Mapping[str, Support]) -> list[str]:
    return [
        f"{document.place(path)}: {path_text(path)}: {warning_text(support)}"
        for path, support in unsupported(table, document.values)
    ]
