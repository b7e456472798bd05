"""`python -m gateway [--settings FILE]`: one gateway. Several differ by their settings.

Ring: service.
"""

from __future__ import annotations

import asyncio
import sys

from gateway.service import PROGRAM, serve
from mesh import lifecycle
from mesh.program import program_settings


def main() -> int:
    """Run one gateway; return the exit code."""
    arguments = lifecycle.arguments(PROGRAM)

    async def run(stop: asyncio.Event) -> int:
        return await serve(program_settings(arguments.settings), stop)

    return lifecycle.run(PROGRAM, run)


if __name__ == "__main__":
    sys.exit(main())
