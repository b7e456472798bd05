"""`python -m scaler [--settings FILE]`. Its workers read their settings where it does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from mesh import lifecycle
from mesh.program import program_settings
from scaler.launchers.process import Command, worker_command
from scaler.launchers.spares import SpareCommand, spare_command
from scaler.service import Scaler


def main(
    command: Callable[[str | None], Command] = worker_command,
    spare: Callable[[str | None], SpareCommand] | None = None,
) -> int:
    """Run a scaler until it is told to stop.

    Args:
        command: says, for the file with the settings, how a worker is started.
        spare: how one is started ahead of need; None for never.
    """
    options = lifecycle.arguments("scaler")

    async def serve(stop: asyncio.Event) -> int:
        settings = program_settings(options.settings)

        def announce(metrics_url: str) -> None:
            lifecycle.announce(settings, "scaler", metrics_url=metrics_url)

        spares = spare(options.settings) if spare is not None else None
        scaler = Scaler(settings, command(options.settings), announce, spare=spares)
        return await scaler.run(stop)

    return lifecycle.run("scaler", serve)


if __name__ == "__main__":
    sys.exit(main(spare=spare_command))
