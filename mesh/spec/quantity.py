"""Kubernetes quantities: `500m`, `2`, `1Gi`. Ring: values."""

from __future__ import annotations

import re
from typing import Final

QUANTITY: Final = re.compile(r"^([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|[MGTPE]|[KMGTPE]i)?$")
STEPS: Final = "KMGTPE"


def quantity(text: str) -> float | None:
    """Return the amount that `text` stands for, None if it is no quantity."""
    match = QUANTITY.match(text.strip())
    if match is None:
        return None
    amount, unit = float(match[1]), match[2] or ""
    if unit == "m":
        return amount / 1000
    if not unit:
        return amount
    step = 1024 if unit.endswith("i") else 1000
    return amount * float(step ** (STEPS.index(unit[0].upper()) + 1))
