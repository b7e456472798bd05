"""Before the first request: the deployment's record, its code and its model. Ring: adapter.

What happens here is the storage initializer's log.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from mesh import artifacts, subjects
from mesh.bus import Bucket, Bus
from mesh.errors import BootError, NotFoundError, SpecError
from mesh.records import Artifact, DeploymentRecord
from mesh.settings import Settings
from mesh.spec.deployment import DeploymentSpec
from mesh.subjects import CONFIG_BUCKET
from workers.byhand import generation_to_serve
from workers.instance import Assignment, Instance
from workers.launch import NO_BYTECODE, RunnerConfig, Tensors
from workers.probe import probes_of
from workers.probed import ProbedRuntime
from workers.runtime import Runtime, Say
from workers.sample import read_sample
from workers.scripts import ScriptRuntime
from workers.warmup import WarmRuntime, Warmup, given, recorded


async def load_instance(bus: Bus, assigned: Assignment) -> Instance:
    """Read the record of the generation this worker shall be an instance of.

    Raises:
        NotFoundError: the generation has been deleted.
        SpecError: a person named a deployment, or a generation, that does not exist.
    """
    address, generation, by_hand = assigned
    if generation is None:
        generation = await generation_to_serve(bus, address.endpoint, address.deployment)
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    key = subjects.generation_key(address.endpoint, address.deployment, generation)
    entry = await bucket.get(key)
    if entry is None or entry.value is None:
        if by_hand:
            who = f"deployment '{address.deployment}' of endpoint '{address.endpoint}'"
            raise SpecError(f"--generation {generation}: {who} has no such generation")
        raise NotFoundError(f"no record of {key}")
    record = msgspec.json.decode(entry.value, type=DeploymentRecord)
    return Instance(bus, address, record, by_hand)


async def prepare(instance: Instance, settings: Settings, say: Say) -> Runtime:
    """Fetch what the deployment consists of, and say how its runners are to be started.

    Raises:
        BootError: something it needs is not there.
    """
    fetch = Fetch(instance.bus, Path(settings.state_dir) / "workers" / "artifacts", say)
    record = instance.record
    if record.spec.speaks_v2:
        runtime, folder = await _prepare_triton(record, settings, fetch)
    else:
        runtime, folder = await _prepare_script(record, fetch)
    if (warmup := await _warmup(instance, folder, say)) is not None:
        runtime = WarmRuntime(runtime, warmup)
    if probes := probes_of(record.spec):
        runtime = ProbedRuntime(runtime, probes)
    return runtime


async def _warmup(instance: Instance, folder: Path, say: Say) -> Warmup | None:
    spec = instance.record.spec
    if (options := spec.mesh.warmup) is None:
        return None
    if options.sample is None:
        return given(spec, options, folder)
    if (sample := await read_sample(instance.bus, instance.address)) is None:
        say("no sample has been recorded yet: no warm-up")
        return None
    return recorded(spec, options, sample)


async def _prepare_script(record: DeploymentRecord, fetch: Fetch) -> tuple[Runtime, Path]:
    spec = record.spec
    if spec.code_configuration is None or record.code is None:
        raise BootError("the deployment has no code_configuration")
    code_dir = await fetch(record.code, "code") / record.code.entry
    script = code_dir / spec.code_configuration.scoring_script
    if not script.is_file():
        raise BootError(
            f"scoring_script: {spec.code_configuration.scoring_script!r}: "
            f"there is no such file in the code folder"
        )
    model_dir = ""
    if record.model is not None:
        model_dir = str(await fetch(record.model, "model"))
    config = RunnerConfig(
        python=spec.mesh.python or sys.executable,
        script=str(script),
        code_dir=str(code_dir),
        model_dir=model_dir,
        env=NO_BYTECODE | spec.environment_variables,
        hard_timeout=spec.mesh.hard_timeout,
        run_limit_s=spec.timeout_s,
        cancel_grace_s=spec.mesh.cancel_grace_s,
        tensors=_tensors(spec),
    )
    return ScriptRuntime(config, spec.worker_count), code_dir


def _tensors(spec: DeploymentSpec) -> Tensors | None:
    return Tensors(device=spec.mesh.device, model_name=spec.name) if spec.takes_tensors else None


async def _prepare_triton(
    record: DeploymentRecord, settings: Settings, fetch: Fetch
) -> tuple[Runtime, Path]:
    if record.model is None:
        raise BootError("the deployment has no model")
    try:
        from workers.triton import runtime  # noqa: PLC0415  # an extra, not everybody's
    except ImportError as exc:
        raise BootError(f"{exc.name} is missing: pip install 'serving-mesh[triton]'") from exc
    repository = await fetch(record.model, "model") / record.model.entry
    return await runtime.prepare(record.spec, repository, settings, fetch.say), repository


class Fetch(NamedTuple):
    """Fetches a deployment's folders from the artifact store, and says so."""

    bus: Bus
    cache_dir: Path
    say: Say

    async def __call__(self, artifact: Artifact, what: str) -> Path:
        """Fetch one folder; return where it is."""
        started_s = time.monotonic()
        path = await artifacts.fetch(self.bus, artifact, self.cache_dir)
        facts = {"what": what, "bytes": artifact.size_bytes, "files": artifact.files}
        self.say(f"fetched {json.dumps(facts)} in {time.monotonic() - started_s:.2f} s")
        return path
