"""Finding a tritonserver, and what is said when there is none."""

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

import workers.triton
from mesh.errors import BootError
from mesh.records import Artifact, DeploymentRecord
from mesh.settings import Settings, WorkerSettings
from mesh.spec.deployment import DeploymentSpec, ModelSpec
from mesh.subjects import WorkerAddress
from workers.initialize import prepare
from workers.instance import Instance
from workers.triton import install
from workers.triton.install import Models, find
from workers.triton.launch import TritonConfig, server_env, spawn


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A program that is where an operator would have installed it."""
    program = tmp_path / "opt" / "bin" / "tritonserver"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    (tmp_path / "opt" / "backends").mkdir()
    return program


async def test_the_operators_server_comes_with_its_own_backends(server: Path, tmp_path: Path):
    """Those beside it; nothing is copied, no packages are forced on its models."""
    found = await find(WorkerSettings(triton_server=str(server)), Models(), tmp_path / "state")

    assert found.server == str(server)
    assert found.backends == str(tmp_path / "opt" / "backends")
    assert (found.paths, (tmp_path / "state").exists()) == ({}, False)


async def test_models_of_the_operators_server_get_the_packages_asked_for(server: Path, tmp_path):
    """Of the interpreter that the deployment names."""
    settings = WorkerSettings(triton_server=str(server))

    found = await find(settings, Models(python=sys.executable), tmp_path / "state")

    assert "site-packages" in found.paths["PYTHONPATH"]
    assert (Path(found.paths["PATH"]) / "python3").exists()


async def test_a_server_on_path_is_found(server: Path, tmp_path: Path, monkeypatch):
    """Before the one in the wheel."""
    monkeypatch.setenv("PATH", str(server.parent), prepend=os.pathsep)

    assert (await find(WorkerSettings(), Models(), tmp_path)).server == str(server)


@pytest.mark.parametrize(
    ("key", "value"), [("triton_server", "/no/tritonserver"), ("triton_backends", "/no/backends")]
)
async def test_a_wrong_setting_is_named(server: Path, tmp_path: Path, key: str, value: str):
    """With its value."""
    settings = WorkerSettings(**{"triton_server": str(server), key: value})

    with pytest.raises(BootError, match=f"worker.{key}: '{value}': there is no such"):
        await find(settings, Models(), tmp_path)


async def test_without_a_server_it_says_what_to_do(tmp_path: Path, monkeypatch):
    """What to set, or what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install, "USUAL", "/no/tritonserver")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "pytriton", None)

    with pytest.raises(BootError, match=r"worker\.triton_server.*nvidia-pytriton"):
        await find(WorkerSettings(), Models(), tmp_path)


async def test_an_interpreter_that_cannot_be_asked_is_named(tmp_path: Path):
    """mesh.python of the deployment."""
    with pytest.raises(BootError, match=r"mesh\.python: '/no/python': cannot be asked"):
        await find(WorkerSettings(), Models(python="/no/python"), tmp_path)


async def test_numpy_that_the_stub_does_not_know_is_warned_of(tmp_path: Path):
    """Wrong values in silence are the worst; the log says what to do."""
    found = await find(WorkerSettings(), Models(), tmp_path)

    is_known = metadata.version("numpy").startswith("1.")
    assert ("numpy 1 only" in found.warning) == (not is_known)


def test_the_deployments_own_paths_come_first():
    """Its PYTHONPATH before the packages, the rest of its variables as they are."""
    config = TritonConfig(
        server="s",
        backends="b",
        repository="r",
        paths={"PYTHONPATH": "/packages"},
        env={"PYTHONPATH": "/own", "A": "b"},
    )

    env = server_env(config, {"PATH": "/bin", "SECRET": "no", "PYTHONPATH": "/mesh"})

    assert env == {"PATH": "/bin", "PYTHONPATH": "/own:/packages", "A": "b"}


def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path):
    """And its port is given back."""
    config = TritonConfig(server="/no/tritonserver", backends="", repository=str(tmp_path))

    with pytest.raises(BootError, match="cannot start Triton '/no/tritonserver'"):
        spawn(config)


async def test_a_worker_without_the_extra_says_what_to_install(monkeypatch):
    """The package that is missing, and the extra it comes with."""
    for name in ("runtime", "client"):
        monkeypatch.delitem(sys.modules, f"workers.triton.{name}", raising=False)
        monkeypatch.delattr(workers.triton, name, raising=False)
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    spec = DeploymentSpec(
        name="blue", endpoint_name="iris", model=ModelSpec(path="m", type="triton_model")
    )
    model = Artifact(digest="0", entry="m", size_bytes=0, files=0)
    record = DeploymentRecord(spec=spec, generation=1, model=model)
    instance = Instance(None, WorkerAddress("iris", "blue", "i1"), record)

    with pytest.raises(BootError, match=r"tritonclient.grpc is missing.*serving-mesh\[triton\]"):
        await prepare(instance, Settings(), print)
