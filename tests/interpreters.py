"""The Python interpreters of this machine that a deployment could run under."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


def _candidates(version: str) -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    on_path = shutil.which(f"python{version}")
    return [sys.executable, *found, *([on_path] if on_path else [])]


def _version(python: str) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python, "-c", ask], capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return ""
    return answer.stdout.strip()  # a version manager's stand-in prints nothing


@cache
def find_python(version: str) -> str | None:
    """Return an interpreter of that version, None if this machine has none."""
    return next((path for path in _candidates(version) if _version(path) == version), None)


@cache
def has_module(python: str, name: str) -> bool:
    """Whether an interpreter finds a module."""
    ask = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    return subprocess.run([python, "-c", ask], timeout=10, check=False).returncode == 0
