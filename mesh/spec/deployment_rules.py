"""What a deployment must hold beyond the types of its keys. Ring: values.

The YAML loader and the management service apply the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import msgspec

from mesh.gpus import VISIBLE
from mesh.names import NAME_RULE, is_name
from mesh.spec.deployment import MAX_WORKERS, WORKER_COUNT, DeploymentSpec, is_worker_count
from mesh.spec.limits import range_text
from mesh.spec.profile_rules import profile_violations
from mesh.spec.quantity import quantity
from mesh.spec.query_rules import query_violations
from mesh.spec.rollout import rollout_violations
from mesh.spec.runtime import ResourceAmounts
from mesh.spec.scale import WaitSettings
from mesh.spec.schedule_rules import schedule_violations
from mesh.spec.triton_rules import triton_violations
from mesh.spec.violation import MISSING, Violation
from mesh.spec.warmup import warmup_violations

LONGEST_TIMEOUT_MS: Final = {"managed": 180_000, "kubernetes": 300_000}
MAX_MANAGED_INSTANCES: Final = 50
MAX_KUBERNETES_NAMES: Final = 62
MAX_CUSTOM_COLLECTIONS: Final = 5
REFERENCE: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
GPU_KEY: Final = "nvidia.com/gpu"
HIDDEN: Final = ("", "-1")  # of CUDA_VISIBLE_DEVICES: no GPU, which is what `cpu` means anyway
SECRET: Final = re.compile(r"\$\{\{\s*(azureml|keyvault):")


def deployment_violations(spec: DeploymentSpec) -> list[Violation]:
    """Return every rule that a deployment breaks."""
    return [
        *_naming(spec),
        *_model(spec),
        *_code(spec),
        *_variables(spec),
        *_requests(spec),
        *_instances(spec),
        *_scaling(spec),
        *_retry(spec),
        *_probes(spec),
        *_kind(spec),
        *_resources(spec),
        *_collections(spec),
        *_options(spec),
        *triton_violations(spec),
        *rollout_violations(spec),
        *warmup_violations(spec.mesh.warmup),
    ]


def _naming(spec: DeploymentSpec) -> Iterator[Violation]:
    for key, name in (("name", spec.name), ("endpoint_name", spec.endpoint_name)):
        if not is_name(name):
            yield Violation((key,), name, f"must be {NAME_RULE}")
    length = len(spec.name) + len(spec.endpoint_name)
    if spec.kind == "kubernetes" and length > MAX_KUBERNETES_NAMES:
        rule = (
            f"name and endpoint_name must have at most {MAX_KUBERNETES_NAMES} characters together"
        )
        yield Violation(("name",), spec.name, rule)


def reference_rule(text: str) -> str:
    """Say why something registered cannot be used; empty if `text` is a path."""
    if not REFERENCE.match(text):
        return ""
    return "references are not supported until the registry exists: give a local path"


def _model(spec: DeploymentSpec) -> Iterator[Violation]:
    if spec.model is None:
        return
    path, kind = spec.model.path, spec.model.type
    if not path:
        yield Violation(("model", "path"), path, "must not be empty")
    if rule := reference_rule(path):
        yield Violation(("model", "path"), path, rule)
    if kind == "mlflow_model":
        rule = "not supported yet: only custom_model and triton_model are"
        yield Violation(("model", "type"), kind, rule)


def _code(spec: DeploymentSpec) -> Iterator[Violation]:
    code = spec.code_configuration
    if spec.speaks_v2:
        return
    if code is None:
        rule = "is required for every model.type but triton_model"
        yield Violation(("code_configuration",), MISSING, rule)
        return
    if not code.code:
        yield Violation(("code_configuration", "code"), code.code, "must not be empty")
    if rule := reference_rule(code.code):
        yield Violation(("code_configuration", "code"), code.code, rule)
    script = PurePosixPath(code.scoring_script)
    if script.suffix != ".py" or script.is_absolute() or ".." in script.parts:
        rule = "must be a .py file, by its path inside the code folder"
        yield Violation(("code_configuration", "scoring_script"), code.scoring_script, rule)


def _variables(spec: DeploymentSpec) -> Iterator[Violation]:
    for name, value in spec.environment_variables.items():
        path = ("environment_variables", name)
        if not name or "=" in name or "\0" in name + value:
            rule = "a variable has a name without '=', and no NUL characters"
            yield Violation(path, value, rule)
        if SECRET.search(value):
            yield Violation(path, value, "secret references are not supported yet")
        if name == VISIBLE and (spec.mesh.device == "cuda" or value not in HIDDEN):
            yield Violation(path, value, "the mesh assigns GPUs: give mesh.device: cuda instead")
        if name == WORKER_COUNT and not is_worker_count(value):
            rule = f"must be a whole number between 1 and {MAX_WORKERS}"
            yield Violation(path, value, rule)


def _requests(spec: DeploymentSpec) -> Iterator[Violation]:
    timeout_ms, longest_ms = (
        spec.request_settings.request_timeout_ms,
        LONGEST_TIMEOUT_MS[spec.kind],
    )
    if not 1 <= timeout_ms <= longest_ms:
        path = ("request_settings", "request_timeout_ms")
        yield Violation(path, timeout_ms, range_text(1, longest_ms))


def _instances(spec: DeploymentSpec) -> Iterator[Violation]:
    if spec.kind == "managed" and spec.instance_count > MAX_MANAGED_INSTANCES:
        rule = range_text(1, MAX_MANAGED_INSTANCES)
        yield Violation(("instance_count",), spec.instance_count, rule)


def _scaling(spec: DeploymentSpec) -> Iterator[Violation]:
    scale = spec.scale_settings
    if scale is None:
        return
    if scale.type == "default":
        for key, value in msgspec.to_builtins(scale).items():
            rule = "has no effect unless scale_settings.type is target_utilization"
            yield Violation(("scale_settings", key), value, rule)
        return
    if scale.wait != WaitSettings() and scale.target_wait_ms is None:
        rule = "has no effect without scale_settings.target_wait_ms"
        yield Violation(("scale_settings", "wait"), msgspec.to_builtins(scale.wait), rule)
    if scale.wait.panic_window_s > scale.wait.stable_window_s:
        rule = f"must be at most stable_window_s, {scale.wait.stable_window_s:g}"
        path = ("scale_settings", "wait", "panic_window_s")
        yield Violation(path, scale.wait.panic_window_s, rule)
    yield from query_violations(scale.queries)
    if scale.min_instances > scale.max_instances:
        rule = f"must be at most max_instances, {scale.max_instances}"
        yield Violation(("scale_settings", "min_instances"), scale.min_instances, rule)
    if spec.kind == "managed" and scale.max_instances > MAX_MANAGED_INSTANCES:
        rule = range_text(1, MAX_MANAGED_INSTANCES)
        yield Violation(("scale_settings", "max_instances"), scale.max_instances, rule)
    yield from profile_violations(scale)
    yield from schedule_violations(scale)


def _retry(spec: DeploymentSpec) -> Iterator[Violation]:
    retry = spec.mesh.retry
    if retry.initial_delay_s > retry.max_delay_s:
        rule = f"must be at most max_delay_s, {retry.max_delay_s:g}"
        yield Violation(("mesh", "retry", "initial_delay_s"), retry.initial_delay_s, rule)


def _probes(spec: DeploymentSpec) -> Iterator[Violation]:
    probe = spec.liveness_probe
    if probe is not None and probe.success_threshold != 1:
        path = ("liveness_probe", "success_threshold")
        yield Violation(path, probe.success_threshold, "must be 1")


def _kind(spec: DeploymentSpec) -> Iterator[Violation]:
    if spec.kind == "managed" and spec.resources is not None:
        yield Violation(
            ("resources",),
            msgspec.to_builtins(spec.resources),
            "only kubernetes deployments have it",
        )
    if spec.kind == "kubernetes" and spec.egress_public_network_access == "disabled":
        rule = "only managed deployments have it"
        path = ("egress_public_network_access",)
        yield Violation(path, spec.egress_public_network_access, rule)


def _resources(spec: DeploymentSpec) -> Iterator[Violation]:
    if spec.resources is None:
        return
    asked, most = _amounts(spec.resources.requests), _amounts(spec.resources.limits)
    for side, amounts in (("requests", asked), ("limits", most)):
        for key, text in amounts.items():
            amount = quantity(text)
            if amount is None:
                rule = "must be an amount such as 2, 500m or 1Gi"
                yield Violation(("resources", side, key), text, rule)
            elif key == GPU_KEY and amount > 1 and amount != int(amount):
                rule = "must be a whole number, or a fraction below 1"
                yield Violation(("resources", side, key), text, rule)
    for key in asked.keys() & most.keys():
        low, high = quantity(asked[key]), quantity(most[key])
        if low is not None and high is not None and low > high:
            rule = f"must not be more than the limit, {most[key]}"
            yield Violation(("resources", "requests", key), asked[key], rule)


def _amounts(amounts: ResourceAmounts | None) -> dict[str, str]:
    texts: dict[str, str] = msgspec.to_builtins(amounts) if amounts is not None else {}
    return texts


def _collections(spec: DeploymentSpec) -> Iterator[Violation]:
    if spec.data_collector is None:
        return
    custom = spec.data_collector.collections.keys() - {"request", "response"}
    if len(custom) > MAX_CUSTOM_COLLECTIONS:
        rule = f"at most {MAX_CUSTOM_COLLECTIONS} beside request and response"
        yield Violation(("data_collector", "collections"), len(custom), rule)


def _options(spec: DeploymentSpec) -> Iterator[Violation]:
    python = spec.mesh.python
    if python is not None and not python.strip():
        yield Violation(("mesh", "python"), python, "must name an interpreter")
