"""The door to NVML on a machine that has none."""

import pytest

from mesh.nvml import Device, GpuError, find_gpus


def test_no_gpu_is_a_reason_and_no_error():
    """A machine without GPUs is an ordinary one."""
    gpus = find_gpus()

    assert bool(gpus.found) != bool(gpus.reason)


def test_a_gpu_that_is_not_there_cannot_be_opened():
    """Whether NVML or the GPU is missing, it is one error of ours."""
    with pytest.raises(GpuError, match="NVML"):
        Device.open("GPU-00000000-0000-0000-0000-000000000000")
