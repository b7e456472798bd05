"""The configuration of a server that is to be a mesh's broker."""

import json

import pytest
from click.testing import CliRunner

from mesh.cli import main
from mesh.embedded.broker import new_users
from mesh.embedded.configuration import server_configuration
from mesh.errors import SpecError
from mesh.settings import ROLES, NatsSettings, NatsUser


def variables():
    """A user per role, as `mesh nats config` wants them."""
    return {
        f"MESH_NATS__USERS__{role.upper()}__{key}": f"{role}-{key}"
        for role in ROLES
        for key in ("USER", "PASSWORD")
    }


def test_it_listens_on_the_usual_port():
    """A port of 0 is nothing that others could be told."""
    assert server_configuration(NatsSettings(), new_users(), "/data")["port"] == 4222


def test_a_role_without_a_user_is_refused():
    """The variables that are missing are named."""
    users = {role: user for role, user in new_users().items() if role != "worker"}

    with pytest.raises(SpecError, match=r"nats\.users\.worker: .*MESH_NATS__USERS__WORKER__USER"):
        server_configuration(NatsSettings(), users, "/data")


def test_roles_do_not_share_a_user():
    """The server would give both the permissions of one."""
    users = new_users() | {"worker": NatsUser(user="gateway", password="p")}

    with pytest.raises(SpecError, match="'gateway': stands for several roles"):
        server_configuration(NatsSettings(), users, "/data")


def test_the_command_writes_what_only_the_owner_may_read(tmp_path):
    """The file holds passwords; what it says is what `mesh up` would say."""
    path = tmp_path / "nats.conf"

    done = CliRunner(env=variables()).invoke(main, ["nats", "config", "--output", str(path)])

    assert (done.exit_code, done.output) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    users = json.loads(path.read_text())["authorization"]["users"]
    assert [user["user"] for user in users] == [f"{role}-USER" for role in ROLES]


def test_the_command_names_what_is_missing():
    """Without passwords there is no configuration."""
    done = CliRunner(env={"MESH_CONFIG": ""}).invoke(main, ["nats", "config"])

    assert done.exit_code == 2
    assert "MESH_NATS__USERS__GATEWAY__USER" in done.output
