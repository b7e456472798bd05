"""Records in files."""

from mesh.jsonfile import write_record


def test_a_record_is_replaced_whole(tmp_path):
    """No reader ever sees half of it, and no other file is left."""
    path = tmp_path / "a.json"
    write_record(path, {"a": 1}, mode=0o600)
    write_record(path, b"{}", mode=0o600)

    assert path.read_bytes() == b"{}"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert path.stat().st_mode & 0o777 == 0o600
