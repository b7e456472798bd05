"""Write the dashboards: `python -m scripts.dashboards`."""

from __future__ import annotations

from pathlib import Path

from scripts.dashboards import endpoint, overview, queues
from scripts.dashboards.render import to_json

FOLDER = Path(__file__).parents[2] / "configs" / "grafana" / "dashboards"
BOARDS = {
    "overview.json": overview.BOARD,
    "endpoint.json": endpoint.BOARD,
    "queues.json": queues.BOARD,
}


def main() -> None:
    """Write each dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (FOLDER / name).write_text(to_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
