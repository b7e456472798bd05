"""`python -m workers [--settings FILE] --endpoint E --deployment D --generation G --instance I`."""

from __future__ import annotations

import asyncio
import sys

from mesh import lifecycle
from mesh.program import program_settings
from mesh.subjects import WorkerAddress
from workers.service import run_worker


def main() -> int:
    """Run one worker and return its exit code."""
    given = lifecycle.arguments("workers", "endpoint", "deployment", "generation", "instance")
    address = WorkerAddress(given.endpoint, given.deployment, given.instance)

    async def serve(stop: asyncio.Event) -> int:
        settings = program_settings(given.settings)
        return await run_worker(settings, address, int(given.generation), stop)

    return lifecycle.run(f"worker {'.'.join(address)}", serve)


if __name__ == "__main__":
    sys.exit(main())
