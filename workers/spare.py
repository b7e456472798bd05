"""A worker that waits, with everything imported, to be told which instance it is.

`python -m workers.spare --settings FILE --socket FD`: a launcher starts it ahead of need and holds
the other end of the socket. What comes there is an `Orders` as a line of JSON, and the file that
its output goes to. A launcher that ends closes the socket, and the spare leaves. Ring: service.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Final

import msgspec

from mesh import lifecycle
from mesh.program import program_settings
from mesh.subjects import WorkerAddress
from workers.instance import Assignment
from workers.service import run_worker

CHUNK_BYTES: Final = 65536
OUTPUTS: Final = (1, 2)


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Which instance to be, and the whole environment to be it in."""

    address: WorkerAddress
    generation: int
    environ: dict[str, str]


def wait(sock: socket.socket) -> Orders | None:
    """Wait for orders and write to their file from then on; None if the launcher is gone."""
    data, files = b"", list[int]()
    while not data.endswith(b"\n"):
        chunk, fds, _, _ = socket.recv_fds(sock, CHUNK_BYTES, 1)
        if not chunk:
            return None
        data += chunk
        files += fds
    for file in files:
        for output in OUTPUTS:
            os.dup2(file, output)
        os.close(file)
    return msgspec.json.decode(data, type=Orders)


def main() -> int:
    """Wait, then run one worker; return its exit code."""
    given = lifecycle.arguments("workers.spare", "socket")
    with socket.socket(fileno=int(given.socket)) as sock:
        orders = wait(sock)
    if orders is None:
        return 0
    os.environ.clear()
    os.environ.update(orders.environ)

    async def serve(stop: asyncio.Event) -> int:
        settings = program_settings(given.settings)
        return await run_worker(settings, Assignment(orders.address, orders.generation), stop)

    return lifecycle.run(f"worker {'.'.join(orders.address)}", serve)


if __name__ == "__main__":
    sys.exit(main())
