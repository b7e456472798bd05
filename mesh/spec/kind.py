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
    elif named and values.get("type", named) != named:
        broken.append(Violation(("type",), values["type"], f"must be {named}, as $schema says"))
    if values.get("type") is None:
        has_compute = noun == "endpoint" and values.get("compute") is not None
        kind = "kubernetes" if named == "kubernetes" or has_compute else "managed"
        values["type"] = kind
    return broken


def _named_kind(schema: str, noun: str) -> str:
    """What a `$schema` says: `managed`, `kubernetes`, `other`, or nothing."""
    lowered = schema.lower()
    if "azureml" not in lowered and "online" not in lowered:
        return ""  # an editor's own copy, by any name
    for kind in ("managed", "kubernetes"):
        if f"{kind}online{noun}" in lowered:
            return kind
    return "other"
