"""Fixtures that every ring may use: real nats-servers."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.broker import BINARY, NatsServer

E2E = Path(__file__).parent / "e2e"
SLOW_S = 60  # for real processes and servers of other projects

# A fresh checkout builds hypothesis's character tables first, and two cores are often busy: neither
# says anything about the code, whose time is limited by pytest's own timeout.
hypothesis.settings.register_profile(
    "mesh", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("mesh")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of whole processes and of foreign servers more time than the usual 10 s."""
    for item in items:
        is_slow = E2E in item.path.parents or item.get_closest_marker("foreign")
        if is_slow and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_S))


def pytest_report_header() -> str:
    """Say which broker the results are true for."""
    return subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A nats-server shared by the session: use names of your own for streams and endpoints."""
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server.url
    server.stop()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """Make servers of the test's own, to kill, pause and restart: `nats_server(config="...")`."""
    servers: list[NatsServer] = []

    def make(*, config: str = "") -> NatsServer:
        home = tmp_path / f"nats-{len(servers)}"
        home.mkdir()
        servers.append(NatsServer(home, config=config))
        return servers[-1].start()

    yield make
    for server in servers:
        server.stop()
