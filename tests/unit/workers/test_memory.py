"""How much memory an instance may have."""

import psutil
import pytest

from workers.memory import memory_limit_bytes

HOST = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("above", "own", "limit"),
    [("max", "4096", 4096), ("2048", "4096", 2048), ("max", "max", HOST)],
    ids=["its own", "that above it", "none"],
)
def test_the_least_limit_of_its_cgroups_holds(tmp_path, above, own, limit):
    """A group has no more than those above it."""
    group = tmp_path / "up" / "mine"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{own}\n")
    (group.parent / "memory.max").write_text(f"{above}\n")
    (tmp_path / "cgroup").write_text("4:memory:/other\n0::/up/mine\n")

    assert memory_limit_bytes(tmp_path / "cgroup", tmp_path) == limit


def test_without_cgroups_it_is_the_machine(tmp_path):
    """Neither file is there."""
    assert memory_limit_bytes(tmp_path / "none", tmp_path) == HOST
