"""What Grafana does with a dashboard before it asks Prometheus."""

import json
import re
from pathlib import Path
from typing import NamedTuple

GRAFANA = Path(__file__).parents[1] / "configs" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in GRAFANA.glob("dashboards/*.json")}
RATE_INTERVAL = "5s"  # four times the test's scrape interval, and one more


class Panel(NamedTuple):
    """A panel with its queries."""

    board: str
    title: str
    json: dict

    @property
    def exprs(self) -> list[str]:
        """Its expressions as they are written."""
        return [target["expr"] for target in self.json["targets"]]


PANELS = [
    Panel(name, panel["title"], panel)
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]


def variables(board: str) -> list[dict]:
    """The variables that are asked of Prometheus, in their order."""
    found = BOARDS[board]["templating"]["list"]
    return [variable for variable in found if variable["type"] == "query"]


def label_values(query: str) -> tuple[str, str]:
    """The selector and the label of a `label_values(selector, label)`."""
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
    return selector, label


def fill(expr: str, chosen: dict[str, list[str]]) -> str:
    """Put what is chosen into an expression: one value as it is, several as an alternative."""
    texts = {name: values[0] if len(values) == 1 else f"({'|'.join(values)})"
             for name, values in chosen.items()}  # fmt: skip
    return re.sub(r"\$(\w+)", lambda found: texts[found[1]], expr)
