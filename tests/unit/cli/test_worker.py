"""`mesh worker run`: who it is at the broker, before anything is started."""

import pytest
from click.testing import CliRunner

from mesh.cli import worker
from mesh.errors import SpecError

RUN = ["run", "-e", "iris", "-n", "blue", "--user", "worker"]
PASSWORDS = {"NATS_USER": "me", "NATS_PASSWORD": "mine", "MESH_NATS_PASSWORD": "theirs"}


@pytest.fixture
def program(monkeypatch):
    """The environment that the program would have got."""
    environs = []
    monkeypatch.setattr(worker.os, "execve", lambda *given: environs.append(given[2]))
    for name in ("NATS_URL", "MESH_NATS_USER", *PASSWORDS):
        monkeypatch.delenv(name, raising=False)
    return environs


def test_the_mesh_s_own_password_goes_first(program):
    """`MESH_NATS_PASSWORD` is the named user's, whoever `NATS_USER` is."""
    given = [*RUN, "--nats", "nats://127.0.0.1:4222"]

    CliRunner().invoke(worker.worker, given, env=PASSWORDS, catch_exceptions=False)

    assert (program[0]["MESH_NATS_USER"], program[0]["MESH_NATS_PASSWORD"]) == ("worker", "theirs")


def test_a_user_is_refused_where_the_folder_says_who(program, tmp_path):
    """A name that would not be used is an error."""
    given = [*RUN, "--state-dir", str(tmp_path)]

    with pytest.raises(SpecError, match="--user: with --nats"):
        CliRunner().invoke(worker.worker, given, catch_exceptions=False)

    assert program == []
