"""What the mesh offers beyond Azure, under the extension key `mesh:`. Ring: values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.spec.rollout import RolloutOptions
from mesh.spec.warmup import WarmupOptions

Device = Literal["cpu", "cuda"]
Admission = Literal["deadline", "inflight", "none"]


class QueueOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The deployment's work queue. A full lane refuses requests with 429."""

    max_messages: Annotated[
        int, Meta(ge=1, description="Requests one lane holds before it refuses more.")
    ] = 10_000
    max_bytes: Annotated[
        int, Meta(ge=1 << 20, description="Bytes all lanes hold before they refuse more.")
    ] = 256 << 20
    storage: Annotated[
        Literal["file", "memory"],
        Meta(description="Where it is kept; memory is faster and lost with the broker."),
    ] = "file"


class RetryOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Queued requests whose model answers with an error, tried again. Others never are."""

    max_attempts: Annotated[
        int, Meta(ge=1, le=20, description="Runs of a request in all; 1: none is tried again.")
    ] = 1
    initial_delay_s: Annotated[
        float,
        Meta(ge=0, le=1800, description="Seconds until the second run; doubled for each further."),
    ] = 1.0
    max_delay_s: Annotated[
        float, Meta(ge=0, le=1800, description="Seconds between two runs at most.")
    ] = 60.0
    statuses: Annotated[
        Annotated[list[Annotated[int, Meta(ge=300, le=599)]], Meta(min_length=1)] | None,
        Meta(description="The model's statuses that are tried again. Default: 500 to 599."),
    ] = None


class TritonOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How a `triton_model` is served."""

    url: Annotated[
        str | None,
        Meta(
            description="gRPC address of a running Triton server, `grpc://host:port`, that serves "
            "the models of `model.path`. Default: each instance starts a server of its own."
        ),
    ] = None


class MeshOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Options of a deployment that Azure does not have."""

    python: Annotated[
        str | None,
        Meta(
            description="Python interpreter (3.8 to 3.13) the scoring script runs under: a path "
            "relative to the YAML file, or a command found on PATH. Default: the mesh's own."
        ),
    ] = None
    max_attempts: Annotated[
        int, Meta(ge=1, le=20, description="Starts of a request that may bring its runner down.")
    ] = 3
    retry: Annotated[
        RetryOptions, Meta(description="Queued requests whose model answers with an error.")
    ] = RetryOptions()
    read_headers: Annotated[
        bool, Meta(description="Send the caller's HTTP headers along to the scoring script.")
    ] = False
    hard_timeout: Annotated[
        bool, Meta(description="Kill a runner whose run() takes longer than the request timeout.")
    ] = True
    cancel_grace_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Seconds after its caller has gone until a sync run() is stopped with its "
            "runner, which loads the model again. Default: it is left to end."
        ),
    ] = None
    drain_timeout_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Seconds a stopping instance may finish what it has begun."),
    ] = None
    queue: Annotated[QueueOptions, Meta(description="The work queue.")] = QueueOptions()
    triton: Annotated[TritonOptions, Meta(description="How a `triton_model` is served.")] = (
        TritonOptions()
    )
    admission: Annotated[
        Admission,
        Meta(
            description="Which requests are refused with 429 before they are queued: `deadline`, "
            "those that could not be answered in time; `inflight`, as Azure, those beyond twice "
            "what the instances run at once; `none`, only what a full lane refuses."
        ),
    ] = "deadline"
    warmup: Annotated[
        WarmupOptions | None,
        Meta(description="A request that each runner must answer before it serves."),
    ] = None
    device: Annotated[
        Device,
        Meta(description="`cuda` gives each instance one GPU; `cpu` hides them from the script."),
    ] = "cpu"
    inputs: Annotated[
        Literal["text", "tensors"],
        Meta(
            description="What run() is given: the body as text, or the tensors of an inference "
            "request (Open Inference Protocol v2) as arrays by name: numpy's, cupy's with `cuda`."
        ),
    ] = "text"
    rollout: Annotated[
        RolloutOptions, Meta(description="How an update replaces the instances.")
    ] = RolloutOptions()
