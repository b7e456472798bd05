"""The two size rules that ruff lacks: lines per module, lines per function body."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("mesh", "gateway", "workers", "scaler")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))

MOST_MODULE_LINES = 300
MOST_BODY_LINES = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(node: Function) -> int:
    """The lines of a function below its signature, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shape_holds(path: Path) -> None:
    """A module has at most 300 lines and a function body at most 40: beyond that, split."""
    text = path.read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]

    long = {node.name: n for node in functions if (n := body_lines(node)) > MOST_BODY_LINES}

    assert len(text.splitlines()) <= MOST_MODULE_LINES
    assert not long
