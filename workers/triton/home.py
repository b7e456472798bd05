"""The home of the Python that runs a server's models: a virtual environment without packages.

It holds nothing but where the packages are. From Python 3.11 on the python backend is isolated: it
ignores PYTHONPATH, but it is at home where the first `python3` on PATH is. Ring: adapter.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

NAME_CHARS: Final = 16
ADD: Final = "import site; site.addsitedir({!r})\n"


class Interpreter(NamedTuple):
    """A Python, as far as its packages are to be found by another program.

    `program` is its binary, not that of a virtual environment; `packages` are the folders it
    installs into.
    """

    version: tuple[int, int]
    library_dir: str
    packages: list[str]
    numpy: str
    program: str


def make_home(interpreter: Interpreter, path: str, folder: Path) -> Path:
    """Make the home, whole or not at all, if it is not there; return it.

    Args:
        interpreter: whose binary and packages it has.
        path: a PYTHONPATH whose folders come before these packages.
        folder: where to put it.
    """
    minor = ".".join(map(str, interpreter.version))
    program = Path(interpreter.program)
    config = f"home = {program.parent}\ninclude-system-site-packages = false\n"
    places = "".join(f"{place}\n" for place in path.split(os.pathsep) if place)
    places += "".join(map(ADD.format, interpreter.packages))
    digest = hashlib.sha256(f"{program} {config} {places}".encode()).hexdigest()[:NAME_CHARS]
    home = folder / f"python{minor}-{digest}"
    if home.is_dir():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder))
    packages = fresh / "lib" / f"python{minor}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "models.pth").write_text(places)
    (fresh / "pyvenv.cfg").write_text(config)
    (fresh / "bin").mkdir()
    (fresh / "bin" / "python3").symlink_to(program)
    try:
        fresh.rename(home)
    except OSError:  # another instance was faster
        shutil.rmtree(fresh)
    return home
