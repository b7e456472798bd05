"""What is Triton's own: how a server of ours starts, fails and is cleaned up after."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from mesh.errors import BootError
from tests.contract.runtime.conftest import REFUSED, Triton
from workers.triton.launch import SHARED_MEMORY, remove_strays

pytestmark = pytest.mark.foreign

STUB_DIES = -4.0
HEAD = b'{"inputs":[{"name":"%s","datatype":"FP32","shape":[%s],"data":[%s]}]}'
SHARED = (
    b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],'
    b'"parameters":{"shared_memory_region":"r"}}]}'
)


@pytest.fixture
async def triton(tmp_path: Path) -> AsyncIterator[Triton]:
    """A repository of one model."""
    triton = Triton(tmp_path)
    await triton.prepare()
    yield triton
    await triton.close()


async def test_a_models_refusal_is_an_answer_in_tritons_words(triton: Triton):
    """The status and the body of its own HTTP server."""
    pool = await triton.started()

    refused = await triton.call(pool, REFUSED)

    assert refused.status == 500
    assert json.loads(refused.body) == {"error": "no negatives, please"}


async def test_a_python_model_that_dies_is_a_crash(triton: Triton):
    """Triton would say no for ever: a new server is started, the request had begun."""
    pool = await triton.started()
    request = triton.request(STUB_DIES)

    pool.submit(request)
    ended = await triton.heard.exit()
    await triton.heard.until(lambda: pool.is_ready)
    after = await triton.call(pool, 1.0)

    assert (ended.cause, ended.started) == ("crashed", {request.number})
    assert "Stub process 'echo_0' is not healthy" in ended.reason
    assert after.status == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HEAD % (b"Stub process 'x' is not healthy", b"1", b"1"), id="words"),
        pytest.param(b"[" * 200_000, id="nesting"),
        pytest.param(HEAD % (b"x", b"2147483648", b"1"), id="shape"),
        pytest.param(SHARED, id="shared-memory"),
    ],
)
async def test_no_request_ends_the_server(triton: Triton, body: bytes):
    """It is refused, and the server serves on."""
    pool = await triton.started()
    request = replace(triton.request(1.0), body=body)

    pool.submit(request)
    refused = await triton.heard.end(request.number)

    assert refused.status == 400
    assert (await triton.call(pool, 1.0)).status == 200
    assert not triton.heard.exits


async def test_a_name_that_must_be_encoded_is_decoded(triton: Triton):
    """Triton's own HTTP would look for the encoded one."""
    pool = await triton.started()
    request = replace(triton.request(1.0), path="/v2/models/no%20model/infer")

    pool.submit(request)
    refused = await triton.heard.end(request.number)

    assert "no model" in json.loads(refused.body)["error"]


async def test_processes_are_the_server_and_its_stubs(triton: Triton):
    """The memory of Python models is in the stubs."""
    pool = await triton.started()

    assert len(pool.pids) == 2


async def test_a_server_that_does_not_start_says_its_last_words(triton: Triton):
    """Here it does not like an option."""
    triton.config = replace(triton.config, arguments=("--grpc-infer-allocation-pool-size=x",))

    with pytest.raises(BootError, match=r"(?s)exit code 1 before its models were ready.*Got x"):
        await triton.started()


async def test_a_boot_that_takes_too_long_is_ended(triton: Triton):
    """It says so, and nothing is left."""
    triton.config = replace(triton.config, boot_timeout_s=0.05)

    with pytest.raises(BootError, match=r"does not answer after 0\.05 s"):
        await triton.started()

    assert triton.pools[0].pids == []


async def test_a_killed_server_leaves_no_shared_memory(triton: Triton):
    """Its Python models' regions outlive it; they are removed."""
    pool = await triton.started()
    command = " ".join(psutil.Process(pool.pids[0]).cmdline())
    region = re.search(r"shm-region-prefix-name=(\S+)", command).group(1)
    before = list(SHARED_MEMORY.glob(f"{region}*"))

    await pool.close(0.0)

    assert before
    assert not list(SHARED_MEMORY.glob(f"{region}*"))


def test_what_a_killed_worker_left_is_removed():
    """The next server's start finds it by the worker that is no more; that of others stays."""
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    stray = SHARED_MEMORY / f"mesh-{namespace}-999999999-a-b"
    others = SHARED_MEMORY / f"mesh-1-999999999-{os.getpid()}-b"
    stray.touch()
    others.touch()
    stub = subprocess.Popen([sys.executable, "-c", "input()", stray.name], stdin=subprocess.PIPE)

    remove_strays()
    left = (stray.exists(), others.exists())
    others.unlink()
    stub.communicate()

    assert left == (False, True)
    assert stub.returncode == -signal.SIGKILL
