"""The demand that is kept, and the floor that is learned from it."""

import asyncio
import sys
import time

import pytest

from mesh import history, loads, subjects
from mesh.api import DeploymentPut
from mesh.bus import Bus
from mesh.loads import LoadPoint
from mesh.records import DeploymentRecord
from mesh.scales import read_scale_changes
from mesh.spec.forecast import ForecastSettings
from mesh.streams import counts as subject_counts
from mesh.streams import ensure_topology
from mesh.wire import GatewayHeartbeat
from scaler.forecast.fitting import FitError, fit
from scaler.forecast.outlook import SLOT_S
from scaler.forecast.recorder import Recorder
from scaler.forecast.task import Wish
from scaler.observe import Observer
from scaler.registry import Registry
from tests.integration.scaler.conftest import BEAT_S, FakeGateway, deployment
from tests.integration.scaler.test_scaling import counts, scaled

pytestmark = pytest.mark.timeout(60)  # a fit is seconds of a core that others share
SUBJECT = subjects.load("iris", "blue")
WISH = Wish(now_s=8 * 86_400.0, min_days=7, percentile=90)


async def keep(rig, days, requests):
    """Have the stream know so many days of this demand."""
    last = time.time() // SLOT_S * SLOT_S
    slots = round(days * 86_400 / SLOT_S)
    for back in range(slots, 0, -1):
        point = LoadPoint(
            start_s=last - back * SLOT_S, heard_s=SLOT_S, requests=requests, service_s=0.1
        )
        await rig.bus.publish(SUBJECT, loads.encode(point))
    while (await subject_counts(rig.bus, subjects.LOAD_STREAM, SUBJECT))[0].get(SUBJECT) != slots:
        pass


async def kept(rig):
    """What the stream knows."""
    past = history.read(rig.bus, subjects.LOAD_STREAM, SUBJECT)
    return [loads.decode(one.data) async for one in past]


async def test_what_gateways_are_asked_for_is_kept(rig):
    """A scaler that stops stores what the present five minutes have brought."""
    await rig.endpoint()
    await rig.create(scaled())
    gateway = FakeGateway(rig.bus)
    for total in (100, 103, 110):
        offered = {"iris/blue": {"accepted": total, "refused": 1, "timed_out": 0}}
        await gateway.beat(1, offered=offered)
        await asyncio.sleep(BEAT_S)  # a rate needs time to pass

    await rig.until(lambda view: view.scaling.seen and view.scaling.seen.offered_per_s)
    await rig.stop()

    points = await kept(rig)
    assert sum(point.requests for point in points) == 10


async def test_what_could_not_be_stored_is_stored_later(nats_server):
    """The broker is away when five minutes end: they are not lost."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    registry = await Registry.open(bus)
    record = DeploymentRecord(spec=deployment(), generation=1)
    await registry.put(subjects.deployment_key("iris", "blue"), record)
    observer = Observer()
    recorder = Recorder(bus, registry, observer)
    for at_s in (1.0, 2.0):
        observer.demand.hear(GatewayHeartbeat(gateway="g", revision=1), at_s)
    back = asyncio.Event()

    async def note():
        back.set()

    bus.on_reconnect(note)

    server.kill()
    await recorder.close()
    unstored = repr(recorder)
    server.start()
    await back.wait()
    await recorder.close()

    assert (unstored, repr(recorder)) == ("<Recorder unstored=1>", "<Recorder unstored=0>")
    assert (await subject_counts(bus, subjects.LOAD_STREAM, SUBJECT))[0] == {SUBJECT: 1}
    await registry.close()
    await bus.close()


async def test_a_floor_is_learned_from_days_of_demand(rig):
    """15 requests/s of 100 ms keep two instances to 100 %; nobody asks now."""
    await rig.endpoint()
    await keep(rig, 8, round(15 * SLOT_S))

    await rig.create(scaled(forecast=ForecastSettings()))
    view = await rig.until(counts(2))
    (change,) = await read_scale_changes(rig.bus, "iris", "blue", 50)

    assert view.scaling.seen.forecast_per_s == pytest.approx(15.0, rel=0.01)
    assert view.scaling.notes == []
    assert change.reason == "15 requests/s expected, 100 ms each, need 2"


async def test_too_few_days_are_told(rig):
    """Nothing is asked for, and it is said how many days are known."""
    await rig.endpoint()
    await keep(rig, 0.5, 1000)

    await rig.create(scaled(forecast=ForecastSettings()))
    view = await rig.until(lambda view: "days" in str(view.scaling.notes))

    assert view.scaling.notes == ["forecast: 0.5 of 7 days of demand are known"]
    assert view.instance_count == 1


async def test_a_deployment_that_is_deleted_takes_its_demand_with_it(rig):
    """The next one of this name begins anew."""
    await rig.endpoint()
    await rig.create(scaled())
    await keep(rig, 0.1, 5)

    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await rig.until(lambda view: view is None)
    await rig.create(scaled())  # it waits until all of the other one is gone

    assert await kept(rig) == []


async def test_a_forecast_needs_its_extra(rig, monkeypatch):
    """It is refused when the deployment is created, not found missing in the night."""
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    await rig.endpoint()

    put = DeploymentPut(spec=scaled(forecast=ForecastSettings()))
    code, message = await rig.refused("deployment.create", put)

    assert code == "bad_spec"
    assert "pip install 'serving-mesh[forecast]'" in message


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise ImportError('no such library')", "ImportError: no such library"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.stdin.buffer.read(); import time; time.sleep(60)", "more than 0.5 s"),
    ],
    ids=["raises", "exits", "hangs"],
)
async def test_a_fit_that_fails_says_why(script, why):
    """And nothing is left behind."""
    with pytest.raises(FitError, match=why):
        await fit([], WISH, (sys.executable, "-c", script), limit_s=5.0 if why[0] != "m" else 0.5)
