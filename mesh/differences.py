"""What differs between two generations of a deployment. Ring: values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from mesh.records import Artifact
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.violation import path_text

SHORT_DIGEST: Final = 12
LONGEST_VALUE: Final = 60
STORED: Final = "stored"
UNSET: Final = "(default)"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as it should be at one time: its spec as plain values, and its folders."""

    spec: Mapping[str, Any]
    code: Artifact | None = None
    model: Artifact | None = None

    @classmethod
    def of(
        cls, spec: DeploymentSpec, code: Artifact | None = None, model: Artifact | None = None
    ) -> Version:
        """The version with this spec."""
        return cls(spec=msgspec.to_builtins(spec), code=code, model=model)

    def plain(self) -> dict[str, Any]:
        """All of it as it is shown: the YAML's keys, then the digests of the stored folders."""
        folders = {"code": self.code, "model": self.model}
        stored = {name: one.digest for name, one in folders.items() if one is not None}
        return {**self.spec, STORED: stored} if stored else dict(self.spec)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A key with different values; None where it is not set."""

    key: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        return f"{self.key}: {self._text(self.before)} -> {self._text(self.after)}"

    def _text(self, value: Any) -> str:
        if value is None:
            return UNSET
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if self.key.startswith(f"{STORED}."):
            text = text.rpartition(":")[2][:SHORT_DIGEST]
        text = " ".join(text.split())
        return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def differences(before: Version, after: Version) -> list[Difference]:
    """Return each key that differs, in the order of the YAML."""
    old, new = dict(_leaves(before.plain(), ())), dict(_leaves(after.plain(), ()))
    return [
        Difference(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    ]


def summary(changes: Iterable[Difference]) -> str:
    """All differences on one line."""
    return ", ".join(str(change) for change in changes)


def unified(before: str, after: str, names: tuple[str, str]) -> list[str]:
    """Return the unified diff of two texts, line by line; empty if they are the same."""
    lines = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(*lines, *names, lineterm=""))


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield path_text(here), value
