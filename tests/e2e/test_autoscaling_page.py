"""docs/autoscaling.md is true: each of its examples is run as it stands."""

import pytest

from tests.e2e.person import ROOT
from tests.e2e.walkthrough import complaints, read_blocks, run_block

PAGE = ROOT / "docs" / "autoscaling.md"


@pytest.mark.timeout(120)
def test_every_example_of_the_page_holds(reader):
    """Commands run one after another as they stand; the lines shown are in their output."""
    folder, environ = reader
    for steps in read_blocks(PAGE):
        assert complaints(steps, run_block(steps, folder, environ)) == []
