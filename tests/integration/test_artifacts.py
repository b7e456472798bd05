"""Artifacts in a real object store: sent once, fetched whole, verified."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from mesh import subjects, topology
from mesh.artifacts import fetch, pack, store, upload
from mesh.bus import Bus
from mesh.bus.objects import ObjectBucket
from mesh.errors import BusTimeoutError, NotFoundError, ProtocolError
from mesh.records import Artifact
from mesh.streams import ensure_stream


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """A connection to a broker that has the artifact store."""
    bus = await Bus.connect(nats_url, name="test")
    await ensure_stream(bus, topology.artifacts())
    yield bus
    await bus.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of its own content for each test, over several chunks large."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(str(tmp_path).encode() * 10_000)
    return folder


async def test_an_artifact_is_stored_and_fetched(bus: Bus, source: Path, tmp_path: Path):
    """It lies in the fetched folder under the name it had; fetching again takes what is there."""
    artifact = await store(bus, source)

    folder = await fetch(bus, artifact, tmp_path / "cache")

    content = (source / "weights.bin").read_bytes()
    assert (folder / "model" / "weights.bin").read_bytes() == content
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [artifact.digest]
    (folder / "mark").touch()
    assert (await fetch(bus, artifact, tmp_path / "cache") / "mark").exists()


async def test_an_artifact_is_sent_once(bus: Bus, source: Path, tmp_path: Path):
    """What is there already is not sent again; progress ends at the whole size."""
    packed = pack(source, tmp_path)
    told: list[tuple[int, int]] = []

    sent = [
        await upload(bus, packed, lambda now, total: told.append((now, total))) for _ in range(2)
    ]

    size_bytes = packed.file.stat().st_size
    assert sent == [True, False]
    assert told[-1] == (size_bytes, size_bytes)
    assert sorted(told) == told


async def test_fetches_at_the_same_time_share_one_folder(bus: Bus, source: Path, tmp_path: Path):
    """Whoever comes second takes the first one's, and nothing is left lying about."""
    artifact = await store(bus, source)

    folders = await asyncio.gather(*(fetch(bus, artifact, tmp_path / "cache") for _ in range(4)))

    assert len(set(folders)) == 1
    assert list((tmp_path / "cache").iterdir()) == [folders[0]]


@pytest.mark.parametrize("steps", [1, 3, 10, 30])
async def test_a_cancelled_fetch_leaves_nothing(bus: Bus, source: Path, tmp_path: Path, steps: int):
    """A worker that is stopped while it fetches leaves no half folder."""
    artifact = await store(bus, source)
    fetching = asyncio.create_task(fetch(bus, artifact, tmp_path / "cache"))
    for _ in range(steps):
        await asyncio.sleep(0)

    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)

    assert not list((tmp_path / "cache").glob(".part-*"))
    assert (await fetch(bus, artifact, tmp_path / "cache")).is_dir()


async def test_content_that_is_not_what_its_digest_says_is_refused(
    bus: Bus, source: Path, tmp_path: Path
):
    """A store that was tampered with does not get code into a worker."""
    packed = pack(source, tmp_path)
    bucket = await ObjectBucket.open(bus, subjects.ARTIFACTS_BUCKET)
    wrong = msgspec.structs.replace(packed.artifact, digest="0" * 64)
    await bucket.put(wrong.digest, packed.file)

    with pytest.raises(ProtocolError, match="its content has digest"):
        await fetch(bus, wrong, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


async def test_an_artifact_that_is_not_there_is_named(bus: Bus, tmp_path: Path):
    """The error is that of a thing not found."""
    missing = Artifact(digest="f" * 64, size_bytes=1, files=1)

    with pytest.raises(NotFoundError):
        await fetch(bus, missing, tmp_path / "cache")


async def test_a_broker_that_stops_sending_does_not_hold_a_worker(
    bus: Bus, source: Path, tmp_path: Path
):
    """An object without its chunks would be waited for for ever."""
    artifact = await store(bus, source)
    chunks = {"filter": f"$O.{subjects.ARTIFACTS_BUCKET}.C.>"}
    await bus.api(f"STREAM.PURGE.OBJ_{subjects.ARTIFACTS_BUCKET}", chunks)

    with pytest.raises(BusTimeoutError, match="stopped sending"):
        await fetch(bus, artifact, tmp_path / "cache", stall_s=0.05)

    assert list((tmp_path / "cache").iterdir()) == []


async def test_what_killed_fetches_left_is_removed(bus: Bus, source: Path, tmp_path: Path):
    """Parts of an hour ago go, those of now stay: somebody may be at work on them."""
    artifact = await store(bus, source)
    for name in (".part-old", ".part-new"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    os.utime(tmp_path / "cache" / ".part-old", (1, 1))

    await fetch(bus, artifact, tmp_path / "cache")

    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert names == {".part-new", artifact.digest}
