"""Options that several commands share."""

import re
from pathlib import Path

import pytest

from mesh.cli.exits import MEANINGS, DeploymentFailedError, exit_code
from mesh.cli.options import repeat_lists
from mesh.errors import (
    BusTimeoutError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    MeshError,
    NotFoundError,
    SpecError,
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        pytest.param(["--set", "a=1", "b=2"], ["--set", "a=1", "--set", "b=2"], id="two values"),
        pytest.param(
            ["--set", "a=1", "-n", "b=2"], ["--set", "a=1", "-n", "b=2"], id="next option"
        ),
        pytest.param(
            ["--traffic", "blue=90", "green=10", "--yes"],
            ["--traffic", "blue=90", "--traffic", "green=10", "--yes"],
            id="traffic",
        ),
        pytest.param(["-n", "iris", "a=1"], ["-n", "iris", "a=1"], id="not a list"),
        pytest.param(["--set", "a=1", "stray"], ["--set", "a=1", "stray"], id="stray argument"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_list_options_take_several_values(given, meant):
    """`--set a=1 b=2` means `--set a=1 --set b=2`, as with az."""
    assert repeat_lists(given) == meant


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("x"), 2),
        (ForbiddenError("x"), 2),
        (BusTimeoutError("x"), 3),
        (NotFoundError("x"), 4),
        (ConflictError("x"), 5),
        (DeploymentFailedError("x"), 6),
        (DeadlineExceededError("x"), 7),
        (MeshError("x"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, code):
    """Scripts tell what went wrong by the exit code alone, and every code is explained."""
    assert exit_code(error) == code
    assert code in MEANINGS


def test_the_page_tells_every_exit_code():
    """docs/cli.md has the same table as `mesh --help`."""
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")

    told = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE))

    assert {int(code): text.replace("`", "") for code, text in told.items()} == MEANINGS
