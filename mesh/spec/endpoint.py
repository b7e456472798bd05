"""An endpoint: a name, a way to authenticate, and how traffic splits. Ring: values.

Source: Azure ML CLI v2, `managedOnlineEndpoint` and `kubernetesOnlineEndpoint`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Kind = Literal["managed", "kubernetes"]
AuthMode = Literal["key", "aml_token", "aad_token"]
Percent = Annotated[int, Meta(ge=0, le=100)]


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The identity an endpoint acts with."""

    type: Annotated[
        Literal["system_assigned", "user_assigned"], Meta(description="Kind of identity.")
    ] = "system_assigned"
    user_assigned_identities: Annotated[list[Any], Meta(description="Ids of the identities.")] = []


class EndpointSpec(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An endpoint as its YAML file gives it."""

    name: Annotated[str, Meta(description="Name: 3-32 letters, digits and dashes, a letter first.")]
    kind: Annotated[
        Kind, Meta(description="`kubernetes` if `$schema` says so or `compute` is given.")
    ] = field(default="managed", name="type")
    description: Annotated[str | None, Meta(description="Text for people.")] = None
    tags: Annotated[dict[str, str], Meta(description="Labels for people.")] = {}
    properties: Annotated[dict[str, Any], Meta(description="Properties of the endpoint.")] = {}
    auth_mode: Annotated[AuthMode, Meta(description="How callers authenticate.")] = "key"
    compute: Annotated[str | None, Meta(description="Kubernetes cluster.")] = None
    identity: Annotated[Identity | None, Meta(description="Identity of the endpoint.")] = None
    traffic: Annotated[
        dict[str, Percent],
        Meta(description="Percent of the requests by deployment; 0 or 100 in total."),
    ] = {}
    mirror_traffic: Annotated[
        dict[str, Percent],
        Meta(description="Percent of the requests copied to one shadow deployment; at most 50."),
    ] = {}
    public_network_access: Annotated[
        Literal["enabled", "disabled"], Meta(description="Whether the public may call.")
    ] = "enabled"

    @property
    def live(self) -> dict[str, int]:
        """The deployments that get live requests, with their positive weights."""
        return {name: weight for name, weight in self.traffic.items() if weight > 0}

    @property
    def mirror(self) -> dict[str, int]:
        """The deployments that get copies, with their positive percentages."""
        return {name: weight for name, weight in self.mirror_traffic.items() if weight > 0}
