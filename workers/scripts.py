"""The runtime of scoring scripts: WORKER_COUNT processes of one script. Ring: adapter."""

from __future__ import annotations

import msgspec

from workers.exchange import Callbacks
from workers.launch import RunnerConfig
from workers.supervise import RunnerProcess


class ScriptRuntime(msgspec.Struct, frozen=True):
    """Implements `workers.runtime.Runtime`."""

    config: RunnerConfig
    count: int = 1

    def start(self, callbacks: Callbacks) -> RunnerProcess:
        """Start a runner process.

        Raises:
            BootError: its interpreter or code folder cannot be used.
        """
        return RunnerProcess.start(self.config, callbacks)
