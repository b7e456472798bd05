"""Finding the broker of the mesh that a person means."""

import pytest

from mesh.connect import broker_access
from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.errors import BusError
from mesh.settings import NatsUser


@pytest.fixture
def folder(tmp_path):
    """The state folder of a mesh that ran."""
    folder = StateFolder(tmp_path / "state")
    folder.prepare()
    admin = NatsUser(user="admin", password="p")
    folder.write("nats", BrokerRecord(url="nats://h:1", users={"admin": admin}))
    return folder


def test_a_running_mesh_is_found_by_its_folder(folder):
    """As the admin, with the admin's inbox; the folder given wins over NATS_URL."""
    environ = {"MESH_STATE_DIR": str(folder.path)}
    with folder.lock():
        given = broker_access(folder.path, environ={"NATS_URL": "nats://other"})

        assert broker_access(environ=environ) == given
    assert (given.url, given.user, given.password) == ("nats://h:1", "admin", "p")
    assert given.inbox_prefix == "_INBOX_admin"


def test_a_mesh_that_does_not_run_is_said(folder, tmp_path):
    """With what to do about it."""
    for path in (folder.path, tmp_path / "none"):
        with pytest.raises(BusError, match=rf"no mesh is running on {path}: start one with"):
            broker_access(path)


def test_an_address_wins():
    """Of a mesh elsewhere: from the call, else the environment."""
    environ = {"NATS_URL": "nats://env", "NATS_USER": "u", "NATS_PASSWORD": "p"}

    assert broker_access(nats_url="nats://call", environ=environ).url == "nats://call"
    access = broker_access(environ=environ)
    assert (access.url, access.user, access.password) == ("nats://env", "u", "p")
