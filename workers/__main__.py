"""`python -m workers --endpoint E --deployment D [--generation G --instance I --settings FILE]`.

Without an instance's name a person has started it: it names itself after its host, and is, without
a generation, of the one that serves.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from argparse import Namespace

from mesh import lifecycle
from mesh.errors import SpecError
from mesh.program import program_settings
from mesh.subjects import WorkerAddress
from workers.byhand import instance_name
from workers.instance import Assignment
from workers.service import run_worker


def main() -> int:
    """Run one worker and return its exit code."""
    given = lifecycle.arguments(
        "workers", "endpoint", "deployment", optional=("generation", "instance")
    )
    instance = given.instance or instance_name(socket.gethostname())
    address = WorkerAddress(given.endpoint, given.deployment, instance)

    async def serve(stop: asyncio.Event) -> int:
        settings = program_settings(given.settings)
        assigned = Assignment(address, _generation(given), by_hand=given.instance is None)
        return await run_worker(settings, assigned, stop)

    return lifecycle.run(f"worker {'.'.join(address)}", serve)


def _generation(given: Namespace) -> int | None:
    """Raise `SpecError` for what is no generation."""
    if given.generation is None:
        return None
    if not given.generation.isdecimal() or int(given.generation) < 1:
        raise SpecError(f"--generation {given.generation}: expected a whole number, at least 1")
    return int(given.generation)


if __name__ == "__main__":
    sys.exit(main())
