"""Records in files that several processes read. Ring: adapter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec


def write_record(path: Path, record: Any, *, mode: int = 0o644) -> None:
    """Replace a JSON file in one step: readers see the old one or the new one, whole.

    Args:
        path: the file.
        record: what to encode; bytes are JSON already.
        mode: the permissions of the file.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    data = record if isinstance(record, bytes) else msgspec.json.encode(record)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    partial.replace(path)
