"""Artifacts to and from the broker's object store. Ring: adapter."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesh import subjects
from mesh.artifacts.pack import Packed, digest_of, pack
from mesh.artifacts.unpack import unpack
from mesh.bus import Bus
from mesh.bus.objects import ObjectBucket
from mesh.errors import BusTimeoutError, ProtocolError
from mesh.records import Artifact

Progress = Callable[[int, int], None]  # bytes sent, bytes in all

PART: Final = ".part-"
PART_LIFE_S: Final = 3600.0
STALL_S: Final = 15.0


async def store(bus: Bus, path: Path, progress: Progress | None = None) -> Artifact:
    """Pack a folder or a file and upload it.

    Raises:
        SpecError: it cannot be packed.
        BusError: the broker is away, or has no artifact store.
    """
    with tempfile.TemporaryDirectory(prefix="mesh-pack-") as workspace:
        packed = await asyncio.to_thread(pack, path, Path(workspace))
        await upload(bus, packed, progress)
    return packed.artifact


async def upload(bus: Bus, packed: Packed, progress: Progress | None = None) -> bool:
    """Put an artifact into the store, unless it is there; tell whether it had to be sent.

    Raises:
        BusError: the broker is away, or has no artifact store.
    """
    bucket = await ObjectBucket.open(bus, subjects.ARTIFACTS_BUCKET)
    if await bucket.has(packed.artifact.digest):
        return False
    total_bytes = packed.file.stat().st_size
    told = (lambda sent_bytes: progress(sent_bytes, total_bytes)) if progress else None
    await bucket.put(packed.artifact.digest, packed.file, told)
    return True


async def fetch(bus: Bus, artifact: Artifact, cache_dir: Path, *, stall_s: float = STALL_S) -> Path:
    """Return a folder that holds the artifact as `folder / artifact.entry`.

    The folder appears in `cache_dir` at once and whole, under the artifact's digest; who fetches
    at the same time gets the same one. Whoever is given the folder must not write to it.

    Args:
        bus: the connection.
        artifact: what to fetch.
        cache_dir: where artifacts are kept on this machine; made if it is not there.
        stall_s: seconds without a byte after which the broker is taken to have stopped sending.

    Raises:
        NotFoundError: the store has no such artifact.
        ProtocolError: its content is not what its digest says.
        BusError: the broker is away, or stopped sending.
    """
    target = cache_dir / artifact.digest
    part = _prepare(target)
    if part is None:
        return target
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, part, ignore_errors=True)
        await asyncio.to_thread(_sweep, cache_dir, time.time())
        await _download(bus, artifact, part / "tar", stall_s)
        undo.pop_all()
    await asyncio.to_thread(_open_up, part, artifact, target)
    return target


async def _download(bus: Bus, artifact: Artifact, file: Path, stall_s: float) -> None:
    """Fetch the tar; a broker that stops sending does not hold us for ever."""
    bucket = await ObjectBucket.open(bus, subjects.ARTIFACTS_BUCKET)
    getting = asyncio.create_task(bucket.get(artifact.digest, file))
    received_bytes = -1
    try:
        while not (await asyncio.wait({getting}, timeout=stall_s))[0]:
            size_bytes = await asyncio.to_thread(_size_bytes, file)
            if size_bytes == received_bytes:
                raise BusTimeoutError(f"artifact {artifact.digest}: the broker stopped sending")
            received_bytes = size_bytes
        await getting
    finally:
        getting.cancel()


def _prepare(target: Path) -> Path | None:
    """Make a folder to fetch into, beside the target; None if the target is there already."""
    if target.is_dir():
        return None
    cache_dir = target.parent
    cache_dir.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=PART, dir=cache_dir))


def _size_bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _open_up(part: Path, artifact: Artifact, target: Path) -> None:
    """Verify, unpack, put in place, clean up: a thread's work, which no cancellation cuts off.

    Being second to put it in place is as good as being first.
    """
    try:
        digest = digest_of(part / "tar")
        if digest != artifact.digest:
            raise ProtocolError(f"artifact {artifact.digest}: its content has digest {digest}")
        unpack(part / "tar", artifact, part / "content")
        try:
            (part / "content").rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sweep(cache_dir: Path, now_s: float) -> None:
    """Remove what fetches that were killed left behind."""
    for part in cache_dir.glob(f"{PART}*"):
        with contextlib.suppress(OSError):
            if now_s - part.stat().st_mtime > PART_LIFE_S:
                shutil.rmtree(part, ignore_errors=True)
