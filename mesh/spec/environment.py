"""Where the scoring script runs: image, packages, a custom server's routes. Ring: values."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One route of a custom container."""

    path: Annotated[str, Meta(description="Path of the route.")]
    port: Annotated[int, Meta(ge=1, le=65535, description="Port of the route.")]


class InferenceConfig(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The routes of a custom container."""

    liveness_route: Annotated[Route | None, Meta(description="Says the server is up.")] = None
    readiness_route: Annotated[Route | None, Meta(description="Says the model is loaded.")] = None
    scoring_route: Annotated[Route | None, Meta(description="Takes the requests.")] = None


class BuildContext(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What to build an image from."""

    path: Annotated[str, Meta(description="Folder to build, relative to the YAML file.")]
    dockerfile_path: Annotated[str, Meta(description="Dockerfile in that folder.")] = "Dockerfile"


class EnvironmentSpec(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An environment given inline."""

    name: Annotated[str | None, Meta(description="Name of the environment.")] = None
    version: Annotated[str | int | None, Meta(description="Version of the environment.")] = None
    description: Annotated[str | None, Meta(description="Text for people.")] = None
    tags: Annotated[dict[str, str], Meta(description="Labels for people.")] = {}
    properties: Annotated[dict[str, Any], Meta(description="Properties.")] = {}
    image: Annotated[str | None, Meta(description="Container image.")] = None
    conda_file: Annotated[
        str | dict[str, Any] | None,
        Meta(description="Conda file, by path relative to the YAML file, or its content."),
    ] = None
    build: Annotated[BuildContext | None, Meta(description="What to build an image from.")] = None
    inference_config: Annotated[
        InferenceConfig | None, Meta(description="Routes of a custom container.")
    ] = None
    os_type: Annotated[str | None, Meta(description="Operating system of the image.")] = None
