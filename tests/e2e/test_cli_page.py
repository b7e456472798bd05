"""docs/cli.md is true: each of its examples is run and prints what the page says."""

import pytest

from tests.e2e.person import ROOT
from tests.e2e.walkthrough import complaints, read_blocks, run_block


@pytest.mark.timeout(300)
def test_every_example_of_the_cli_page_holds(reader):
    """Commands run one after another as they stand; the lines shown are in their output."""
    folder, environ = reader
    for steps in read_blocks(ROOT / "docs" / "cli.md"):
        assert complaints(steps, run_block(steps, folder, environ)) == []
