"""Managed or kubernetes, the way the Azure SDK tells them apart. Ring: values."""

from __future__ import annotations

from typing import Any, Literal

from mesh.spec.violation import Violation

SCHEMA = "$schema"


def settle_kind(values: dict[str, Any], noun: Literal["endpoint", "deployment"]) -> list[Violation]:
    """Take `$schema` out and put `type` in, from `type`, `$schema` or `compute`, in this order."""
    schema = values.pop(SCHEMA, None)
    if schema is not None and not isinstance(schema, str):
        return [Violation((SCHEMA,), schema, "must be text")]
    broken = []
    named = _named_kind(schema or "", noun)
    if named == "other":
        rule = f"is the schema of something else than an online {noun}"
        broken.append(Violation((SCHEMA,), schema, rule))
    elif named and str(values.get("type", named)).lower() != named:
        broken.append(Violation(("type",), values["type"], f"must be {named}, as $schema says"))
    if values.get("type") is None:
        has_compute = noun == "endpoint" and values.get("compute") is not None
        kind = "kubernetes" if named == "kubernetes" or has_compute else "managed"
        values["type"] = kind
    return broken


def _named_kind(schema: str, noun: str) -> str:
    """What a `$schema` says: `managed`, `kubernetes`, `other`; nothing for an editor's copy."""
    lowered = schema.lower()
    file = lowered.rpartition("/")[2]
    for kind in ("managed", "kubernetes"):
        if file.startswith(f"{kind}online{noun}"):
            return kind
    is_azures = "azuremlschemas" in lowered or "online" in file
    return "other" if is_azures else ""
