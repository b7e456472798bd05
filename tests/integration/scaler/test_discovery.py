"""The scaler tells Prometheus whom to scrape."""

import asyncio
import logging

import httpx

from mesh.metrics import discovery_url
from scaler.service import Scaler
from tests.integration.scaler.conftest import FakeGateway, deployment


async def pages(url):
    """The page again and again: it is made anew once a second."""
    async with httpx.AsyncClient() as client, asyncio.timeout(8):
        while True:
            yield await client.get(url)


async def test_the_leader_tells_who_lives(rig):
    """Itself, gateways and workers, as JSON that Prometheus takes."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await FakeGateway(rig.bus).beat(1, metrics_url="http://127.0.0.1:9000/metrics")

    async for page in pages(discovery_url(rig.metrics_url)):
        if page.status_code == 200 and '"gateway"' in page.text and '"scaler"' in page.text:
            break

    assert page.headers["content-type"] == "application/json"
    assert int(page.headers["content-length"]) == len(page.content)
    assert {"targets": ["127.0.0.1:9000"]}.items() <= page.json()[1].items()


class Listener(logging.Handler):
    """Hears what a standby logs: where its metrics are."""

    def __init__(self):
        super().__init__()
        self.metrics_url = asyncio.get_running_loop().create_future()

    def emit(self, record):
        if (text := record.getMessage()).startswith("scaler.waiting"):
            self.metrics_url.set_result(text.rpartition("=")[2])


async def test_a_standby_knows_nobody(rig, caplog):
    """It says so with a 503, and Prometheus keeps the targets it has."""
    caplog.set_level(logging.INFO, "scaler")
    log, listener, stop = logging.getLogger("scaler"), Listener(), asyncio.Event()
    log.addHandler(listener)
    standby = asyncio.create_task(Scaler(rig.settings, None, None).run(stop))

    async with httpx.AsyncClient() as client:
        page = await client.get(discovery_url(await listener.metrics_url))
    stop.set()
    await standby
    log.removeHandler(listener)

    assert (page.status_code, "does not lead" in page.text) == (503, True)


async def test_targets_stay_while_the_broker_is_away(rig):
    """Nobody can be heard then; an outage that hides its victims would be seen by nobody."""
    await FakeGateway(rig.bus).beat(1, metrics_url="http://127.0.0.1:9000/metrics")
    url = discovery_url(rig.metrics_url)
    async for page in pages(url):
        if page.status_code == 200 and '"gateway"' in page.text:
            break

    rig.server.stop()
    async with httpx.AsyncClient() as client, asyncio.timeout(8):
        while "mesh_broker_connected 0.0" not in (await client.get(rig.metrics_url)).text:
            pass
        told = await client.get(url)
    rig.server.restart()

    assert told.json() == page.json()
