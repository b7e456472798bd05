"""When a broker that met a full disk is started again."""

import shutil

import pytest

from mesh.embedded import relief
from mesh.embedded.relief import DiskWatch

LINE = "[ERR] JetStream failed to store a msg: write 1.blk: no space left on device\n"


@pytest.fixture
def log_file(tmp_path):
    """A server's log in which an old complaint stands."""
    path = tmp_path / "nats-server.log"
    path.write_text(LINE)
    return path


@pytest.fixture
def watch(log_file, tmp_path):
    """A watch on a disk that has room."""
    return DiskWatch(log_file, tmp_path)


def complain(log_file):
    """Let the server write that it found no space."""
    with log_file.open("a") as file:
        file.write(LINE)


def test_a_complaint_restarts_it_once(watch, log_file):
    """What was logged before is of an earlier server."""
    assert not watch.must_restart()

    complain(log_file)

    assert [watch.must_restart(), watch.must_restart()] == [True, False]


def test_a_full_disk_is_waited_for(watch, log_file, monkeypatch):
    """As long as there is no room a new server would fare no better."""
    complain(log_file)
    monkeypatch.setattr(relief, "ROOM_BYTES", shutil.disk_usage("/").total * 2)
    assert not watch.must_restart()

    monkeypatch.setattr(relief, "ROOM_BYTES", 1)

    assert watch.must_restart()


def test_a_log_that_was_set_aside_is_read_anew(watch, log_file):
    """It is shorter then than what was read."""
    log_file.write_text("")
    assert not watch.must_restart()

    complain(log_file)

    assert watch.must_restart()
