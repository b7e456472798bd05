"""The `mesh` command against a management service that does as the test says."""

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from mesh.bus import Bus
from mesh.cli import main


@pytest.fixture
async def bus(nats_server, monkeypatch):
    """A broker of the test's own, which the command finds by NATS_URL."""
    server = nats_server()
    monkeypatch.setenv("NATS_URL", server.url)
    monkeypatch.delenv("MESH_STATE_DIR", raising=False)
    bus = await Bus.connect(server.url, name="test")
    yield bus
    await bus.close()


class Shell:
    """Runs `mesh ...` in a thread, as the service answers on this loop."""

    async def __call__(self, *args: str, stdin: str | bytes | None = None) -> Result:
        """Run a command."""
        return await asyncio.to_thread(CliRunner().invoke, main, args, input=stdin)

    async def json(self, *args: str):
        """Run a command that must succeed and return its result."""
        result = await self(*args, "-o", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def mesh(service) -> Shell:
    """The `mesh` command."""
    return Shell()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the files of an endpoint and a deployment."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def init(): ...\ndef run(data): return data\n")
    (tmp_path / "model.txt").write_text("a model")
    (tmp_path / "endpoint.yml").write_text("name: iris\nauth_mode: key\n")
    (tmp_path / "blue.yml").write_text(
        "name: blue\nendpoint_name: iris\nmodel: {path: model.txt}\n"
        "code_configuration: {code: src, scoring_script: score.py}\n"
        "instance_type: local\ninstance_count: 1\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path
