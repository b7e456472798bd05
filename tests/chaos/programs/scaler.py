"""`python -m tests.chaos.programs.scaler --settings FILE`: the scaler; workers start by `odd`."""

import sys

from mesh.subjects import WorkerAddress
from scaler.__main__ import main
from scaler.launchers.process import Command, worker_command


def odd_command(settings_path: str | None) -> Command:
    """Return how a worker is started."""
    real = worker_command(settings_path)

    def command(address: WorkerAddress, generation: int) -> list[str]:
        python, option, module, *more = real(address, generation)
        return [python, option, "tests.chaos.programs.odd", module, *more]

    return command


if __name__ == "__main__":
    sys.exit(main(odd_command))
