"""How many chunks of large bodies may be in a gateway at once. Ring: decisions."""

from __future__ import annotations

from typing import Final

CHUNKS: Final = 16  # of all bodies together, as long as each has one
WINDOW: Final = 3  # of one body: more is not faster (measured)


class Shares:
    """Counts the bodies under way; the more there are, the fewer chunks each may have here."""

    def __init__(self) -> None:
        self.open = 0

    def __repr__(self) -> str:
        return f"<Shares of {self.open}>"

    def window(self) -> int:
        """How many chunks of one body may be asked for, or unconfirmed."""
        return max(1, min(WINDOW, CHUNKS // max(1, self.open)))
