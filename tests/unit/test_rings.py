"""Each module says which ring it is in, and imports only what that ring may.

Values and decisions <- adapters <- services; import-linter holds the packages apart, this holds the
rings inside them.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RINGS = ("values", "decisions", "adapter", "service")
# Values may use decisions and adapters adapters: what matters is that none looks outwards.
DEPTH = {"values": 0, "decisions": 0, "adapter": 1, "service": 2}
# Where a value knows an adapter's type and no more.
ALLOWED = {
    "workers.work": {"workers.pull"},  # a delivery: the broker's message with its numbers read
}


def module_name(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def ring_of(tree: ast.Module) -> str | None:
    """What the docstring says; None for what wires and re-exports."""
    found = re.search(r"Ring: (\w+)", ast.get_docstring(tree) or "")
    return found.group(1) if found else None


def imports_of(tree: ast.Module) -> set[str]:
    """Every module, and every name that could be one, that the file imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8"))
    for package in ("mesh", "gateway", "workers", "scaler")
    for path in sorted((ROOT / package).rglob("*.py"))
}
RING_OF = {name: ring for name, tree in TREES.items() if (ring := ring_of(tree))}


@pytest.mark.parametrize("name", RING_OF)
def test_ring_looks_inwards_only(name: str) -> None:
    """Values and decisions import no adapter and no service, adapters no service."""
    assert RING_OF[name] in RINGS
    depth = DEPTH[RING_OF[name]]

    outward = {
        other
        for other in imports_of(TREES[name])
        if other in RING_OF and DEPTH[RING_OF[other]] > depth
    }

    assert outward <= ALLOWED.get(name, set())


def rows_of_the_page() -> list[tuple[str, int]]:
    """Each module that ARCHITECTURE.md names in its table of rings, and the column it stands in."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    found: list[tuple[str, int]] = []
    for row in re.findall(r"^\| `.* \|$", page, re.MULTILINE):
        for column, cell in enumerate(re.findall(r"`([^`]+)`", row)):
            package, _, names = cell.partition(".")
            found += [(f"{package}.{name}", column) for name in names.split()]
    return found


@pytest.mark.parametrize(("name", "column"), rows_of_the_page())
def test_the_page_knows_the_rings(name: str, column: int) -> None:
    """ARCHITECTURE.md names modules that there are, in the ring that each says it is in."""
    assert name in TREES
    assert DEPTH.get(RING_OF.get(name, ""), column) == column
