"""Before the first request: the deployment's record, its code and its model. Ring: adapter.

What happens here is the storage initializer's log.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mesh import artifacts, subjects
from mesh.bus import Bucket, Bus
from mesh.errors import BootError, NotFoundError
from mesh.records import Artifact, DeploymentRecord
from mesh.spec.deployment import DeploymentSpec
from mesh.subjects import CONFIG_BUCKET, WorkerAddress
from workers.instance import Instance
from workers.launch import RunnerConfig, Tensors

Say = Callable[[str], None]


async def load_instance(bus: Bus, address: WorkerAddress, generation: int) -> Instance:
    """Read the record of the generation this worker shall be an instance of.

    Raises:
        NotFoundError: the generation has been deleted.
    """
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    key = subjects.generation_key(address.endpoint, address.deployment, generation)
    entry = await bucket.get(key)
    if entry is None or entry.value is None:
        raise NotFoundError(f"no record of {key}")
    return Instance(bus, address, msgspec.json.decode(entry.value, type=DeploymentRecord))


async def prepare(instance: Instance, cache_dir: Path, say: Say) -> RunnerConfig:
    """Fetch code and model, and say how the runners are to be started.

    Raises:
        BootError: the deployment has no scoring script, or it is not in its code folder.
    """
    spec, record = instance.record.spec, instance.record
    if spec.code_configuration is None or record.code is None:
        raise BootError("the deployment has no code_configuration")
    code = await _fetch(instance.bus, record.code, cache_dir, say, "code")
    code_dir = code / record.code.entry
    script = code_dir / spec.code_configuration.scoring_script
    if not script.is_file():
        raise BootError(
            f"scoring_script: {spec.code_configuration.scoring_script!r}: "
            f"there is no such file in the code folder"
        )
    model_dir = ""
    if record.model is not None:
        model_dir = str(await _fetch(instance.bus, record.model, cache_dir, say, "model"))
    return RunnerConfig(
        python=spec.mesh.python or sys.executable,
        script=str(script),
        code_dir=str(code_dir),
        model_dir=model_dir,
        env={"PYTHONDONTWRITEBYTECODE": "1", **spec.environment_variables},  # the folder is shared
        hard_timeout=spec.mesh.hard_timeout,
        run_limit_s=spec.timeout_s,
        tensors=_tensors(spec),
    )


def _tensors(spec: DeploymentSpec) -> Tensors | None:
    return Tensors(device=spec.mesh.device, model_name=spec.name) if spec.takes_tensors else None


async def _fetch(bus: Bus, artifact: Artifact, cache_dir: Path, say: Say, what: str) -> Path:
    started_s = time.monotonic()
    path = await artifacts.fetch(bus, artifact, cache_dir)
    facts = {"what": what, "bytes": artifact.size_bytes, "files": artifact.files}
    say(f"fetched {json.dumps(facts)} in {time.monotonic() - started_s:.2f} s")
    return path
