"""The state folder: one holder, records, and who is still there."""

import os

import pytest

from mesh.embedded.folder import BrokerRecord, MeshRecord, ProgramView, StateFolder
from mesh.errors import SpecError
from mesh.jsonfile import write_record
from mesh.process import Identity
from mesh.settings import NatsUser


@pytest.fixture
def folder(tmp_path):
    """A prepared state folder."""
    folder = StateFolder(tmp_path / "state")
    folder.prepare()
    return folder


def test_one_holds_it(folder):
    """The second one is told, and it is free again when the first has left."""
    with folder.lock() as first, folder.lock() as second:
        assert (first, second) == (True, False)
        assert folder.is_held()
    assert not folder.is_held()


def test_a_folder_that_is_not_there_is_not_held(tmp_path):
    """Looking at it creates nothing."""
    assert not StateFolder(tmp_path / "none").is_held()
    assert not (tmp_path / "none").exists()


def test_only_the_owner_may_look_in(folder):
    """Requests, models and passwords lie there."""
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_records_that_cannot_be_read_are_none(folder):
    """Absent, cut off or of another version: all the same."""
    (folder.run / "mesh.json").write_text('{"pid": ')

    assert folder.mesh() is None
    assert folder.read("nats", BrokerRecord) is None


def test_what_still_runs_is_found_by_the_records(folder):
    """Programs and workers of a `mesh up` that was killed; those that ended are not named."""
    me = Identity.of(os.getpid())
    gone = {"pid": 1 << 22, "create_time": 1.0}
    view = ProgramView(name="scaler", state="up", pid=me.pid, create_time=me.create_time)
    folder.write("mesh", MeshRecord(
        **gone, nats_url="", embedded=True, programs=[view]
    ))  # fmt: skip
    write_record(folder.workers / "e.d.1.json", {**gone, "generation": 1})
    write_record(folder.workers / "e.d.2.json", {"pid": me.pid, "create_time": me.create_time})

    assert [one.pid for one in folder.leftovers()] == [me.pid, me.pid]


def test_a_role_signs_in_with_its_own_password(folder):
    """A role without a user signs in with what the address says."""
    record = BrokerRecord(url="nats://h:1", users={"worker": NatsUser(user="w", password="p")})
    folder.write("nats", record)

    read = folder.read("nats", BrokerRecord)

    assert (read.access("worker").user, read.access("gateway").user) == ("w", "")


def test_a_folder_that_cannot_be_used_is_a_setting_to_change(tmp_path):
    """It is named with the reason, not shown as a bug."""
    (tmp_path / "file").touch()

    with pytest.raises(SpecError, match=r"state_dir: '.*file/state': cannot be used: .*: Not a"):
        StateFolder(tmp_path / "file" / "state").prepare()
