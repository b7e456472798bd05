"""docs/tensors.md is true: its example is deployed and asked, in JSON and in binary."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_readme import PORT, free_port
from tests.e2e.walkthrough import complaints, environment, read_blocks, run_block

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reader(tmp_path):
    """A folder with the example and an environment on a free port; no mesh is left behind."""
    shutil.copytree(ROOT / "examples" / "tensors", tmp_path / "examples" / "tensors")
    port = str(free_port())
    environ = environment(tmp_path / "state")
    environ |= {"MESH_GATEWAY__PORT": port, "MESH_SCALER__PORT": "0"}
    yield tmp_path, environ, port
    subprocess.run(["mesh", "down"], env=environ, check=False, capture_output=True)


@pytest.mark.timeout(120)
def test_every_example_of_the_page_holds(reader):
    """One shell, as the key is in a variable of it; the lines shown are in the output."""
    folder, environ, port = reader
    steps = [step for block in read_blocks(ROOT / "docs" / "tensors.md") for step in block]
    steps = [step._replace(command=step.command.replace(PORT, port)) for step in steps]

    assert complaints(steps, run_block(steps, folder, environ)) == []
