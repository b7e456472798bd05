"""Virtual environments of the peers, from locked requirements with hashes. Ring: adapter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ServerError

HERE = Path(__file__).parent


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, making it if its lock has changed.

    Raises:
        ServerError: it cannot be installed on this machine.
    """
    home = HERE / ".venvs" / peer
    lock = HERE / "requirements" / f"{peer}.txt"
    stamp = home / "installed.txt"
    python = home / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        print(f"bench: installing {peer} into {home.relative_to(HERE.parent)}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock))
        stamp.write_text(lock.read_text())
    return python


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(words)}: {done.stderr.strip()[-500:]}")
