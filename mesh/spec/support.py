"""Which keys this release acts on: one table that drives the warnings and the documentation.

Every key of the YAML is covered by a line here, its own or that of a key it stands in; a test holds
that. Ring: values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from mesh.spec.violation import Path

Level = Literal["enforced", "kept", "accepted"]
EACH: Final = "*"


class Support(msgspec.Struct, frozen=True):
    """What this release does with a key.

    `enforced`: it acts on it. `kept`: it stores and shows it, there is nothing to act on.
    `accepted`: it stores it, does not act on it, and warns.
    """

    level: Level
    note: str = ""


ENFORCED: Final = Support("enforced")
KEPT: Final = Support("kept")
ACCEPTED: Final = Support("accepted")
INTERPRETER: Final = Support(
    "accepted", "scripts run under the mesh's own interpreter, or the one that `mesh.python` names"
)
PROBED: Final = Support("enforced", "see behavior.md; there is no probe without the key")

ENDPOINT: Final[dict[str, Support]] = {
    "name": ENFORCED,
    "type": ENFORCED,
    "description": KEPT,
    "tags": KEPT,
    "properties": ACCEPTED,
    "auth_mode": Support("enforced", "`key` only"),
    "compute": Support("accepted", "instances run where the mesh runs"),
    "identity": ACCEPTED,
    "traffic": ENFORCED,
    "mirror_traffic": ENFORCED,
    "public_network_access": ACCEPTED,
}

DEPLOYMENT: Final[dict[str, Support]] = {
    "name": ENFORCED,
    "endpoint_name": ENFORCED,
    "type": ENFORCED,
    "description": KEPT,
    "tags": KEPT,
    "properties": ACCEPTED,
    "model.path": Support("enforced", "a local file or folder"),
    "model.type": Support("enforced", "`custom_model` and `triton_model`"),
    "model.name": KEPT,
    "model.version": KEPT,
    "model.description": KEPT,
    "model.tags": KEPT,
    "model.properties": ACCEPTED,
    "model.flavors": ACCEPTED,
    "model.stage": ACCEPTED,
    "model_mount_path": ACCEPTED,
    "code_configuration": ENFORCED,
    "environment_variables": ENFORCED,
    "environment": INTERPRETER,
    "instance_type": Support("enforced", "see instance-types.md"),
    "instance_count": ENFORCED,
    "app_insights_enabled": ACCEPTED,
    "scale_settings": Support("enforced", "see autoscaling.md"),
    "data_collector": ACCEPTED,
    "request_settings.request_timeout_ms": ENFORCED,
    "request_settings.max_concurrent_requests_per_instance": ENFORCED,
    "request_settings.max_queue_wait_ms": Support(
        "accepted", "`request_timeout_ms` covers the wait; Azure has deprecated this key"
    ),
    "liveness_probe": PROBED,
    "readiness_probe": PROBED,
    "startup_probe": PROBED,
    "egress_public_network_access": ACCEPTED,
    "package_model": ACCEPTED,
    "private_network_connection": ACCEPTED,
    "resources": Support("enforced", "they win over those of the type; see instance-types.md"),
    "mesh": ENFORCED,
}


def support_of(table: Mapping[str, Support], path: Path) -> Support | None:
    """Return the line of the table that covers `path`, None if there is none."""
    for length in range(len(path), 0, -1):
        if found := table.get(".".join(str(part) for part in path[:length])):
            return found
    return None


def unsupported(
    table: Mapping[str, Support], values: Mapping[str, Any], path: Path = ()
) -> Iterator[tuple[Path, Support]]:
    """Yield the keys that are given in `values` but not acted on, the outermost of each kind."""
    for key, value in values.items():
        here = (*path, key)
        found = support_of(table, here)
        if value is None:
            continue
        if found is None and isinstance(value, Mapping):
            yield from unsupported(table, value, here)
        elif found is not None and found.level == "accepted":
            yield here, found


def warning_text(support: Support) -> str:
    """Say what a key that is not acted on means."""
    text = "accepted, not enforced yet"
    return f"{text}: {support.note}" if support.note else text
