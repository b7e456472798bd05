"""Queued requests sent again, through the management service."""

import time

import pytest

from mesh import jobs
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
