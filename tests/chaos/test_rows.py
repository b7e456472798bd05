"""What `make chaos` runs: every row is as promised."""

import pytest

from tests.chaos import trial
from tests.chaos.load import Plan
from tests.chaos.rows import ROWS
from tests.chaos.troubles import CannotError

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_row_is_as_promised(row, tmp_path):
    """Nothing lost, answered twice or run in vain; no error but those the row may have."""
    try:
        report = await trial.run(row, Plan(seconds=5.0), tmp_path / row.name)
    except CannotError as exc:
        pytest.skip(str(exc))

    assert report.objections == [], report
