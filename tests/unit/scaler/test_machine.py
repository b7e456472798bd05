"""What this machine has for instances."""

import pytest

from scaler.launchers.machine import own_memory_bytes

TOTAL = 8 << 30


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.max", "1073741824\n", 1 << 30),
        ("memory.max", "max\n", TOTAL),
        ("memory/memory.limit_in_bytes", "2147483648\n", 2 << 30),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", TOTAL),
    ],
)
def test_in_a_container_its_memory_is_that_of_the_machine(tmp_path, name, text, expected):
    """By either kind of cgroups; a limit beyond the machine is none."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    assert own_memory_bytes(TOTAL, tmp_path) == expected


def test_without_a_container_all_memory_is_there(tmp_path):
    """The root of cgroup v2 has no limit."""
    assert own_memory_bytes(TOTAL, tmp_path) == TOTAL
