"""The scaler tells Prometheus whom to scrape."""

import asyncio

import httpx

from mesh.metrics import discovery_url
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
