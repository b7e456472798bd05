"""Folders and files become tars that depend on names and content alone, and come back the same."""

import os
import socket
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.artifacts import pack, unpack
from mesh.artifacts.pack import digest_of
from mesh.errors import ProtocolError, SpecError
from mesh.records import Artifact


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder called `model` with a nested file in it."""
    folder = tmp_path / "one" / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "weights.bin").write_bytes(b"\1\2\3")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder to pack into."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def names(work: Path, source: Path) -> list[str]:
    with tarfile.open(pack(source, work).file) as tar:
        return tar.getnames()


def test_a_folder_comes_back_the_same(source: Path, work: Path, tmp_path: Path):
    """Content, structure, executable bits and inner links; under the folder's own name."""
    (source / "latest").symlink_to("deep/weights.bin")
    packed = pack(source, work)

    unpack(packed.file, packed.artifact, tmp_path / "out")

    out = tmp_path / "out" / "model"
    assert packed.artifact.entry == "model"
    assert (packed.artifact.files, packed.artifact.size_bytes) == (2, 13)
    assert (out / "latest").read_bytes() == b"\1\2\3"
    assert os.readlink(out / "latest") == "deep/weights.bin"
    assert [os.access(out / name, os.X_OK) for name in ("run.sh", "deep/weights.bin")] == [
        True,
        False,
    ]


def test_a_file_is_packed_under_its_name(source: Path, work: Path, tmp_path: Path):
    """A model may be a single file: it lies in the folder that the script is given."""
    packed = pack(source / "deep" / "weights.bin", work)

    unpack(packed.file, packed.artifact, tmp_path / "out")

    assert packed.artifact.entry == "weights.bin"
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"\1\2\3"


def test_the_digest_is_that_of_names_and_content(source: Path, work: Path, tmp_path: Path):
    """Times, owners and other permission bits do not count; content does."""
    first = pack(source, work).artifact
    os.utime(source / "run.sh", (1, 1))
    (source / "run.sh").chmod(0o700)
    again = pack(source, work)

    assert again.artifact == first
    assert first.digest == digest_of(again.file)
    (source / "run.sh").write_text("#!/bin/zz\n")
    assert pack(source, work).artifact.digest != first.digest


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        pytest.param({}, {"keep.py", "a.log", "deep/b.log"}, id="nothing"),
        pytest.param({".gitignore": "*.log"}, {"keep.py", ".gitignore"}, id="gitignore"),
        pytest.param(
            {".amlignore": "deep/", ".gitignore": "*"},
            {"keep.py", "a.log", ".gitignore"},
            id="amlignore-wins",
        ),
        pytest.param(
            {".gitignore": "*.log\n!a.log\n# x\n"}, {"keep.py", "a.log", ".gitignore"}, id="not"
        ),
    ],
)
def test_ignored_files_are_left_out(
    tmp_path: Path, work: Path, ignore: dict[str, str], expected: set[str]
):
    """Caches and git never go along; `.amlignore` counts, else `.gitignore`."""
    source = tmp_path / "src"
    for name in ("keep.py", "a.log", "deep/b.log", "__pycache__/k.pyc", ".git/HEAD"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    for name, text in ignore.items():
        (source / name).write_text(text)

    packed = {name.removeprefix("src/") for name in names(work, source)} - {"src", "deep"}

    assert packed == expected


def break_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s"))


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        pytest.param(lambda f: (f / "x").symlink_to("/etc/passwd"), "leads out of", id="absolute"),
        pytest.param(lambda f: (f / "x").symlink_to("../../y"), "leads out of", id="up"),
        pytest.param(lambda f: os.mkfifo(f / "x"), "is neither a file", id="fifo"),
        pytest.param(break_socket, "is neither a file", id="socket"),
        pytest.param(lambda f: (f / "\udcff").touch(), "must be UTF-8", id="name"),
    ],
)
def test_what_cannot_travel_is_refused(source: Path, work: Path, break_it, expected: str):
    """Links that lead out of the folder, and what is no file."""
    break_it(source)

    with pytest.raises(SpecError, match=expected):
        pack(source, work)


def test_nothing_cannot_be_packed(tmp_path: Path, work: Path):
    """No such path, and an empty folder."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(SpecError, match=r"none: cannot be packed: No such file"):
        pack(tmp_path / "none", work)
    with pytest.raises(SpecError, match="there is nothing in it to pack"):
        pack(tmp_path / "empty", work)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member("../x")], id="up"),
        pytest.param([member("/x")], id="absolute"),
        pytest.param([member("a/../../x")], id="inner-up"),
        pytest.param([member("a", tarfile.SYMTYPE, "/etc")], id="absolute-link"),
        pytest.param([member("a", tarfile.SYMTYPE, "../..")], id="link-up"),
        pytest.param(
            [
                member("p", tarfile.DIRTYPE),
                member("p/d", tarfile.SYMTYPE, ".."),
                member("e", tarfile.SYMTYPE, "p/d/../x"),
            ],
            id="link-through-link",
        ),
        pytest.param([member("a", tarfile.SYMTYPE, ".."), member("a/x")], id="through-link"),
        pytest.param([member("a", tarfile.LNKTYPE, "/etc/passwd")], id="hard-link"),
        pytest.param([member("a", tarfile.CHRTYPE)], id="device"),
        pytest.param([member("a"), member("a")], id="twice"),
        pytest.param([], id="less-than-told"),
    ],
)
def test_a_hostile_artifact_is_refused(tmp_path: Path, members: list[tarfile.TarInfo]):
    """Nothing is written outside the folder, whatever the tar says."""
    with tarfile.open(tmp_path / "tar", "w") as tar:
        for info in members:
            tar.addfile(info)
    told = Artifact(digest="d", size_bytes=0, files=1)
    (tmp_path / "cache").mkdir()

    with pytest.raises(ProtocolError):
        unpack(tmp_path / "tar", told, tmp_path / "cache" / "out")

    assert not list(tmp_path.rglob("x"))


def test_an_artifact_larger_than_told_is_refused(source: Path, work: Path, tmp_path: Path):
    """It is not written to the end."""
    packed = pack(source, work)
    told = Artifact(digest=packed.artifact.digest, size_bytes=5, files=2)

    with pytest.raises(ProtocolError, match="larger than it says"):
        unpack(packed.file, told, tmp_path / "out")


@given(st.binary(max_size=2000))
def test_garbage_is_never_anything_but_a_protocol_error(tmp_path_factory, garbage: bytes):
    """Whatever the bytes."""
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "tar").write_bytes(garbage)

    with pytest.raises(ProtocolError):
        unpack(folder / "tar", Artifact(digest="d", size_bytes=9, files=1), folder / "out")
