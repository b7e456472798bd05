"""The runtime of Triton model repositories. Ring: adapter."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mesh.settings import Settings
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.repository import models_in
from workers.exchange import Callbacks
from workers.launch import NO_BYTECODE
from workers.runtime import Runtime, Say
from workers.triton.client import TritonClient
from workers.triton.install import Models, find
from workers.triton.launch import TritonConfig
from workers.triton.runner import AttachedServer, TritonServer


class TritonRuntime(msgspec.Struct, frozen=True):
    """A server of the instance's own. Implements `workers.runtime.Runtime`."""

    config: TritonConfig
    count: int = 1

    def start(self, callbacks: Callbacks) -> TritonServer:
        """Start a server.

        Raises:
            BootError: its binary cannot be run.
        """
        return TritonServer.start(self.config, callbacks)


class AttachedRuntime(msgspec.Struct, frozen=True):
    """A server that somebody else runs. Implements `workers.runtime.Runtime`."""

    address: str
    models: frozenset[str]
    timeout_s: float = 10.0
    count: int = 1

    def start(self, callbacks: Callbacks) -> AttachedServer:
        """Connect to the server."""
        client = TritonClient(self.address, is_ours=False)
        return AttachedServer(client, self.models, callbacks, self.timeout_s)


async def prepare(spec: DeploymentSpec, repository: Path, settings: Settings, say: Say) -> Runtime:
    """Find the server that the deployment is to be served by.

    Raises:
        BootError: there is none.
    """
    if (url := spec.mesh.triton.url) is not None:
        say(f"attaching to the Triton server at {url}")
        return AttachedRuntime(url.removeprefix("grpc://"), frozenset(models_in(repository)))
    env = spec.environment_variables
    models = Models(spec.mesh.python, env.get("PYTHONPATH", ""))
    folder = Path(settings.state_dir) / "workers" / "triton"
    found = await find(settings.worker, models, folder)
    say(f"Triton is {found.server}, with the backends in {found.backends}")
    if found.warning:
        say(found.warning)
    config = TritonConfig(
        server=found.server,
        backends=found.backends,
        repository=str(repository),
        paths=found.paths,
        env=NO_BYTECODE | env,
    )
    return TritonRuntime(config)
