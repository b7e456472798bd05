"""A worker without a model: it beats, and ends as its deployment's STUB variable says.

STUB: `ok` (default) becomes ready and exits 0 on SIGTERM; `fail` says it cannot boot and exits 3;
`crash` exits 7 before it is ready; `stubborn` is ready and ignores SIGTERM; `suspect` is on
probation and then suspect; `spoilt` is ready and then suspect; `unready` never becomes ready.
"""

import argparse
import asyncio
import os
import signal
import sys

import msgspec

from mesh import subjects, wire
from mesh.bus import Bucket, Bus
from mesh.records import DeploymentRecord
from mesh.settings import read_settings
from mesh.subjects import WorkerAddress
from mesh.wire import WorkerHeartbeat

BEAT_S = 0.25
BEATS = {"suspect": ["probation"], "spoilt": ["ready", "ready"]}
FIGURES = "20 of 20 answers failed"
FAILURE = "Traceback (most recent call last):\nValueError: no model here"


async def beat(bus, options, state, reason=""):
    address = WorkerAddress(options.endpoint, options.deployment, options.instance)
    said = WorkerHeartbeat(
        **address._asdict(),
        generation=int(options.generation),
        state=state,
        reason=reason,
        pid=os.getpid(),
        slots=1,
    )
    await bus.publish(subjects.worker_heartbeat(address), wire.encode(said))


async def live(options):
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bus = await Bus.connect(read_settings(options.settings).nats.url, name="stub")
    address = WorkerAddress(options.endpoint, options.deployment, options.instance)

    async def drain(_):
        stop.set()

    await bus.subscribe(subjects.drain(address), drain)
    bucket = await Bucket.open(bus, subjects.CONFIG_BUCKET)
    key = subjects.generation_key(options.endpoint, options.deployment, int(options.generation))
    entry = await bucket.get(key)
    record = msgspec.json.decode(entry.value, type=DeploymentRecord)
    stub = record.spec.environment_variables.get("STUB", "ok")
    if stub == "crash":
        return 7
    await beat(bus, options, "starting")
    if stub == "fail":
        await beat(bus, options, "failed", FAILURE)
        await bus.close()
        return 3
    states = BEATS.get(stub, [])
    last = "suspect" if states else "unready" if stub == "unready" else "ready"
    while not stop.is_set() or stub == "stubborn":
        state = states.pop(0) if states else last
        await beat(bus, options, state, FIGURES if state == "suspect" else "")
        waiting = asyncio.ensure_future(stop.wait())
        await asyncio.wait({waiting}, timeout=BEAT_S)
        if stub == "stubborn":
            stop.clear()
    await beat(bus, options, "draining")
    await bus.close()
    return 0


parser = argparse.ArgumentParser()
for name in ("settings", "endpoint", "deployment", "generation", "instance"):
    parser.add_argument(f"--{name}", required=True)
sys.exit(asyncio.run(live(parser.parse_args())))
