"""Pack a folder or a file into a tar whose bytes depend on nothing but names and content.

Sorted names, no times, no owners: the same folder gives the same digest on every machine. The tar
holds one entry, named like the folder or file. Ring: adapter (reads files).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import msgspec
import pathspec

from mesh.errors import SpecError
from mesh.records import Artifact

IGNORE_FILES: Final = (".amlignore", ".gitignore")
NEVER_PACKED: Final = ("__pycache__/", ".git", ".amlignore")
EXECUTABLE: Final = 0o755
PLAIN: Final = 0o644


class Packed(msgspec.Struct, frozen=True):
    """An artifact and the local file that holds its tar."""

    artifact: Artifact
    file: Path


def pack(path: Path, workspace: Path) -> Packed:
    """Pack a folder or a file into a tar in the folder `workspace`.

    What `.amlignore` (or, without one, `.gitignore`) at the top of the folder names is left out,
    and so are `__pycache__` and `.git`. Links are kept if they stay inside the folder.

    Raises:
        SpecError: there is no such path or nothing in it, it cannot be read, it holds something
            that is neither file, folder nor link, or a link leads out of it.
    """
    source = Path(os.path.abspath(path))
    try:
        members = list(_members(source))
        target = workspace / "artifact.tar"
        artifact = _write(target, source.name or "content", members)
    except OSError as exc:
        raise SpecError(f"{path}: cannot be packed: {exc.strerror or exc}") from exc
    return Packed(artifact, target)


def digest_of(file: Path) -> str:
    """The digest of a tar, by which its artifact is known."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class _Member(msgspec.Struct, frozen=True):
    """One thing to pack: its path below the source ("" for the source itself), and its status."""

    relative: str
    path: Path
    status: os.stat_result


def _write(target: Path, entry: str, members: list[_Member]) -> Artifact:
    size_bytes = files = 0
    with tarfile.open(target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            info = _header(entry, member)
            if info.isreg():
                size_bytes += info.size
                files += 1
                with member.path.open("rb") as content:
                    _add(tar, info, content, member.path)
            else:
                tar.addfile(info)
    return Artifact(digest=digest_of(target), size_bytes=size_bytes, files=files, entry=entry)


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, content: IO[bytes], path: Path) -> None:
    try:
        tar.addfile(info, content)
    except OSError as exc:
        if exc.errno is not None:
            raise
        raise SpecError(f"{path}: changed while it was packed; try again") from exc


def _header(entry: str, member: _Member) -> tarfile.TarInfo:
    info = tarfile.TarInfo("/".join(part for part in (entry, member.relative) if part))
    mode = member.status.st_mode
    if stat.S_ISDIR(mode):
        info.type, info.mode = tarfile.DIRTYPE, EXECUTABLE
    elif stat.S_ISLNK(mode):
        info.type, info.mode = tarfile.SYMTYPE, 0o777
        info.linkname = os.readlink(member.path)
    else:
        info.size = member.status.st_size
        info.mode = EXECUTABLE if mode & 0o111 else PLAIN
    return info


def _members(source: Path) -> Iterator[_Member]:
    status = source.stat()
    yield _Member("", source, status)
    if not stat.S_ISDIR(status.st_mode):
        _refuse_special(source, status)
        return
    is_empty = True
    for member in _walk(source, source, "", _ignored(source)):
        is_empty = False
        yield member
    if is_empty:
        raise SpecError(f"{source}: there is nothing in it to pack")


def _walk(
    folder: Path, root: Path, prefix: str, ignored: pathspec.GitIgnoreSpec
) -> Iterator[_Member]:
    for name in sorted(os.listdir(folder)):
        path, relative = folder / name, f"{prefix}{name}"
        _refuse_unwritable(path)
        status = path.lstat()
        is_folder = stat.S_ISDIR(status.st_mode)
        if ignored.match_file(f"{relative}/" if is_folder else relative):
            continue
        if stat.S_ISLNK(status.st_mode):
            _refuse_escape(path, root)
        elif not is_folder:
            _refuse_special(path, status)
        yield _Member(relative, path, status)
        if is_folder:
            yield from _walk(path, root, f"{relative}/", ignored)


def _ignored(source: Path) -> pathspec.GitIgnoreSpec:
    lines: list[str] = []
    for name in IGNORE_FILES:
        file = source / name
        if file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            break
    try:
        return pathspec.GitIgnoreSpec.from_lines([*lines, *NEVER_PACKED])
    except ValueError as exc:
        raise SpecError(f"{source}: cannot read its ignore file: {exc}") from exc


def _refuse_unwritable(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as exc:
        raise SpecError(f"{str(path)!r}: a file name must be UTF-8") from exc


def _refuse_special(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SpecError(f"{path}: is neither a file, a folder nor a link")


def _refuse_escape(path: Path, root: Path) -> None:
    """Refuse a link that is absolute or ends outside `root`."""
    text = os.readlink(path)
    inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
    if os.path.isabs(text) or not inside:
        raise SpecError(f"{path}: the link to {text} leads out of {root}")
