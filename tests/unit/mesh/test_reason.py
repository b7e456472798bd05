"""The one line that is shown of a long reason."""

import pytest

from mesh.reason import headline

CHAINED = """Traceback (most recent call last):
  File "score.py", line 3, in init
KeyError: 'weights'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "score.py", line 5, in init
    raise ValueError("no weights:\\nask the trainer")
ValueError: no weights:
ask the trainer
"""


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        pytest.param("", "", id="none"),
        pytest.param("score.py: no function run()\n", "score.py: no function run()", id="one line"),
        pytest.param(CHAINED, "ValueError: no weights:", id="the last error, its first line"),
        pytest.param(
            '  File "score.py", line 1\n    def init(:\n             ^\nSyntaxError: no\n',
            "SyntaxError: no",
            id="an error without frames",
        ),
        pytest.param(
            "the runner was ended by SIGSEGV\nFatal Python error\n  File x\n",
            "the runner was ended by SIGSEGV",
            id="what the mesh says, before last words",
        ),
        pytest.param("  indented", "indented", id="nothing but indented lines"),
    ],
)
def test_the_headline_says_what_is_wrong(reason, line):
    """Of a traceback the error itself, of anything else its first line."""
    assert headline(reason) == line
