"""Fixtures of tests against a real nats-server; a test with needs of its own defines its own."""

from collections.abc import AsyncIterator

import pytest

from mesh.bus import Bus
from tests.fake_management import FakeManagement


@pytest.fixture
def server(nats_server):
    """A server of the test's own."""
    return nats_server()


@pytest.fixture
async def bus(server) -> AsyncIterator[Bus]:
    """A connection to it."""
    bus = await Bus.connect(server.url, name="test")
    yield bus
    await bus.close()


@pytest.fixture
async def service(bus) -> AsyncIterator[FakeManagement]:
    """The management service of the test."""
    service = await FakeManagement(bus).start()
    yield service
    await service.close()
