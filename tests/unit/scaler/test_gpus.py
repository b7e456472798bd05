"""How the scaler looks for GPUs."""

import threading

from mesh.gpus import Gpu, Gpus
from scaler.service import look_for_gpus

ONE = Gpus(found=(Gpu(0, "GPU-a", "A100"),))


async def test_what_is_found_is_returned():
    """It is asked beside the loop."""
    assert await look_for_gpus(lambda: ONE) == ONE


async def test_a_driver_that_hangs_has_no_gpu():
    """The scaler serves everybody else."""
    going_on = threading.Event()

    def hang():
        going_on.wait()
        return ONE

    gpus = await look_for_gpus(hang, limit_s=0.01)
    going_on.set()

    assert gpus == Gpus(reason="NVML did not answer in 0.01 s")
