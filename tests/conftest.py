"""Fixtures that every ring may use: real nats-servers."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.broker import BINARY, NatsServer
from tests.gpus import claim, lacking, verdict

E2E = Path(__file__).parent / "e2e"
CLAIMS = pytest.StashKey[dict[str, str]]()
SLOW_S = 60  # for real processes and servers of other projects

# A fresh checkout builds hypothesis's character tables first, and two cores are often busy: neither
# says anything about the code, whose time is limited by pytest's own timeout.
hypothesis.settings.register_profile(
    "mesh", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("mesh")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of whole processes, foreign servers and GPUs more time than the usual 10 s."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        is_slow = E2E in item.path.parents or marks & {"foreign", "gpu"}
        if is_slow and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU, or more, where this machine has none."""
    marker = item.get_closest_marker("gpu")
    if marker is not None and (reason := lacking(marker.args)):
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end of `make gpu` what it has not proven."""
    if terminalreporter.config.option.markexpr != "gpu":
        return
    claims = terminalreporter.config.stash.get(CLAIMS, {})
    proven, unproven = [], {}
    for kind in ("passed", "skipped", "failed", "error"):
        for report in terminalreporter.stats.get(kind, []):
            text = claims.get(report.nodeid, report.nodeid)  # a file that cannot be collected
            if kind == "passed":
                proven.append(text)
            else:
                why = report.longrepr[2] if kind == "skipped" else "its test failed"
                unproven[text] = why.removeprefix("Skipped: ")
    terminalreporter.section("GPUs")
    for line in verdict(proven, unproven):
        terminalreporter.write_line(line)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note what the tests of GPUs claim."""
    found = {item.nodeid: claim(item) for item in session.items if item.get_closest_marker("gpu")}
    session.config.stash[CLAIMS] = found


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
