"""What `instance_type` may name: cores, memory, GPUs, price and family of each, from files.

The packaged `configs/instance-types.yaml`, and an operator's own file laid over it. Ring: values.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import yaml
from msgspec import Meta

from mesh.errors import SpecError
from mesh.settings import GIB, default_file

SHOWN: Final = 5

MOST: Final = 1e6  # of anything: more is a slip, and infinity is no number of bytes

Amount = Annotated[float, Meta(gt=0, le=MOST)]
Count = Annotated[float, Meta(ge=0, le=MOST)]


class InstanceType(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What an instance of this type is given.

    `gpus` is a whole number, or a fraction below 1 of one GPU; `gpu_memory_gib` the memory of each
    GPU, or of the fraction. `exempt`: quota reserves nothing for its updates.
    """

    cores: Amount
    memory_gib: Amount
    gpus: Count = 0
    gpu_memory_gib: Count = 0
    price_per_hour: Count | None = None
    family: str = ""
    exempt: bool = False

    @property
    def memory_bytes(self) -> int:
        """Its memory."""
        return int(self.memory_gib * GIB)

    @property
    def gpu_memory_bytes(self) -> int:
        """The memory of each of its GPUs, or of its fraction; 0 if any will do."""
        return int(self.gpu_memory_gib * GIB)


class InstanceTypes:
    """The types there are, by name; capitals do not matter."""

    def __init__(self, types: Mapping[str, InstanceType]) -> None:
        self._types = dict(types)
        self._spelt = {name.lower(): name for name in types}

    def __repr__(self) -> str:
        return f"<InstanceTypes {len(self._types)}>"

    def items(self) -> list[tuple[str, InstanceType]]:
        """Every type with its name, in the order of the files."""
        return list(self._types.items())

    def find(self, name: str) -> InstanceType | None:
        """The type of this name, None if there is none."""
        return self._types.get(self._spelt.get(name.lower(), ""))

    def unknown(self, name: str) -> str:
        """Say that there is no such type, and which ones are near."""
        near = difflib.get_close_matches(name.lower(), self._spelt, n=SHOWN, cutoff=0.6)
        if near:
            shown = ", ".join(self._spelt[one] for one in near)
            return f"no such type; did you mean {shown}? 'mesh instance-type list' shows all"
        shown = ", ".join(list(self._types)[:SHOWN])
        return f"no such type; there are {shown}, ...: 'mesh instance-type list' shows all"


def packaged_file() -> Path:
    """The file of the types that the mesh brings along."""
    return default_file().with_name("instance-types.yaml")


def load_instance_types(own: str = "") -> InstanceTypes:
    """Read the packaged types, and a file of one's own over them.

    Raises:
        SpecError: a file cannot be read, or a type in it is not right.
    """
    merged: dict[str, dict[str, Any]] = {}
    types: dict[str, InstanceType] = {}
    spelt: dict[str, str] = {}  # capitals do not matter; the first file to name a type spells it
    for path in (packaged_file(), *([Path(own).expanduser()] if own else [])):
        for written, values in _read(path).items():
            name = spelt.setdefault(written.lower(), written)
            merged[name] = merged.get(name, {}) | values
            types[name] = _checked(path, name, merged[name])
    return InstanceTypes(types)


def _checked(path: Path, name: str, values: dict[str, Any]) -> InstanceType:
    try:
        kind = msgspec.convert(values, InstanceType)
    except msgspec.ValidationError as exc:
        said = str(exc)
        raise SpecError(f"{path}: {name}: {said[0].lower()}{said[1:]}") from exc
    if kind.gpus > 1 and kind.gpus != int(kind.gpus):
        rule = "must be a whole number, or a fraction below 1"
        raise SpecError(f"{path}: {name}: gpus: {kind.gpus:g}: {rule}")
    if kind.gpu_memory_gib and not kind.gpus:
        raise SpecError(f"{path}: {name}: gpu_memory_gib: needs gpus")
    return kind


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tree = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as exc:
        raise SpecError(f"{path}: {exc.strerror or exc}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SpecError(f"{path}: not YAML: {' '.join(str(exc).split())}") from exc
    if not isinstance(tree, dict):
        raise SpecError(f"{path}: expected types by name, got {type(tree).__name__}")
    for name, values in tree.items():
        if not isinstance(name, str) or not isinstance(values, dict):
            raise SpecError(
                f"{path}: {name}: expected a mapping such as {{cores: 2, memory_gib: 4}}"
            )
    return tree
