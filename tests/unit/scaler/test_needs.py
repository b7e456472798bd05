"""What an instance needs, from its type and its resources."""

import msgspec

from mesh.instance_types import InstanceType
from mesh.settings import GIB
from mesh.spec.deployment import DeploymentSpec
from scaler.launchers import Need
from scaler.needs import need_of

DS3 = InstanceType(cores=4, memory_gib=14)
NC6 = InstanceType(cores=6, memory_gib=112, gpus=1, gpu_memory_gib=16)


def spec(**changes) -> DeploymentSpec:
    return msgspec.convert({"name": "blue", "endpoint_name": "iris"} | changes, DeploymentSpec)


def test_without_a_type_it_has_the_machines_share():
    """Nothing is limited and nothing set aside."""
    assert need_of(spec(), None, "warn") == Need()


def test_a_type_is_what_it_gets():
    """Its cores and memory are both the most, and what is set aside."""
    need = need_of(spec(), DS3, "strict")

    assert (need.cores, need.reserved_cores, need.threads) == (4, 4, 4)
    assert need.memory_bytes == need.reserved_memory_bytes == 14 * GIB


def test_a_gpu_type_brings_its_gpus():
    """Without `mesh.device`, which a file for Azure does not have."""
    need = need_of(spec(), NC6, "warn")

    assert need.wants_gpu
    assert (need.gpus, need.gpu_memory_bytes) == (1, 16 * GIB)


def test_resources_win_over_the_type_key_by_key():
    """Limits are the most it may use, requests what is set aside for it."""
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2"}}

    need = need_of(spec(type="kubernetes", resources=resources), DS3, "warn")

    assert (need.cores, need.reserved_cores) == (2, 0.5)
    assert (need.memory_bytes, need.reserved_memory_bytes) == (14 * GIB, GIB)


def test_what_is_set_aside_may_be_used():
    """Requests beyond the type's own amounts raise its limit."""
    resources = {"requests": {"cpu": "6", "memory": "20Gi"}}

    need = need_of(spec(type="kubernetes", resources=resources), DS3, "warn")

    assert (need.cores, need.reserved_cores) == (6, 6)
    assert (need.memory_bytes, need.reserved_memory_bytes) == (20 * GIB, 20 * GIB)


def test_runners_share_the_threads():
    """Libraries of several runners do not start a thread for each core each."""
    assert need_of(spec(environment_variables={"WORKER_COUNT": "3"}), DS3, "warn").threads == 1


def test_where_nothing_is_held_only_gpus_are_told():
    """`scaler.limits: none`."""
    assert need_of(spec(), NC6, "none") == Need(gpus=1, gpu_memory_bytes=16 * GIB)
