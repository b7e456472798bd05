"""What a deployment runs: a model and the code that scores with it. Ring: values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

ModelType = Literal["custom_model", "mlflow_model", "triton_model"]


class ModelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model given inline, by the path of a file or folder."""

    path: Annotated[
        str, Meta(description="File or folder of the model, relative to the YAML file.")
    ]
    name: Annotated[str | None, Meta(description="Name of the model.")] = None
    version: Annotated[str | int | None, Meta(description="Version of the model.")] = None
    type: Annotated[ModelType, Meta(description="Kind of model.")] = "custom_model"
    description: Annotated[str | None, Meta(description="Text for people.")] = None
    tags: Annotated[dict[str, str], Meta(description="Labels for people.")] = {}
    properties: Annotated[dict[str, Any], Meta(description="Properties of the model.")] = {}
    flavors: Annotated[dict[str, Any], Meta(description="MLflow flavors of the model.")] = {}
    stage: Annotated[str | None, Meta(description="Stage of the model's life.")] = None


class CodeConfiguration(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The folder with the scoring script."""

    code: Annotated[str, Meta(description="Folder of the code, relative to the YAML file.")]
    scoring_script: Annotated[
        str, Meta(description="Script with init() and run(), relative to the code folder.")
    ]
