"""Every panel of every dashboard shows something: a real Prometheus scrapes a mesh under load.

Grafana itself is not run: what it would ask is asked in its place.
"""

import re
import subprocess
import threading

import httpx
import pytest

from mesh.metrics import discovery_url
from tests.e2e.person import ROOT, Person
from tests.grafana import BOARDS, PANELS, RATE_INTERVAL, fill, label_values, variables
from tests.prometheus import CONFIGS, Prometheus, binary, is_ci, needed

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.foreign,
    pytest.mark.skipif(
        binary("prometheus") is None and not is_ci(),
        reason="no prometheus: scripts/need-prometheus.sh says how to get it",
    ),
]

# Told only by instances that have a GPU, and after a week of demand.
ELSEWHERE = ("mesh_gpu_", "mesh_forecast_")
SCALED = """
scale_settings:
  type: target_utilization
  queries: [{name: gateways, query: mesh_gateways, target: 100, prometheus_url: "%s"}]
"""
SCRIPT = """
import json
import time

def init():
    pass

def run(raw_data):
    if raw_data == '"fail"':
        raise ValueError("as asked")
    time.sleep(0.002)
    return json.loads(raw_data)
"""
TARGETS = {"gateway": 1, "scaler": 1, "worker": 2}
# What Prometheus must have seen before there is something to draw: every process more than once,
# and both deployments at work, by what the gateway tells and by what the workers tell.
SEEN = (
    'count(count_over_time(up{job=~"gateway|scaler|worker"}[15s]) >= 3) == 4',
    'rate(mesh_gateway_latency_seconds_count{deployment="green",part="run"}[5s]) > 0',
    "count(rate(mesh_worker_run_seconds_count[5s]) > 0) == 2",
    "count_over_time(mesh_scale_query_value[15s]) >= 3",
)


class Load:
    """Somebody who asks without a pause; now and then with a bad body, or a bad key."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        with httpx.Client(timeout=10) as client:
            while not self._stopped.wait(0.01):
                number += 1
                headers = self._headers | (
                    {"Authorization": "Bearer wrong"} if number % 10 == 0 else {}
                )
                body = '"fail"' if number % 7 == 0 else '"hi"'
                client.post(self._url, content=body, headers=headers)

    def close(self) -> None:
        """Stop asking."""
        self._stopped.set()
        self._thread.join()


class Scene:
    """A mesh with blue and green, load, and a Prometheus that watches."""

    def __init__(self, folder) -> None:
        self.person = Person(folder)
        self._open = []

    def start(self) -> None:
        """Mirror to green first, then split, until Prometheus has seen both."""
        person = self.person
        person.environ["MESH_SCALER__PORT"] = "0"
        person.environ["MESH_SCALER__PROMETHEUS_INTERVAL_S"] = "1"
        person.up()
        person.deploy(SCRIPT)
        scaler = next(one for one in person.state.mesh().programs if one.name == "scaler")
        self.prometheus = Prometheus(
            person.folder / "prometheus", discovery_url(scaler.metrics_url)
        )
        self._open += [self.prometheus]
        self._green()
        self._must("endpoint", "update", "-n", "echo", "--mirror-traffic", "green=50")
        self._open += [Load(person.url, person.headers)]
        self.prometheus.until('mesh_gateway_mirrored_total{outcome="copied"} > 0')
        split = ("--mirror-traffic", "green=0", "--traffic", "blue=60 green=40")
        self._must("endpoint", "update", "-n", "echo", *split)
        for expr in SEEN:
            self.prometheus.until(expr)

    def _green(self) -> None:
        text = (self.person.folder / "blue.yml").read_text().replace("name: blue", "name: green")
        (self.person.folder / "green.yml").write_text(text + SCALED % self.prometheus.url)
        self._must("deployment", "create", "-f", "green.yml")

    def _must(self, *args: str) -> None:
        done = self.person.mesh(*args)
        assert done.returncode == 0, done.stderr

    def chosen(self, board: str) -> dict[str, list[str]]:
        """Everything that a dashboard's variables offer, as when it is opened."""
        chosen = {"__rate_interval": [RATE_INTERVAL]}
        for variable in variables(board):
            selector, label = label_values(variable["query"])
            offered = self.prometheus.label_values(label, fill(selector, chosen))
            chosen[variable["name"]] = offered if variable["multi"] else offered[:1]
        return chosen

    def close(self) -> None:
        """Leave nothing behind."""
        for one in reversed(self._open):
            one.close()
        self.person.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One mesh and one Prometheus for all that is asked here."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    try:
        scene.start()
        yield scene
    finally:
        scene.close()


def test_the_shipped_configuration_and_its_alerts_are_right():
    """promtool reads them, and each alert fires when it should and not before."""
    for args in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        command = [needed("promtool"), *args]
        done = subprocess.run(command, cwd=CONFIGS, capture_output=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr


def test_everybody_is_scraped(scene):
    """The scaler names itself, the gateway and both workers, and all of them answer."""
    for job, count in TARGETS.items():
        scene.prometheus.until(f'sum(up{{job="{job}"}}) == {count}')


def test_a_worker_is_known_by_what_it_serves(scene):
    """Labels of the list and those that a worker tells itself are the same ones."""
    ready = scene.prometheus.until('mesh_worker_ready{deployment="green"} == 1')[0]["metric"]
    up = scene.prometheus.until('up{deployment="green"} == 1')[0]["metric"]

    assert ready.items() - up.items() == {("__name__", "mesh_worker_ready")}


def test_the_page_knows_every_metric(scene):
    """docs/monitoring.md lists what the three programs tell, and nothing else."""
    scene.prometheus.until('mesh_gateway_mirrored_total{outcome="copied"}')
    found = scene.prometheus.label_values("__name__", '{job=~"gateway|worker|scaler"}')
    page = (ROOT / "docs" / "monitoring.md").read_text()

    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}
    known = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) ", page, re.MULTILINE))

    told = {name for name in names if name.startswith("mesh_")}
    assert told - known == set()
    assert all(name.startswith(ELSEWHERE) for name in known - told)


@pytest.mark.parametrize("board", BOARDS)
def test_variables_offer_something(scene, board):
    """Endpoints and deployments to choose from."""
    chosen = scene.chosen(board)

    assert chosen.get("endpoint", ["echo"]) == ["echo"]
    assert chosen.get("deployment", ["blue", "green"]) == ["blue", "green"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")
def test_each_query_of_a_panel_has_data(scene, panel):
    """With all that can be chosen, and for a panel that is repeated with each choice alone."""
    chosen = scene.chosen(panel.board)
    name = panel.json.get("repeat")
    choices = [chosen | {name: [value]} for value in chosen[name]] if name else [chosen]

    for expr in (expr for expr in panel.exprs if not any(name in expr for name in ELSEWHERE)):
        for choice in choices:
            drawn = scene.prometheus.values(fill(expr, choice))
            assert any(drawn.values()), f"no data: {fill(expr, choice)}: {drawn}"
