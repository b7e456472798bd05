"""The watch of a GPU that cannot be asked."""

from workers.devices import DeviceWatch


async def test_an_unknown_gpu_has_no_figures():
    """The watch ends, and the instance goes on without figures."""
    watch = DeviceWatch("GPU-00000000-0000-0000-0000-000000000000")

    await watch.run()

    assert watch.figures is None
