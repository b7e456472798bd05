"""The settings of a program: of `mesh up`, or of its own environment."""

import pytest

from mesh.errors import SpecError
from mesh.program import program_settings
from mesh.settings import load_settings


def test_a_file_is_all_there_is(tmp_path):
    """What `mesh up` resolved is not resolved again by the program."""
    settings = load_settings(environ={}, flags={"state_dir": str(tmp_path), "gateway.port": 1})
    (tmp_path / "settings.json").write_bytes(settings.to_json())

    read = program_settings(str(tmp_path / "settings.json"), {"MESH_GATEWAY__PORT": "2"})

    assert read == settings


def test_without_a_file_the_environment_says_it():
    """A program in a container needs its variables and nothing else."""
    gateway = {"MESH_NATS__USERS__GATEWAY__USER": "g", "MESH_NATS__USERS__GATEWAY__PASSWORD": "p"}
    everybody = {"NATS_URL": "nats://h:1", "NATS_USER": "all"}

    settings = program_settings(environ=everybody | gateway | {"MESH_GATEWAY__PORT": "2"})

    assert (settings.nats.url, settings.gateway.port) == ("nats://h:1", 2)
    assert settings.access("gateway").user == "g"
    assert settings.access("worker").user == "all"


def test_a_program_alone_needs_a_broker():
    """It starts none: no address is a mistake, named by its variable."""
    with pytest.raises(SpecError, match=r"nats\.url \(NATS_URL\): is needed"):
        program_settings(environ={})
