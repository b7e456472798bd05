"""Instance types, memory and quota, as somebody who types `mesh` meets them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.person import Person

pytestmark = pytest.mark.timeout(180)
# Its instance has a worker, which takes some 70 MiB, and a runner that takes as much as is asked.
HUNGRY = """
import json
import time
kept = []

def init():
    pass

def run(raw_data):
    kept.append(b"x" * (json.loads(raw_data) << 20))
    if len(kept[-1]) > 400 << 20:
        time.sleep(30)  # its memory is looked at four times a second
    return len(kept)
"""
BROKEN = """
import time
kept = b"x" * (600 << 20)
time.sleep(30)  # as above

def init():
    pass

def run(raw_data):
    pass
"""
OWN = "box: {cores: 1, memory_gib: 0.375, price_per_hour: 0.5, family: boxes}\n"


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Somebody with an instance type of their own and a quota of 4 cores, who leaves nothing."""
    person = Person(tmp_path)
    (tmp_path / "own.yaml").write_text(OWN)
    person.environ |= {
        "MESH_SCALER__INSTANCE_TYPES": str(tmp_path / "own.yaml"),
        "MESH_QUOTA__FAMILIES__boxes__CORES": "4",
    }
    yield person
    person.close()


def shown(person: Person) -> dict:
    """The deployment as it is."""
    return json.loads(
        person.mesh("deployment", "show", "-e", "echo", "-n", "blue", "-o", "json").stdout
    )


def test_quota_is_refused_with_what_is_needed_and_available(person: Person):
    """An exit code of its own, and a list of who has the cores."""
    person.up()
    person.deploy(more="instance_type: box")

    more = person.mesh("deployment", "scale", "-e", "echo", "-n", "blue", "--instance-count", "4")
    quota = person.mesh("quota", "list")
    types = person.mesh("instance-type", "list", "--query", "[?name=='box'].cores", "-o", "tsv")

    assert more.returncode == 8
    assert "OutOfQuota: deployment 'blue' needs 5 cores of family boxes" in more.stderr
    assert "4 are available" in more.stderr
    assert quota.stdout.split()[-6:] == ["boxes", "4", "2", "0", "0", "2"]
    assert types.stdout.strip() == "1.0"


def test_a_runner_that_takes_too_much_memory_is_told(person: Person):
    """Its request is tried elsewhere or given up, the instance lives on, `show` says why."""
    person.up()
    person.deploy(HUNGRY, more="instance_type: box\nrequest_settings: {request_timeout_ms: 60000}")
    (person.folder / "much.json").write_text("600")
    (person.folder / "little.json").write_text("1")
    before = shown(person)["instances"][0]["pid"]

    refused = person.mesh("endpoint", "invoke", "-n", "echo", "--request-file", "much.json")
    after = person.mesh("endpoint", "invoke", "-n", "echo", "--request-file", "little.json")
    page = person.mesh("deployment", "show", "-e", "echo", "-n", "blue").stdout

    assert refused.returncode != 0
    assert after.stdout.strip() == "1"
    assert shown(person)["instances"][0]["pid"] == before
    assert "out of memory: limit 384.0 MiB: a process of it was killed" in page
    assert "1 core, 384.0 MiB" in page
    assert "0.5 per hour" in page


def test_a_model_that_does_not_fit_into_memory_fails_for_that(person: Person):
    """The deployment fails at once, with the limit in its reason."""
    person.up()

    with pytest.raises(AssertionError, match="out of memory: limit"):
        person.deploy(BROKEN, more="instance_type: box")

    assert shown(person)["reason"].startswith("out of memory: limit 384.0 MiB")
    assert "Instances are held to their type by: " in person.mesh("status").stdout
