"""Queued requests sent again, through the management service."""

import asyncio
import time

import pytest
from click.testing import CliRunner

from mesh import jobs
from mesh.cli import main
from mesh.errors import ConflictError
from mesh.management import Management
from mesh.records import JobRecord


@pytest.mark.parametrize("due_s", [0.0, 60.0])
async def test_what_has_not_ended_is_not_sent_again(rig, due_s):
    """Whether it waits in a queue or for its time: it says so."""
    await rig.endpoint()
    record = JobRecord(timeout_s=600.0, due_at_s=due_s and time.time() + due_s, ingress_seq=1)
    await jobs.note(rig.bus, "iris", "r1", record)

    with pytest.raises(ConflictError, match="has not ended: it is"):
        await Management(rig.bus).requests.retry("iris", "r1")


async def test_what_was_cancelled_before_one_was_refused_is_told(rig):
    """The exit code and the error are those of the one that was refused."""
    await rig.endpoint()
    await jobs.note(rig.bus, "iris", "r1", JobRecord(timeout_s=600.0))
    environ = {"NATS_URL": rig.settings.nats.url, "MESH_STATE_DIR": str(rig.state_dir)}
    words = ["request", "cancel", "-e", "iris", "r1", "nope", "r2"]

    result = await asyncio.to_thread(CliRunner(env=environ).invoke, main, words)

    assert (result.exit_code, result.stdout) == (4, "r1 cancelled\n")
    assert "no request 'nope'" in result.stderr
