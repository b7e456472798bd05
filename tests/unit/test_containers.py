"""The files of the images hold together: what they name is there, and nothing runs as root."""

import re
from pathlib import Path

import pytest
import yaml

from mesh.settings import ROLES, load_settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
ROLES_OF_IMAGES = {"mesh", "gateway", "scaler", "worker", "worker-triton"}
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_there_is_an_image_per_role():
    """docker/build.sh builds these and no others."""
    assert {path.name.removesuffix(".Dockerfile") for path in DOCKERFILES} == ROLES_OF_IMAGES


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_a_build_reads_is_there(path):
    """Every file of the tree that a build names exists, and .dockerignore lets it pass."""
    text = path.read_text()
    allowed = (ROOT / ".dockerignore").read_text().split()

    named = re.findall(r"/src/([\w./-]+)", text) + re.findall(r"=(docker/[\w./-]+)", text)

    assert all((ROOT / name).exists() for name in named)
    assert all(f"!{name.split('/')[0]}" in allowed for name in named)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_no_image_runs_as_root(path):
    """The last user is the mesh's own, by number; what an image is built on can be chosen."""
    text = path.read_text()
    users = re.findall(r"^USER (.+)$", text, re.MULTILINE)

    assert re.search(r"^ARG \w+=.+\n+FROM \$", text, re.MULTILINE)
    assert users[-1:] == ["10001:10001"] or (not users and "FROM ${" in text)


@pytest.mark.parametrize("role", ["gateway", "scaler", "worker"])
def test_each_role_is_asked_how_it_is(role):
    """The health check asks the program itself."""
    assert "HEALTHCHECK" in (DOCKER / f"{role}.Dockerfile").read_text()


@pytest.mark.parametrize("name", ["gateway", "scaler", "nats-config"])
def test_the_variables_of_compose_are_settings(name):
    """A variable with a typo would keep the program from starting."""
    environ = {key: f"{value}" for key, value in SERVICES[name]["environment"].items()}

    users = load_settings(environ=environ).nats.users

    assert users == {} or all(user.user == role for role, user in users.items())
    assert set(users) == USERS[name]


USERS = {"gateway": {"gateway"}, "scaler": {"scaler", "worker"}, "nats-config": set(ROLES)}


def test_ports_are_open_on_this_machine_alone():
    """Who wants more says so."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("ours", ["prometheus.yml"])
def test_prometheus_differs_in_addresses_alone(ours):
    """What is scraped how often is the same with and without containers."""
    theirs = ROOT / "configs" / "prometheus" / ours
    if not theirs.exists():
        pytest.skip("there is none without containers")
    mine, other = yaml.safe_load((DOCKER / ours).read_text()), yaml.safe_load(theirs.read_text())
    for tree in (mine, other):
        del tree["rule_files"], tree["scrape_configs"][0]["http_sd_configs"][0]["url"]

    assert mine == other
