"""Programs started by themselves, as containers start them: from variables, on a server of others.

Each has the user of its own role and no other; the server has what `mesh nats config` prints.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.settings import ROLES
from tests.e2e.person import ANSWER, ROOT, Person
from tests.e2e.test_up import until

pytestmark = pytest.mark.timeout(120)
NODE = {"MESH_GATEWAY__COUNT": "0", "MESH_SCALER__PORT": "0"}
PASSWORDS = {role: f"{role}-password" for role in ROLES}


def users(*roles):
    """The variables that give these roles their users."""
    named = [(f"MESH_NATS__USERS__{role.upper()}__", role) for role in roles]
    return {f"{prefix}USER": role for prefix, role in named} | {
        f"{prefix}PASSWORD": PASSWORDS[role] for prefix, role in named
    }


class Alone:
    """A broker with the mesh's users, and programs that know it by their variables."""

    def __init__(self, folder: Path, nats_server) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []
        printed = subprocess.run(
            [sys.executable, "-m", "mesh", "nats", "config"],
            env=self.environ(*ROLES),
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        # Where it listens and stores is the fixture's own.
        conf = json.loads(printed.stdout)
        kept = {key: conf[key] for key in ("authorization", "max_payload")}
        self.nats = nats_server(config=json.dumps(kept))

    def environ(self, *roles, **more):
        """An environment with the users of these roles."""
        strange = ("NATS_", "MESH_")
        own = {key: text for key, text in os.environ.items() if not key.startswith(strange)}
        return own | {"PYTHONPATH": str(ROOT)} | users(*roles) | more

    def start(self, *module, roles, **more):
        """Start a program in a state folder of its own."""
        folder = self.folder / module[0]
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=self.environ(*roles, NATS_URL=self.nats.url, MESH_STATE_DIR=str(folder), **more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def close(self):
        """Leave nothing behind."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.communicate(timeout=60)


@pytest.fixture
def alone(tmp_path, nats_server):
    """A broker, and whatever is started on it."""
    alone = Alone(tmp_path, nats_server)
    yield alone
    alone.close()


@pytest.fixture
def person(tmp_path, alone):
    """Somebody with the admin's user."""
    person = Person(tmp_path)
    admin = {"NATS_USER": "admin", "NATS_PASSWORD": PASSWORDS["admin"]}
    person.environ |= {"NATS_URL": alone.nats.url} | admin
    (tmp_path / "request.json").write_text(ANSWER)
    return person


def test_a_gateway_and_a_node_serve(alone, person):
    """A node is `mesh up` without gateways: its workers drain when it stops."""
    node = alone.start("mesh", "up", roles=("scaler", "worker"), **NODE)
    until(node, "scaler.leading")
    gateway = alone.start("gateway", roles=("gateway",), MESH_GATEWAY__PORT="0")
    until(gateway, "gateway.ready")

    person.deploy()
    asked = person.mesh("endpoint", "invoke", "-n", "echo", "--request-file", "request.json")
    node.send_signal(signal.SIGTERM)
    gateway.send_signal(signal.SIGTERM)
    node.stderr.read()
    gateway.stderr.read()

    assert asked.stdout.strip() == ANSWER, asked.stderr
    assert (node.wait(), gateway.wait()) == (0, 0)


def test_scaler_and_worker_read_the_environment_too(alone, person):
    """Without `mesh up` at all: the workers a scaler starts have its variables."""
    scaler = alone.start("scaler", roles=("scaler", "worker"), MESH_SCALER__PORT="0")
    until(scaler, "scaler.leading")
    gateway = alone.start("gateway", roles=("gateway",), MESH_GATEWAY__PORT="0")
    until(gateway, "gateway.ready")

    person.deploy()
    asked = person.mesh("endpoint", "invoke", "-n", "echo", "--request-file", "request.json")
    gone = person.mesh("endpoint", "delete", "-n", "echo", "--yes")

    assert asked.stdout.strip() == ANSWER, asked.stderr
    assert gone.returncode == 0, gone.stderr


def test_a_worker_by_hand_joins_its_deployment(alone, person):
    """It needs the user of its role alone, and serves with those the scaler started."""
    node = alone.start("mesh", "up", roles=("scaler", "worker"), **NODE)
    until(node, "scaler.leading")
    gateway = alone.start("gateway", roles=("gateway",), MESH_GATEWAY__PORT="0")
    until(gateway, "gateway.ready")
    person.deploy()

    which = ("--endpoint", "echo", "--deployment", "blue", "--generation", "1")
    worker = alone.start("workers", *which, roles=("worker",))
    until(worker, "worker.ready")
    worker.send_signal(signal.SIGTERM)
    worker.stderr.read()

    assert worker.wait() == 0


def test_a_program_with_no_broker_says_what_it_needs(alone):
    """Exit code 2, and the variable by its name."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway"], env=alone.environ(), capture_output=True, check=False
    )

    assert done.returncode == 2
    assert b"NATS_URL" in done.stderr
