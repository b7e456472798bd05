"""Runners under every interpreter that a deployment may bring, as far as this machine has it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interpreters import VERSIONS, find_python
from tests.runners import Stage


@pytest.fixture(params=VERSIONS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage under one Python version."""
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} here: the runner is unproven under it")
    stage = Stage(tmp_path, python)
    yield stage
    await stage.close()
