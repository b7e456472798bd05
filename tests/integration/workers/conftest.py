"""A crew of workers for each test."""

import pytest

from tests.integration.workers.crew import Crew


@pytest.fixture
async def crew(bus, tmp_path):
    """A crew on a broker of the test's own."""
    crew = await Crew(bus, tmp_path).open()
    yield crew
    await crew.close()
