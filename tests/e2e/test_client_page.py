"""docs/client.md is true: each of its examples is run, and its program is the one there is."""

import re

import pytest

from tests.e2e.person import ROOT
from tests.e2e.walkthrough import complaints, read_blocks, run_block

PAGE = ROOT / "docs" / "client.md"


@pytest.mark.timeout(240)
def test_every_example_of_the_page_holds(reader):
    """Commands run one after another as they stand; the lines shown are in their output."""
    folder, environ = reader
    for steps in read_blocks(PAGE):
        assert complaints(steps, run_block(steps, folder, environ)) == []


def test_the_program_shown_is_the_program_run():
    """What stands on the page is the file of the example."""
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    assert shown == [(ROOT / "examples" / "iris" / "client.py").read_text()]
