"""docs/idempotency.md is true: what it shows is typed, and prints what it says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.walkthrough import complaints, environment, read_blocks, run_block

ROOT = Path(__file__).parents[2]


@pytest.fixture
def person(tmp_path):
    """A copy of the example and an environment; no mesh is left behind."""
    folder = tmp_path / "iris"
    shutil.copytree(ROOT / "examples" / "iris", folder)
    environ = environment(tmp_path / "state")
    yield folder, environ
    subprocess.run(["mesh", "down"], env=environ, check=False, capture_output=True)


@pytest.mark.timeout(120)
def test_every_example_of_the_page_holds(person):
    """Commands run one after another as they stand; the lines shown are in their output."""
    folder, environ = person
    for steps in read_blocks(ROOT / "docs" / "idempotency.md"):
        assert complaints(steps, run_block(steps, folder, environ)) == []
