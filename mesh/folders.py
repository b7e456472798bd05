"""The folders of a deployment in the artifact store. Ring: adapter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mesh import artifacts
from mesh.bus import Bus
from mesh.records import Artifact
from mesh.spec.deployment import DeploymentSpec

OnUpload = Callable[[str, int, int], None]  # which folder, bytes sent, bytes in all


class Folders(NamedTuple):
    """What of a deployment is in the artifact store."""

    code: Artifact | None = None
    model: Artifact | None = None


async def store_folders(
    bus: Bus, spec: DeploymentSpec, keep: Folders | None = None, on_upload: OnUpload | None = None
) -> Folders:
    """Store the code and the model a spec names, but for what is kept as it is.

    Raises:
        SpecError: a folder cannot be packed.
        BusError: the broker is away.
    """
    code, model = keep or Folders()
    if code is None and spec.code_configuration is not None:
        code = await _store(bus, "code", spec.code_configuration.code, on_upload)
    if model is None and spec.model is not None:
        model = await _store(bus, "model", spec.model.path, on_upload)
    return Folders(code, model)


async def _store(bus: Bus, what: str, path: str, on_upload: OnUpload | None) -> Artifact:
    told = partial(on_upload, what) if on_upload else None
    return await artifacts.store(bus, Path(path), told)
