"""`python -m tests.chaos.programs.scaler --settings FILE`: the scaler; workers start by `odd`."""

import asyncio
import sys

from mesh import lifecycle
from mesh.program import program_settings
from mesh.subjects import WorkerAddress
from scaler.launchers.process import Command, worker_command
from scaler.service import Scaler


def odd_command(settings_path: str) -> Command:
    """Return how a worker is started."""
    real = worker_command(settings_path)

    def command(address: WorkerAddress, generation: int) -> list[str]:
        python, option, module, *more = real(address, generation)
        return [python, option, "tests.chaos.programs.odd", module, *more]

    return command


def main() -> int:
    """Run the scaler until it is told to stop."""
    options = lifecycle.arguments("scaler")

    async def serve(stop: asyncio.Event) -> int:
        settings = program_settings(options.settings)

        def announce(metrics_url: str) -> None:
            lifecycle.announce(settings, "scaler", metrics_url=metrics_url)

        return await Scaler(settings, odd_command(options.settings), announce).run(stop)

    return lifecycle.run("scaler", serve)


if __name__ == "__main__":
    sys.exit(main())
