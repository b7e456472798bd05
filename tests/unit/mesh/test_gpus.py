"""What CUDA_VISIBLE_DEVICES leaves of the GPUs there are."""

import pytest

from mesh.gpus import Gpu, Gpus, visible

A, B, C = (Gpu(index, f"GPU-{name}{name}", "A100") for index, name in enumerate("abc"))
ALL = Gpus(found=(A, B, C))


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        (None, (A, B, C)),
        ("2,0", (C, A)),
        ("GPU-b, 0", (B, A)),
        ("0,0", (A,)),
        ("1,7,2", (B,)),
        ("", ()),
        ("-1", ()),
        ("GPU-x", ()),
        ("G", ()),
    ],
)
def test_the_wish_is_read_as_cuda_reads_it(wish, left):
    """By index or UUID, in its order; the first that is not there ends the list."""
    assert visible(ALL, wish).found == left


def test_hidden_gpus_are_a_reason():
    """Who hides them all is told so when a deployment asks for one."""
    assert visible(ALL, "9").reason == "CUDA_VISIBLE_DEVICES=9 hides every one of 3"
    assert visible(Gpus(reason="none"), "9").reason == "none"
