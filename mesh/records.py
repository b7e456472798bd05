"""Desired state and observed state as they are kept in the broker's buckets (JSON).

`EndpointRecord`, `DeploymentRecord` and `AuthRecord` live in the config bucket and are written by
the management service alone; `DeploymentState` lives in the state bucket, `ReservationRecord` in
one of its own, `JobRecord` and `JobRun` in a stream. Ring: values.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.subjects import Lane

ProvisioningState = Literal[
    "Creating", "Deleting", "Scaling", "Updating", "Succeeded", "Failed", "Canceled"
]
JobState = Literal["delayed", "queued", "running", "done", "failed", "cancelled", "expired"]


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file in the artifact store, named by the digest of its content.

    `entry` is the file or folder name it had at its source; for a model it is the last path
    component, which is how scripts find it under `AZUREML_MODEL_DIR`.
    """

    digest: str
    size_bytes: int
    files: int
    entry: str = ""


class EndpointRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint as it should be; its traffic and mirror split are part of the spec."""

    spec: EndpointSpec
    created_at_s: float = 0.0
    modified_at_s: float = 0.0
    deleting: bool = False


class DeploymentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deployment as it should be, at one generation.

    A change of anything but the instance count and how it is chosen makes a new generation. The
    record of each generation is also kept under its own key, unchanged for ever but for deletion.
    `all_traffic`: it is to get all live traffic once it is ready; cleared when that is done.
    `paused_count`: the instances to keep while autoscaling is paused, None while it is not.
    `change`: what differs from the generation before, on one line.
    """

    spec: DeploymentSpec
    generation: int
    code: Artifact | None = None
    model: Artifact | None = None
    created_at_s: float = 0.0
    modified_at_s: float = 0.0
    deleting: bool = False
    all_traffic: bool = False
    change: str = ""
    paused_count: int | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it would follow the load if somebody had not paused that."""
        return self.paused_count is not None and self.spec.autoscale is not None


class JobRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queued request that the mesh has taken on; kept on its `mesh.job` subject.

    `deployment` is where it was sent, empty while none has traffic; `ingress_seq` its number in the
    stream of enqueued requests, 0 if it came over HTTP; `timeout_s` counts from when it was
    submitted. `lane` and `seq` say where in the deployment's queue it is, `seq` 0 while not known.
    `due_at_s` is before when it must not run (Unix time), `webhook` who is told of its end.
    `submitted_at_s`: when it was left for the gateways, 0 if that is the record's own time.
    """

    deployment: str = ""
    ingress_seq: int = 0
    timeout_s: float = 0.0
    lane: Lane = "queued"
    seq: int = 0
    due_at_s: float = 0.0
    webhook: str = ""
    submitted_at_s: float = 0.0


class JobRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queued request that a worker has begun; the last attempt counts. Written by workers."""

    deployment: str
    lane: Lane
    seq: int
    attempt: int
    instance: str


class ReservationRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose request an idempotency key stands for.

    `fingerprint` is the digest of what was asked; `timeout_s` how long from the record's own
    timestamp nobody else may run it; `queued` whether its caller waits for the answer, or has it
    queued; `deployment` where it was sent, empty while that is not known, or does not matter.
    """

    fingerprint: str
    request_id: str
    timeout_s: float
    queued: bool = False
    deployment: str = ""


class SampleRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request that a deployment has answered well, to warm instances up with. Unix time."""

    body: bytes
    method: str = ""
    path: str = ""
    content_type: str = ""
    at_s: float = 0.0


class AuthRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What gateways know of an endpoint's secrets.

    SHA-256 digests (hex) of the keys that open it; the secret that its webhooks are signed with.
    """

    digests: list[str]
    webhook_secret: str = ""


class KeysRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The keys themselves, in a bucket that only the management service and admins read."""

    primary: str
    secondary: str
    webhook_secret: str = ""


class DeploymentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the scaler last saw and did; survives restarts.

    `serving` is the newest generation that has been ready: the one kept alive while a newer one
    starts, or after a newer one has failed. `settled` is the instance count last reached. `target`
    is the count the load asks for and `target_reason` why it came to be, None and empty if nothing
    scales. `told` is the count that the history of changes ends with, None where nothing has been
    counted yet, `told_paused` whether it ends with a pause. `failures`: why generations have failed
    that still have a record, by generation.
    """

    state: ProvisioningState
    reason: str = ""
    generation: int = 0
    serving: int = 0
    failed_generation: int = 0
    ready: int = 0
    changed_at_s: float = 0.0
    settled: int = 0
    target: int | None = None
    target_reason: str = ""
    told: int | None = None
    told_paused: bool = False
    failures: dict[int, str] = {}
