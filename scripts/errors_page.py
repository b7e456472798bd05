"""Write `docs/errors.md` from the tree of errors: `python scripts/errors_page.py`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from mesh.cli.exits import exit_code
from mesh.errors import MeshError
from mesh.statuses import STATUSES

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
PACKAGES = ("mesh", "gateway", "scaler", "workers")
HEAD = """# Errors

Every error the mesh raises on purpose, made from the classes by `make schema`. `code` is its name
on the wire, in metrics and in answers; the message is said when nothing more precise is known. The
status is that of a scoring request, the exit code that of the `mesh` command.

| error | code | status | exit code | message |
|---|---|---|---|---|
"""


def load_all() -> None:
    """Import every module, so that each knows its errors; those that are programs are left out."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if "__main__" not in module.name and not module.name.startswith("workers.runner"):
                importlib.import_module(module.name)


def tree(
    kind: type[MeshError] = MeshError, depth: int = 0
) -> Iterator[tuple[type[MeshError], int]]:
    """Yield each class and its depth, children below their parent, by name."""
    yield kind, depth
    for child in sorted(kind.__subclasses__(), key=lambda one: one.__name__):
        if child.__module__.startswith(PACKAGES):  # not one that a test made
            yield from tree(child, depth + 1)


def page() -> str:
    """Return the whole page."""
    load_all()
    rows = []
    for kind, depth in tree():
        message = (kind.__doc__ or "").strip().splitlines()[0]
        exit_ = exit_code(kind.__new__(kind))
        status = STATUSES.get(kind.code, "")
        name = f"{'&nbsp;&nbsp;' * depth}`{kind.__name__}`"
        rows.append(f"| {name} | `{kind.code}` | {status} | {exit_} | {message} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
