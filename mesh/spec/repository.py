"""A Triton model repository as a folder. Ring: adapter (looks at the file system)."""

from __future__ import annotations

from pathlib import Path


def models_in(folder: Path) -> list[str]:
    """Return the models of a repository: its folders that hold a version, a folder with a number.

    Raises:
        OSError: it is no folder, or cannot be read.
    """
    return sorted(
        model.name
        for model in folder.iterdir()
        if model.is_dir() and any(_is_version(one) for one in model.iterdir())
    )


def _is_version(path: Path) -> bool:
    return path.is_dir() and path.name.isascii() and path.name.isdigit()


def repository_problem(path: str) -> str:
    """Say why a folder is no model repository; empty if it is one."""
    folder = Path(path)
    if not folder.is_dir():
        return "must be a folder, the model repository"
    if not models_in(folder):
        return "is no Triton model repository: expected at least one <model>/<version>/, as m/1/"
    return ""
