"""A worker whose runners must answer a request of its own before it serves."""

from mesh.bus import Bucket
from mesh.subjects import SAMPLES_BUCKET
from tests.integration.workers.crew import GOOD

PICKY = """
def init(): pass
def run(raw):
    if raw != "[1]": raise ValueError("the weights are of another shape")
    return raw
"""


async def test_a_warm_up_that_fails_fails_the_start(crew):
    """The reason has the model's own traceback; nothing was taken from the queue."""
    await crew.start("i1", PICKY, mesh={"warmup": {"body": "[2]"}})
    await crew.ask(1)

    await crew.until(lambda: crew.state("i1") == "failed")

    assert "warm-up, request 1 of 1: the model answered 500" in crew.said["i1"][-1].reason
    assert "ValueError: the weights are of another shape" in crew.said["i1"][-1].reason
    assert crew.answers == []


async def test_a_warm_up_is_no_traffic(crew):
    """It is in no count of the instance."""
    await crew.start("i1", PICKY, mesh={"warmup": {"body": "[1]", "requests": 3}})

    await crew.until(lambda: crew.state("i1") == "ready")

    assert crew.said["i1"][-1].service.answered == 0


async def test_a_file_of_the_code_folder_is_the_body(crew):
    """Here the script itself; a file that is not there fails the start."""
    await crew.start("i1", GOOD, mesh={"warmup": {"file": "score.py"}})
    await crew.start("i2", GOOD, 2, mesh={"warmup": {"file": "none.json"}})

    await crew.until(lambda: crew.state("i1") == "ready" and crew.state("i2") == "failed")

    assert crew.said["i2"][-1].reason.startswith("mesh.warmup.file: 'none.json': No such file")


async def test_a_request_that_was_answered_well_warms_the_next_instance_up(crew):
    """Here one of another shape than its new code takes: the start fails, no caller's request."""
    recorded = {"warmup": {"sample": "recorded"}}
    await crew.start("i1", GOOD, mesh=recorded)
    await crew.ask(1)
    await crew.until(lambda: crew.answers)
    bucket = await Bucket.open(crew.bus, SAMPLES_BUCKET)
    while await bucket.get("iris.blue") is None:
        await crew.bus.flush()

    await crew.start("i2", PICKY, 2, mesh=recorded)
    await crew.until(lambda: crew.state("i2") == "failed")

    assert crew.state("i1") == "ready"
    assert "the weights are of another shape" in crew.said["i2"][-1].reason
