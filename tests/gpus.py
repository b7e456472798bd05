"""Tests that need a GPU: why this machine cannot run one, and what stays unproven without it.

Such a test is marked `gpu`, with what it needs beside one: `gpu("cupy")`, `gpu("two")`. The first
line of its docstring is its claim, a sentence in words.
"""

import sys
from collections.abc import Iterable
from functools import cache

import pytest

from mesh.gpus import Gpus
from mesh.nvml import find_gpus
from tests.interpreters import has_module


@cache
def gpus() -> Gpus:
    """The GPUs of this machine."""
    return find_gpus()


def lacking(needs: Iterable[str]) -> str:
    """Say what a test needs and this machine lacks; empty if nothing."""
    if not gpus().found:
        return f"no GPU on this machine ({gpus().reason})"
    if "two" in needs and len(gpus().found) < 2:
        return "there is one GPU, it takes two"
    if "cupy" in needs and not has_module(sys.executable, "cupy"):
        return "no cupy here: pip install -r requirements/gpu.txt"
    return ""


def claim(item: pytest.Item) -> str:
    """What a test proves, in words."""
    text = getattr(item.obj, "__doc__", None) or item.name
    return text.strip().splitlines()[0]


def verdict(proven: Iterable[str], unproven: dict[str, str]) -> list[str]:
    """Word the report.

    Args:
        proven: the claims whose tests passed.
        unproven: those of which a test did not, with the reason.
    """
    count = len(set(proven) - set(unproven))
    lines = [f"{count} of {count + len(unproven)} claims about GPUs are proven on this machine."]
    for reason in dict.fromkeys(unproven.values()):
        lines.append(f"Unproven: {reason}")
        lines += [f"  - {text}" for text, why in unproven.items() if why == reason]
    return lines
