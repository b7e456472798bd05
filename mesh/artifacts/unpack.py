"""Unpack an artifact, trusting nothing in it: no entry, link or count leads outside or too far.

Ring: adapter (writes files).
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from mesh.errors import MeshError, ProtocolError, translate
from mesh.records import Artifact

# What a bad tar makes the file system say; a full disk is nobody's bad tar.
FOREIGN: Final[dict[type[BaseException], type[MeshError]]] = {
    tarfile.TarError: ProtocolError,
    FileExistsError: ProtocolError,
    FileNotFoundError: ProtocolError,
    IsADirectoryError: ProtocolError,
    NotADirectoryError: ProtocolError,
    OSError: MeshError,
}


def unpack(file: Path, artifact: Artifact, target: Path) -> None:
    """Unpack a tar into the new folder `target`.

    Links are made when everything else is written, so that nothing is written through one.

    Raises:
        ProtocolError: it is no tar, holds what `pack` never makes, or is not what `artifact` says.
        MeshError: it cannot be written.
    """
    target.mkdir()
    links: list[tuple[Path, str]] = []
    files = size_bytes = 0
    with translate(FOREIGN):
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                path = _place(member, target)
                if member.issym():
                    links.append((path, member.linkname))
                    continue
                files += member.isreg()
                size_bytes += member.size
                if size_bytes > artifact.size_bytes:
                    raise ProtocolError(f"artifact {artifact.digest} is larger than it says")
                _write(tar, member, path)
        for path, link in links:
            path.symlink_to(link)
    _refuse_escapes([path for path, _ in links], target)
    if (files, size_bytes) != (artifact.files, artifact.size_bytes):
        raise ProtocolError(f"artifact {artifact.digest} is not what it says")


def _place(member: tarfile.TarInfo, target: Path) -> Path:
    parts = PurePosixPath(member.name).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ProtocolError(f"artifact entry {member.name!r} leads outside")
    return target.joinpath(*parts)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir()
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ProtocolError(f"artifact entry {member.name!r} is neither file, folder nor link")
    with content, path.open("xb") as out:
        shutil.copyfileobj(content, out, 1 << 20)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _refuse_escapes(links: list[Path], target: Path) -> None:
    """Refuse links that lead outside, through each other too."""
    root = os.path.realpath(target)
    for link in links:
        if not Path(os.path.realpath(link)).is_relative_to(root):
            raise ProtocolError(f"artifact link {link.name!r} leads outside")
