"""Where the Python models of a Triton server find their packages."""

import asyncio
import subprocess
import sys
from pathlib import Path

from mesh.settings import WorkerSettings
from workers.triton.install import Models, find


def _where(path: str, folder: Path, module: str) -> str:
    """Ask as the python backend does, isolated, where a module is."""
    found = asyncio.run(find(WorkerSettings(), Models(path=path), folder))
    python = Path(found.paths["PATH"]) / "python3"
    code = f"import {module}; print({module}.__file__)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_models_have_the_packages_of_the_interpreter(tmp_path):
    """By default those that the mesh itself is installed beside."""
    assert Path(_where("", tmp_path, "numpy")).is_relative_to(sys.prefix)


def test_folders_of_pythonpath_come_first(tmp_path):
    """What a deployment brings hides what is installed."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "numpy.py").touch()

    where = _where(str(tmp_path / "own"), tmp_path / "homes", "numpy")

    assert where == str(tmp_path / "own" / "numpy.py")
