"""`mesh deployment`, over a real broker."""

import asyncio
import shutil

import pytest

from mesh import artifacts
from mesh.records import Artifact

CREATE = ("deployment", "create", "-f", "blue.yml")
BLUE = ("-e", "iris", "-n", "blue")
TRACEBACK = 'Traceback (most recent call last):\n  File "score.py", line 3\nValueError: no model'


@pytest.fixture
async def iris(mesh, folder):
    """The current folder, and an endpoint to deploy to."""
    await mesh("endpoint", "create", "-n", "iris")
    return folder


async def test_create_waits_until_it_serves(mesh, service, iris):
    """The command returns when the deployment has succeeded, and shows how to call it."""
    service.outcomes = [[("Creating", ""), ("Succeeded", "")]]

    result = await mesh(*CREATE, "--all-traffic")

    assert result.exit_code == 0, result.stderr
    assert "Succeeded" in result.stdout
    assert "Scoring URI: http://" in result.stdout
    assert "curl http://" in result.stdout


async def test_create_stores_code_and_model(mesh, bus, iris, tmp_path_factory):
    """What the spec names is in the broker's store, so the source folder may go."""
    view = (await mesh.json(*CREATE))["code"]
    shutil.rmtree(iris / "src")

    fetched = await artifacts.fetch(bus, Artifact(**view), tmp_path_factory.mktemp("cache"))

    assert (fetched / "src" / "score.py").read_text().startswith("def init")


async def test_progress_is_told_line_by_line_when_piped(mesh, service, iris):
    """On a pipe each change is one line on stderr; stdout holds the result only."""
    service.outcomes = [[("Creating", "fetching the model")]]

    result = await mesh(*CREATE, "--timeout", "0.3")

    line = "deployment blue of endpoint iris: Creating, 0 of 1 ready: fetching the model"
    assert result.stderr.splitlines().count(line) == 1
    assert result.stdout == ""


async def test_what_a_change_is_warned_of_is_told_although_it_waits(mesh, service, iris):
    """The warnings stand in the answer alone, not in the view that is shown in the end."""
    service.warnings = ["instance_type: 'huge': 64 cores, this machine has 2"]

    result = await mesh(*CREATE)

    assert result.exit_code == 0
    assert result.stderr.count("warning: instance_type: 'huge': 64 cores") == 1


async def test_a_failed_deployment_tells_its_traceback(mesh, service, iris):
    """Exit code 6, the script's own traceback on stderr, nothing on stdout."""
    service.outcomes = [[("Failed", TRACEBACK)]]

    result = await mesh(*CREATE)

    assert (result.exit_code, result.stdout) == (6, "")
    assert TRACEBACK in result.stderr


async def test_no_wait_returns_at_once(mesh, service, iris):
    """`--no-wait` shows the deployment as it starts, whatever becomes of it."""
    service.outcomes = [[]]

    assert (await mesh.json(*CREATE, "--no-wait"))["provisioning_state"] == "Creating"


async def test_a_timeout_leaves_it_going(mesh, service, iris):
    """Exit code 7, and it says that the operation goes on."""
    service.outcomes = [[]]

    result = await mesh(*CREATE, "--timeout", "0.2")

    assert result.exit_code == 7
    assert "it goes on" in result.stderr


async def test_create_needs_the_endpoint(mesh, folder):
    """Exit code 4 and the endpoint's name."""
    result = await mesh(*CREATE)

    assert result.exit_code == 4
    assert "endpoint 'iris' does not exist" in result.stderr


async def test_what_exists_is_said_before_anything_is_stored(mesh, service, iris):
    """Exit code 5; a large model is not sent in vain."""
    await mesh(*CREATE)
    service.asked.clear()

    result = await mesh(*CREATE)

    assert result.exit_code == 5
    assert "deployment 'blue' of endpoint 'iris' exists already" in result.stderr
    assert service.asked == ["endpoint.get"]


async def test_a_script_that_is_not_python_is_not_sent(mesh, service, iris):
    """Exit code 2 with the script's line; --skip-script-validation sends it anyway."""
    (iris / "src" / "score.py").write_text("def init():\n  return (\n")

    refused = await mesh(*CREATE)
    sent = await mesh(*CREATE, "--skip-script-validation")

    assert refused.exit_code == 2
    assert "score.py:2: is not Python" in refused.stderr
    assert sent.exit_code == 0, sent.stderr


async def test_update_by_set_keeps_the_folders(mesh, service, iris):
    """`--set` makes a new generation of the same code and model, whose source may be gone."""
    before = await mesh.json(*CREATE)
    shutil.rmtree(iris / "src")

    after = await mesh.json(
        "deployment", "update", *BLUE, "--set", "request_settings.request_timeout_ms=3000"
    )

    assert after["generation"] == 2
    assert after["spec"]["request_settings"] == {"request_timeout_ms": 3000}
    assert (after["code"], after["model"]) == (before["code"], before["model"])


async def test_update_from_a_file_stores_what_has_changed(mesh, iris):
    """With a file the folders are stored again."""
    before = await mesh.json(*CREATE)
    (iris / "model.txt").write_text("a better model")

    after = await mesh.json("deployment", "update", "-f", "blue.yml")

    assert after["code"] == before["code"]
    assert after["model"]["digest"] != before["model"]["digest"]


async def test_update_stores_a_folder_that_is_named_again(mesh, iris):
    """Who says where the code is means the code that is there now."""
    before = await mesh.json(*CREATE)
    (iris / "src" / "score.py").write_text("def init(): ...\ndef run(data): return 2\n")

    after = await mesh.json("deployment", "update", *BLUE, "--set", "code_configuration.code=src")

    assert after["code"]["digest"] != before["code"]["digest"]
    assert after["model"] == before["model"]


async def test_update_cannot_rename(mesh, iris):
    """A deployment keeps its name."""
    await mesh(*CREATE)

    result = await mesh("deployment", "update", *BLUE, "--set", "name=green")

    assert result.exit_code == 2
    assert "name: 'green': cannot be changed" in result.stderr


async def test_scale_waits_for_the_new_count(mesh, iris):
    """`scale` returns when the instances are there."""
    await mesh(*CREATE)

    scaled = await mesh.json("deployment", "scale", *BLUE, "--instance-count", "3")

    assert (scaled["instance_count"], scaled["ready_instances"]) == (3, 3)


async def test_list_filters_by_endpoint(mesh, iris):
    """`list` shows all deployments, or those of one endpoint."""
    await mesh("endpoint", "create", "-n", "rose")
    await mesh(*CREATE)
    await mesh(*CREATE, "-e", "rose")

    every = await mesh("deployment", "list", "--query", "[].endpoint_name", "-o", "tsv")
    one = await mesh("deployment", "list", "-e", "rose", "--query", "[].name", "-o", "tsv")

    assert every.stdout == "iris\nrose\n"
    assert one.stdout == "blue\n"


async def test_delete_returns_when_it_is_gone(mesh, service, iris):
    """`delete --yes` waits for the end of the deployment."""
    await mesh(*CREATE)

    result = await mesh("deployment", "delete", "-n", "blue", "--endpoint", "iris", "--yes")

    assert result.exit_code == 0, result.stderr
    assert not service.deployments


async def test_a_mesh_that_does_not_run_is_said(mesh, monkeypatch, tmp_path):
    """Exit code 3, at once, with what to do."""
    monkeypatch.delenv("NATS_URL", raising=False)
    monkeypatch.setenv("MESH_STATE_DIR", str(tmp_path))

    result = await asyncio.wait_for(mesh("deployment", "list"), 3)

    assert result.exit_code == 3
    assert "mesh up" in result.stderr
