"""A deployment of a Triton model repository: what it must hold, and what it must not."""

from pathlib import Path

import pytest

from mesh.errors import SpecError
from mesh.spec.load import load_deployment
from mesh.spec.repository import models_in

GREEN = """\
name: green
endpoint_name: iris
model:
  path: models
  type: triton_model
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a repository of one model."""
    (tmp_path / "models" / "iris" / "1").mkdir(parents=True)
    (tmp_path / "models" / "notes").mkdir()
    return tmp_path


def load(folder: Path, text: str):
    path = folder / "file.yml"
    path.write_text(text)
    return load_deployment(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as refused:
        load(folder, text)
    return str(refused.value).replace(f"{folder}/", "")


def test_a_repository_is_all_it_needs(folder: Path):
    """No code, no warnings; callers speak the v2 protocol with it."""
    loaded = load(folder, GREEN)

    assert loaded.warnings == []
    assert loaded.spec.speaks_v2
    assert models_in(folder / "models") == ["iris"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param(
            "code_configuration: {code: ., scoring_script: a.py}",
            "file.yml:6: code_configuration: a mapping: must be left out",
            id="code",
        ),
        pytest.param(
            "environment_variables: {WORKER_COUNT: 2}",
            "file.yml:6: environment_variables.WORKER_COUNT: '2': is for scoring scripts",
            id="worker-count",
        ),
        pytest.param(
            "mesh: {read_headers: true}",
            "file.yml:6: mesh.read_headers: true: is for scoring scripts",
            id="headers",
        ),
        pytest.param(
            "mesh: {triton: {url: 'http://host/v2'}}",
            "file.yml:6: mesh.triton.url: 'http://host/v2': must be the gRPC address",
            id="url",
        ),
        pytest.param(
            "mesh: {python: python3, triton: {url: 'host:8001'}}",
            "file.yml:6: mesh.python: 'python3': is for a server that the mesh starts",
            id="attached-python",
        ),
        pytest.param(
            "mesh: {device: cuda, triton: {url: 'host:8001'}}",
            "file.yml:6: mesh.device: 'cuda': is for a server that the mesh starts",
            id="attached-device",
        ),
        pytest.param(
            "environment_variables: {A: b}\nmesh: {triton: {url: 'host:8001'}}",
            "file.yml:6: environment_variables: 'A': are for a server that the mesh starts",
            id="attached-variables",
        ),
    ],
)
def test_what_means_nothing_to_triton_is_refused(folder: Path, more: str, expected: str):
    """A key that would do nothing is an error, not silence."""
    assert refusal(folder, GREEN + more).startswith(expected)


def test_a_url_is_for_triton_only(folder: Path):
    """A script has no Triton server to attach to."""
    text = GREEN.replace("triton_model", "custom_model")
    code = "code_configuration: {code: ., scoring_script: file.yml.py}\n"
    (folder / "file.yml.py").touch()

    assert "mesh.triton.url: 'a:1': is for model.type triton_model" in refusal(
        folder, text + code + "mesh: {triton: {url: 'a:1'}}"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("models/iris", "is no Triton model repository", id="a-model"),
        pytest.param("models/notes", "is no Triton model repository", id="empty"),
        pytest.param("file.yml", "must be a folder", id="a-file"),
        pytest.param("gone", "there is no such file or folder", id="gone"),
    ],
)
def test_the_path_must_be_a_repository(folder: Path, path: str, expected: str):
    """At least one folder of a model with a numbered version in it."""
    text = GREEN.replace("path: models", f"path: {path}")

    assert refusal(folder, text).startswith(f"file.yml:4: model.path: '{path}': {expected}")
