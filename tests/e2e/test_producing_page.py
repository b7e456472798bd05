"""docs/producing.md is true: each of its examples is run, and its programs are those there are."""

import re

import pytest

from tests.e2e.person import ROOT
from tests.e2e.walkthrough import complaints, read_blocks, run_block

PAGE = ROOT / "docs" / "producing.md"


@pytest.mark.timeout(240)
def test_every_example_of_the_page_holds(reader):
    """Commands run one after another as they stand; the lines shown are in their output."""
    folder, environ = reader
    for steps in read_blocks(PAGE):
        assert complaints(steps, run_block(steps, folder, environ)) == []


def test_the_programs_shown_are_the_programs_run():
    """What stands on the page is the file of the example."""
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    files = [ROOT / "examples" / "iris" / name for name in ("produce.py", "bare.py")]
    assert shown == [file.read_text() for file in files]
