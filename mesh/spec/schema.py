"""The JSON Schemas of the YAML files and the key tables of `docs/spec.md`, made from the structs.

`python -m mesh.spec.schema` writes them; `--check` only tells whether they are current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.reference import replace_tables
from mesh.spec.support import DEPLOYMENT, ENDPOINT, Support, warning_text
from mesh.spec.violation import Path as KeyPath

ROOT: Final = Path(__file__).parents[2]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCALAR: Final = {"type": ["string", "number", "boolean", "null"]}


def endpoint_schema() -> dict[str, Any]:
    """JSON Schema of an endpoint's YAML."""
    return _schema(EndpointSpec, ENDPOINT, "Online endpoint")


def deployment_schema() -> dict[str, Any]:
    """JSON Schema of a deployment's YAML."""
    schema = _schema(DeploymentSpec, DEPLOYMENT, "Online deployment")
    schema["properties"]["environment_variables"]["additionalProperties"] = SCALAR
    return schema


def _schema(spec: type[msgspec.Struct], table: Mapping[str, Support], title: str) -> dict[str, Any]:
    (reference,), parts = msgspec.json.schema_components([spec], ref_template="#/$defs/{name}")
    root = parts.pop(reference["$ref"].rpartition("/")[2])
    properties = root["properties"]
    properties["tags"]["additionalProperties"] = SCALAR
    for key, entry in properties.items():
        _note_support(entry, table, (key,))
    for key, part in _inlined(properties):
        for inner, entry in parts[part]["properties"].items():
            _note_support(entry, table, (key, inner))
    properties["$schema"] = {"type": "string", "description": "Which schema the file follows."}
    return {"$schema": DIALECT, **root, "title": title, "$defs": parts}


def _inlined(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each key that is a mapping with keys of its own, and the part that describes it."""
    for key, entry in properties.items():
        for choice in (entry, *entry.get("anyOf", ())):
            if "$ref" in choice:
                yield key, choice["$ref"].rpartition("/")[2]


def _note_support(entry: dict[str, Any], table: Mapping[str, Support], path: KeyPath) -> None:
    """Say in the description if a key is not acted on."""
    support = table.get(".".join(str(part) for part in path))
    if support is not None and support.level == "accepted":
        entry["description"] += f" ({warning_text(support)})"


def generated() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    folder, page = ROOT / "configs" / "schemas", ROOT / "docs" / "spec.md"
    return {
        folder / "endpoint.schema.json": _text(endpoint_schema()),
        folder / "deployment.schema.json": _text(deployment_schema()),
        page: replace_tables(page.read_text()),
    }


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def stale() -> list[Path]:
    """The generated files that are not what they should be."""
    return [
        path for path, text in generated().items() if not path.exists() or path.read_text() != text
    ]


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` name the ones that are not current."""
    old = stale()
    if "--check" in arguments:
        for path in old:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not current: run make schema\n")
        return 1 if old else 0
    texts = generated()
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path])
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
