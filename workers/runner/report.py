"""What the script's author reads in the log when a request went wrong. Ring: adapter."""

from __future__ import annotations

import sys

from .adapt import Refusal
from .script import describe


def report(error: BaseException) -> None:
    """Write the traceback of an error to the console, in the name of the current request."""
    cause = error.__cause__ if isinstance(error, Refusal) else error
    if cause is None:
        return
    text = describe(cause)
    if isinstance(error, Refusal):
        text = "The result of run() cannot be sent: " + text
    sys.stderr.write(text + "\n")
