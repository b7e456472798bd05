"""Fixtures that every ring may use: real nats-servers."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker import BINARY, NatsServer


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
