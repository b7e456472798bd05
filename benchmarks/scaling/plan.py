"""What every policy is compared on, fixed before any of them was tuned."""

from __future__ import annotations

from typing import Final

from mesh.scaling.simulation.service import Service

TRACES: Final = ("office", "bursts", "growth")
TUNED_ON: Final = "office"  # the others are seen by no one who chooses constants
SEEDS: Final = (1, 2, 3, 4, 5)
SERVICE: Final = Service()
# The same for all. One at least: rules on CPU cannot start from nothing, where there is no CPU.
MIN_INSTANCES: Final = 1
MAX_INSTANCES: Final = 40
