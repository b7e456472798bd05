"""The dashboards' files, and how Grafana finds them."""

import json

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from scripts.dashboards.__main__ import BOARDS, FOLDER
from scripts.dashboards.render import to_json
from tests.grafana import GRAFANA, PANELS

CONFIGS = GRAFANA.parent


@pytest.mark.parametrize("name", BOARDS)
def test_the_files_are_current(name):
    """configs/grafana is what the code says; `make dashboards` writes it."""
    assert (FOLDER / name).read_text() == to_json(BOARDS[name])


def test_there_is_no_other_file():
    """A dashboard that was dropped from the code goes from the folder too."""
    assert {path.name for path in FOLDER.iterdir()} == set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_grafana_reads_them(name):
    """Grafana's own model loads each file, and nothing in it is lost or unknown."""
    register_default_plugins()
    file = json.loads((FOLDER / name).read_text())

    loaded = Dashboard.from_json(file)

    assert json.loads(JSONEncoder().encode(loaded)) == file


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")
def test_a_panel_explains_itself(panel):
    """Somebody on call finds a sentence, a unit, and a name for each line."""
    defaults = panel.json["fieldConfig"]["defaults"]

    assert panel.json["description"].endswith(".")
    assert defaults["unit"]
    assert all(target["legendFormat"] for target in panel.json["targets"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")
def test_colours_change_in_order(panel):
    """From the lowest value up; Grafana takes the last step that is reached."""
    first, *values = [
        step["value"] for step in panel.json["fieldConfig"]["defaults"]["thresholds"]["steps"]
    ]

    assert first is None
    assert values == sorted(values)


def test_a_repeated_panel_has_its_line_alone():
    """Grafana puts its copies over what stands beside it."""
    repeated = [panel.json["gridPos"] for panel in PANELS if "repeat" in panel.json]

    assert [place["w"] for place in repeated] == [24]


def test_panels_do_not_overlap():
    """Each has its place on the grid of 24 columns."""
    for board in BOARDS:
        panels = json.loads((FOLDER / board).read_text())["panels"]
        cells = [
            (x, y)
            for place in (panel["gridPos"] for panel in panels)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]

        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_provisioning_points_to_what_is_there():
    """The folder of the dashboards, and the scrape interval that the datasource tells Grafana."""
    provisioning = GRAFANA / "provisioning"
    dashboards = yaml.safe_load((provisioning / "dashboards" / "mesh.yml").read_text())
    sources = yaml.safe_load((provisioning / "datasources" / "mesh.yml").read_text())
    prometheus = yaml.safe_load((CONFIGS / "prometheus" / "prometheus.yml").read_text())

    (path,) = (one["options"]["path"] for one in dashboards["providers"])
    (source,) = sources["datasources"]

    assert path.replace("$MESH_GRAFANA", str(GRAFANA)) == str(FOLDER)
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
