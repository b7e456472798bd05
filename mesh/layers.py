"""Layers of settings: each source's values by dotted key, checked against a struct one by one.

Knows the shape of a settings struct (sections of leaves, or of mappings) but none of its keys.
Every refusal names its source, the key and what would be right. Ring: values.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from mesh.errors import SpecError

Values = dict[str, Any]

ENV_PREFIX: Final = "MESH_"
ENV_SPLIT: Final = "__"
# Variables that are known by another name than the rule gives them; the rule's name wins.
ENV_ALIASES: Final = {"NATS_URL": "nats.url", "MESH_STATE_DIR": "state_dir"}


def known_keys(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the type of every leaf by its dotted key."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            inner = known_keys(field.type)
            found |= {f"{field.name}.{key}": kind for key, kind in inner.items()}
        else:
            found[field.name] = field.type
    return found


def from_tree(tree: Mapping[str, Any], struct: type[msgspec.Struct], *, source: str) -> Values:
    """Check a nested mapping, as YAML gives it; values must have the right type."""
    known = known_keys(struct)
    return {
        key: _checked(value, key, known, source=source, strict=True)
        for key, value in _flatten(tree, known, source=source)
    }


def from_environ(environ: Mapping[str, str], struct: type[msgspec.Struct]) -> Values:
    """Check the variables that are settings; lists are separated by commas, or JSON."""
    known = known_keys(struct)
    values: Values = {}
    for alias, known_as in ENV_ALIASES.items():
        if alias in environ:
            values[known_as] = _checked(environ[alias], known_as, known, source=alias, strict=False)
    mappings: dict[str, dict[str, Any]] = {}
    for name in sorted(environ):
        key = _key_of_variable(name, known)
        if key is None:
            continue
        root = _mapping_root(key, known)
        if root is None:
            values[key] = _checked(environ[name], key, known, source=name, strict=False)
        else:
            _put(mappings.setdefault(root, {}), key[len(root) + 1 :].split("."), environ[name])
    for root, mapping in mappings.items():
        source = _variable(root) + ENV_SPLIT + "*"
        values[root] = _checked(mapping, root, known, source=source, strict=False)
    return values


def from_flags(flags: Mapping[str, Any], struct: type[msgspec.Struct]) -> Values:
    """Check values given on the command line; None means that the flag was not given."""
    known = known_keys(struct)
    return {
        key: _checked(value, key, known, source="command line", strict=False)
        for key, value in flags.items()
        if value is not None
    }


def to_tree(values: Values) -> dict[str, Any]:
    """Turn dotted keys back into sections."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        _put(tree, key.split("."), value)
    return tree


def _flatten(
    tree: Mapping[str, Any], known: Mapping[str, Any], *, source: str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        is_section = any(other.startswith(f"{key}.") for other in known)
        if is_section and value is None:
            continue
        if not is_section:
            yield key, value
        elif isinstance(value, Mapping):
            yield from _flatten(value, known, source=source, prefix=f"{key}.")
        else:
            raise SpecError(f"{source}: {key}: value {value!r}: expected a section with keys")


def _checked(value: Any, key: str, known: Mapping[str, Any], *, source: str, strict: bool) -> Any:
    if key not in known:
        raise SpecError(f"{source}: {key}: {_no_such(key, known)}")
    kind = known[key]
    if isinstance(value, str) and not strict:
        value = _split_if_list(value, kind)
    try:
        return msgspec.to_builtins(msgspec.convert(value, kind, strict=strict))
    except (msgspec.ValidationError, msgspec.DecodeError) as exc:
        said = str(exc)
        shown = "" if isinstance(value, Mapping) else f" value {value!r}:"  # may hold passwords
        raise SpecError(f"{source}: {key}:{shown} {said[0].lower()}{said[1:]}") from exc


def _split_if_list(text: str, kind: Any) -> Any:
    if getattr(kind, "__origin__", None) is not list:
        return text
    if text.lstrip().startswith("["):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _no_such(
    key: str, known: Mapping[str, Any], show: Callable[[str], str] = lambda key: key
) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"no such setting; did you mean {show(near[0])}?"
    section = key.partition(".")[0]
    names = [show(name) for name in known if name.startswith(f"{section}.")]
    if not names:
        return f"no such section; there are {', '.join({n.partition('.')[0]: 0 for n in known})}"
    return f"no such setting; there are {', '.join(sorted(names))}"


def _variable(key: str) -> str:
    return ENV_PREFIX + key.replace(".", ENV_SPLIT).upper()


def _key_of_variable(name: str, known: Mapping[str, Any]) -> str | None:
    """The dotted key a variable sets; None if it is no setting."""
    if not name.startswith(ENV_PREFIX):
        return None
    if ENV_SPLIT in name:
        key = name.removeprefix(ENV_PREFIX).lower().replace(ENV_SPLIT, ".")
        if key not in known and _mapping_root(key, known) is None:
            raise SpecError(f"{name}: {_no_such(key, known, show=_variable)}")
        return key
    for key in known:  # one underscore where two are needed is too easily typed to be ignored
        if "." in key and name == ENV_PREFIX + key.replace(".", "_").upper():
            raise SpecError(f"{name}: no such setting; did you mean {_variable(key)}?")
    return None


def _mapping_root(key: str, known: Mapping[str, Any]) -> str | None:
    """The setting of type mapping that a longer key reaches into, such as `nats.users`."""
    for root, kind in known.items():
        if getattr(kind, "__origin__", None) is dict and key.startswith(f"{root}."):
            return root
    return None


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value
