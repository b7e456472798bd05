"""Traces in files: one's own, and those that come with the mesh. Ring: adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mesh.errors import SpecError
from mesh.scaling.simulation.trace import Trace, read_trace

LARGEST_FILE_BYTES: Final = 64 << 20


def folder() -> Path:
    """Return where the shipped traces are: in the package once installed, else in the tree."""
    here = Path(__file__).resolve().parents[2]
    packaged = here / "configs" / "traces"
    return packaged if packaged.exists() else here.parent / "configs" / "traces"


def shipped_names() -> list[str]:
    """Return the names of the shipped traces."""
    return sorted(path.stem for path in folder().glob("*.csv"))


def load_trace(named: str) -> Trace:
    """Load a shipped trace by its name, or one's own by its path.

    Raises:
        SpecError: it cannot be read, or is not a trace.
    """
    if named in shipped_names():
        return _load(folder() / f"{named}.csv")
    path = Path(named)
    if not path.exists():
        names = ", ".join(shipped_names())
        raise SpecError(f"{named}: there is no such file, and no shipped trace: they are {names}")
    return _load(path)


def _load(path: Path) -> Trace:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as exc:
        raise SpecError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    if len(data) > LARGEST_FILE_BYTES:
        raise SpecError(f"{path}: must be at most {LARGEST_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise SpecError(f"{path}:{line}: is not UTF-8") from exc
    return read_trace(text, path.stem, str(path))
