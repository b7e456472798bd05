"""A whole mesh with a deployment on a GPU."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.e2e.person import Person
from tests.gpus import gpus

EXAMPLE = Path(__file__).parents[2] / "examples" / "tensors"


@pytest.fixture
def person(tmp_path):
    """Somebody with the example of tensors, who leaves nothing behind."""
    person = Person(tmp_path)
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    yield person
    person.close()


def shown(person):
    """The first instance of the deployment."""
    view = person.mesh("deployment", "show", "-n", "blue", "-e", "softmax", "-o", "json")
    return json.loads(view.stdout)["instances"][0]


@pytest.mark.gpu("cupy")
@pytest.mark.timeout(120)
def test_an_example_runs_on_a_gpu_with_one_line_changed(person):
    """A deployment with `device: cuda` answers over HTTP, and its GPU's figures are shown."""
    person.up()
    for args in (
        ("endpoint", "create", "-f", "endpoint.yml"),
        ("deployment", "create", "-f", "blue.yml", "--all-traffic", "--set", "mesh.device=cuda"),
    ):
        done = person.mesh(*args)
        assert done.returncode == 0, done.stderr

    answer = person.mesh("endpoint", "invoke", "-n", "softmax", "--request-file", "request.json")
    while (instance := shown(person)).get("gpu") is None:  # at most two beats
        pass
    metrics = httpx.get(instance["metrics_url"]).text

    thirds = json.loads(answer.stdout)["outputs"][0]["data"]
    assert thirds == pytest.approx([1 / 3] * 6)
    assert instance["gpu"]["uuid"] in [gpu.uuid for gpu in gpus().found]
    assert "mesh_gpu_memory_bytes" in metrics
