"""How the runner starts under an interpreter that is not ours."""

import subprocess
import sys
from pathlib import Path

import workers.runner

RUNNER = Path(workers.runner.__file__).parent
OLD = """
import runpy, sys
sys.version_info, sys.version = (3, 6), "3.6.9 (old)"
runpy.run_path({!r})
"""


def test_an_interpreter_that_is_too_old_is_told_by_its_version():
    """Its own errors, of a module or a syntax it lacks, would say nothing to a person."""
    command = [sys.executable, "-c", OLD.format(str(RUNNER))]

    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)

    assert ended.returncode == 1
    assert ended.stderr == "scoring scripts need Python 3.8 or newer, this is 3.6.9\n"
