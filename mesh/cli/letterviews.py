"""How dead letters look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from mesh.api import LetterRetried, LetterView
from mesh.cli.output import new_table
from mesh.cli.views import fields, time_text
from mesh.figures import size_text
from mesh.reason import headline

WIDTH: Final = 100
GAP: Final = 2
NAME_WIDTH: Final = 20
SHORTEST_REASON: Final = 10
UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
COLUMNS: Final = ("Number", "Age", "Endpoint", "Deployment", "Lane", "Attempts", "Size", "Reason")


def letter_list(letters: Sequence[LetterView], now_s: float) -> Table:
    """Dead letters, a row each, no wider than a hundred columns."""
    rows = [_cells(letter, now_s) for letter in letters]
    table = new_table(*COLUMNS)
    for name in ("Endpoint", "Deployment"):
        table.columns[COLUMNS.index(name)].max_width = NAME_WIDTH
    left = _room(rows)
    for letter, row in zip(letters, rows, strict=True):
        table.add_row(*row, shortened(headline(letter.reason), left))
    return table


def letter_details(letter: LetterView) -> Table:
    """One dead letter, a row per property and per header."""
    return fields(
        [
            ("Number", str(letter.number)),
            ("Kind", letter.kind),
            ("Endpoint", letter.endpoint_name),
            ("Deployment", letter.deployment),
            ("Lane", letter.lane),
            ("Request", letter.request_id),
            ("Reason", letter.reason.rstrip()),
            ("Attempts", str(letter.attempts)),
            ("Given up", time_text(letter.at_s)),
            ("Size", size_text(letter.size_bytes)),
            *((f"Header {name}", value) for name, value in letter.headers.items()),
        ]
    )


def retried_list(done: Sequence[LetterRetried]) -> Table:
    """Dead letters that were sent again, a row each."""
    table = new_table("Number", "Endpoint", "Request")
    for one in done:
        table.add_row(str(one.number), one.endpoint_name, one.request_id)
    return table


def age_text(seconds: float) -> str:
    """An age in the largest unit that fits."""
    for unit_s, unit in UNITS:
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)}{unit}"
    return "0s"


def shortened(text: str, width: int) -> str:
    """A text cut to a width, with dots where something is missing."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _cells(letter: LetterView, now_s: float) -> list[str]:
    return [
        str(letter.number),
        age_text(now_s - letter.at_s),
        letter.endpoint_name,
        letter.deployment,
        letter.lane,
        str(letter.attempts),
        size_text(letter.size_bytes),
    ]


def _room(rows: Sequence[Sequence[str]]) -> int:
    """How wide a reason may be beside the other columns."""
    taken = 0
    for place, name in enumerate(COLUMNS[:-1]):
        widest = max([len(name), *(len(row[place]) for row in rows)])
        limit = NAME_WIDTH if name in ("Endpoint", "Deployment") else widest
        taken += min(widest, limit) + GAP
    return max(SHORTEST_REASON, WIDTH - taken)
