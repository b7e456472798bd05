"""What `update` was asked to change, put on top of what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from mesh.api import DeploymentView, EndpointView
from mesh.cli.generationviews import change_text, version
from mesh.cli.output import warn
from mesh.cli.progress import Waiting
from mesh.differences import Version, differences
from mesh.errors import ConflictError, SpecError
from mesh.management import Folders, Management
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.load import (
    Loaded,
    deployment_from_values,
    endpoint_from_values,
    load_deployment,
    load_endpoint,
)
from mesh.spec.overrides import parse_traffic, read_override

MOST_TRIES: Final = 5
CODE_PATHS: Final = {("code_configuration",), ("code_configuration", "code")}
MODEL_PATHS: Final = {("model",), ("model", "path")}


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or single values, or both; the values win."""

    name: str
    file: Path | None = None
    traffic: tuple[str, ...] = ()
    mirror_traffic: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


class DeploymentChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or single values, or both; the values win."""

    endpoint: str
    name: str
    file: Path | None = None
    sets: tuple[str, ...] = ()


class DeploymentPlan(NamedTuple):
    """A deployment's next spec and the stored folders that it keeps."""

    loaded: Loaded[DeploymentSpec]
    keep: Folders


async def change_endpoint(mesh: Management, change: EndpointChange) -> EndpointView:
    """Make a change on top of the endpoint as it is; again if somebody else was faster."""
    for attempt in range(MOST_TRIES):
        current = await mesh.get_endpoint(change.name)
        loaded = next_endpoint(current, change)
        if not attempt:
            warn(loaded.warnings)
        try:
            return await mesh.update_endpoint(loaded.spec, revision=current.revision)
        except ConflictError:
            if (await mesh.get_endpoint(change.name)).revision == current.revision:
                raise  # nobody was faster: the change itself is refused
    raise ConflictError(f"endpoint '{change.name}' is being changed by somebody else: try again")


def next_endpoint(current: EndpointView, change: EndpointChange) -> Loaded[EndpointSpec]:
    """Return an endpoint's spec after a change.

    A file that names no traffic leaves the traffic as it is: putting a file in place again must
    not take an endpoint off the air.
    """
    given = {"traffic": change.traffic, "mirror_traffic": change.mirror_traffic}
    splits: dict[str, Any] = {
        key: parse_traffic(text, f"--{key.replace('_', '-')}")
        for key, text in given.items()
        if text
    }
    if change.file is None:
        values = {**current.spec, **splits}
        where = f"endpoint {current.name}"
        loaded = endpoint_from_values(values, overrides=change.sets, source=where)
        refuse_other("name", current.name, loaded.spec.name)
        return loaded
    loaded = load_endpoint(change.file, overrides=change.sets, given={"name": change.name})
    refuse_other("name", current.name, loaded.spec.name)
    for key in given:
        kept = getattr(loaded.spec, key) or getattr(current, key)
        splits.setdefault(key, kept)
    return Loaded(msgspec.structs.replace(loaded.spec, **splits), loaded.warnings)


async def change_deployment(
    mesh: Management, change: DeploymentChange, line: Waiting
) -> DeploymentView:
    """Make a change on top of the deployment as it is, having said what it is.

    Again if somebody else was faster.
    """
    for attempt in range(MOST_TRIES):
        current = await mesh.get_deployment(change.endpoint, change.name)
        plan = next_deployment(current, change)
        if not attempt and change.file is None:  # those of a file have been shown
            warn(plan.loaded.warnings)
        spec = plan.loaded.spec
        folders = await mesh.generations.store(spec, plan.keep, line.show_upload)
        line.tell(change_text(differences(version(current), Version.of(spec, *folders))))
        try:
            return await mesh.update_deployment(spec, keep=folders, revision=current.revision)
        except ConflictError:
            latest = await mesh.get_deployment(change.endpoint, change.name)
            if latest.revision == current.revision:
                raise  # nobody was faster: the change itself is refused
    raise ConflictError(f"deployment '{change.name}' is being changed by somebody else: try again")


def next_deployment(current: DeploymentView, change: DeploymentChange) -> DeploymentPlan:
    """Return a deployment's spec after a change, and which stored folders stay.

    A file's folders are always stored again, since they may have changed; without a file a
    folder is stored again only if its path is given.
    """
    if change.file is not None:
        given = {"name": change.name, "endpoint_name": change.endpoint}
        loaded = load_deployment(change.file, overrides=change.sets, given=given)
        return DeploymentPlan(loaded, Folders())
    where = f"deployment {current.name}"
    loaded = deployment_from_values(current.spec, overrides=change.sets, source=where)
    refuse_other("name", current.name, loaded.spec.name)
    refuse_other("endpoint_name", current.endpoint_name, loaded.spec.endpoint_name)
    paths = {read_override(override)[0] for override in change.sets}
    keep = Folders(
        code=None if paths & CODE_PATHS else current.code,
        model=None if paths & MODEL_PATHS else current.model,
    )
    return DeploymentPlan(loaded, keep)


def refuse_other(key: str, old: str, new: str) -> None:
    """Refuse a change of what something is called.

    Raises:
        SpecError: it would be called differently.
    """
    if old != new:
        raise SpecError(f"{key}: {new!r}: cannot be changed, it is {old!r}")
