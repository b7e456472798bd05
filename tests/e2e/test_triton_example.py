"""examples/triton, as its README has it, and as `make demo-triton` runs it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_readme import PORT, free_port
from tests.e2e.walkthrough import complaints, environment, read_blocks, run_block

ROOT = Path(__file__).parents[2]


@pytest.fixture
def person(tmp_path):
    """A folder with the example, a mesh of its own on a free port, nothing left behind."""
    shutil.copytree(
        ROOT / "examples" / "triton",
        tmp_path / "examples" / "triton",
        ignore=shutil.ignore_patterns("model.onnx"),
    )
    port = str(free_port())
    environ = environment(tmp_path / "state")
    environ |= {"MESH_GATEWAY__PORT": port, "MESH_SCALER__PORT": "0"}
    yield tmp_path, environ, port
    subprocess.run(["mesh", "down"], env=environ, check=False, capture_output=True)


@pytest.mark.timeout(240)
def test_every_command_of_the_readme_holds(person):
    """Two commands deploy a model repository, and tritonclient asks it as it would ask Triton."""
    folder, environ, port = person
    for steps in read_blocks(ROOT / "examples" / "triton" / "README.md"):
        there = [step._replace(command=step.command.replace(PORT, port)) for step in steps]
        assert complaints(there, run_block(there, folder, environ)) == []


@pytest.mark.heavy
@pytest.mark.timeout(240)
def test_the_demo_finds_everything_as_it_should_be(tmp_path):
    """It deploys, asks, and takes everything down with one command."""
    demo = subprocess.run(
        [sys.executable, "-m", "examples.triton.run"],
        cwd=ROOT,
        env=environment(tmp_path / "unused"),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout
    assert "Everything as it should be" in demo.stdout
