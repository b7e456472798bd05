"""Log lines: one form for every program."""

import logging
import os
import re
import subprocess
import sys

from mesh.loglines import LineFormatter

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+) (\w+)\[(\d+)\] (.*)")


def record(text, *args, **fields):
    """A log record."""
    made = logging.LogRecord("mesh.test", logging.WARNING, "f.py", 1, text, args, None)
    vars(made).update(fields)
    return made


def test_a_record_is_one_line_of_words_and_fields():
    """Time, level, program, message, then what came as extra."""
    line = LineFormatter("gateway").format(record("bus.away url=%s", "here", elapsed_s=0.5))

    level, program, pid, rest = LINE.fullmatch(line).groups()
    assert (level, program, int(pid)) == ("WARNING", "gateway", os.getpid())
    assert rest == "bus.away url=here elapsed_s=0.5"


def test_a_message_cannot_forge_a_line():
    """What others wrote into a message stays on its line."""
    line = LineFormatter("gateway").format(record("said %s", "a\n2026 INFO b"))

    assert LINE.fullmatch(line)


def test_a_traceback_follows_indented():
    """It is there, and cannot be taken for lines of the log."""
    made = record("it broke")
    try:
        raise ValueError("deep")
    except ValueError:
        made.exc_info = sys.exc_info()

    first, *trace = LineFormatter("gateway").format(made).splitlines()

    assert LINE.fullmatch(first)
    assert trace[-1] == "    ValueError: deep"
    assert all(row.startswith("    ") for row in trace)


def test_urls_that_are_called_are_not_told():
    """A webhook's URL may hold a secret."""
    script = (
        "import logging; from mesh.loglines import set_up; set_up('gateway', 'debug')\n"
        "for name in ('httpx', 'gateway'): logging.getLogger(name).info('POST http://a/?token=b')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stderr.count("token") == 1
