"""A person for each test, who leaves nothing behind."""

import shutil
import subprocess

import pytest

from tests.e2e.person import ROOT, Person
from tests.e2e.walkthrough import environment


@pytest.fixture
def person(tmp_path):
    """A person, with a home of their own."""
    person = Person(tmp_path)
    yield person
    person.close()


@pytest.fixture
def reader(tmp_path):
    """A copy of the example and an environment, for who types a page; no mesh is left behind."""
    folder = tmp_path / "iris"
    shutil.copytree(ROOT / "examples" / "iris", folder)
    environ = environment(tmp_path / "state")
    yield folder, environ
    subprocess.run(["mesh", "down"], env=environ, check=False, capture_output=True)
