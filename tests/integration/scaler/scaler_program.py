"""`python -m tests.integration.scaler.scaler_program --settings FILE`: its workers are stubs."""

import sys
from pathlib import Path

from scaler.__main__ import main
from scaler.launchers.process import worker_command

STUB = Path(__file__).with_name("stub_worker.py")


def stub_command(settings_path):
    """How a stub is started."""
    real = worker_command(settings_path)
    return lambda address, generation: [sys.executable, str(STUB), *real(address, generation)[3:]]


if __name__ == "__main__":
    sys.exit(main(stub_command))
