"""Updates and rollbacks of a model that is being asked all the time."""

import asyncio
import collections
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from mesh.api import DeploymentView
from mesh.management import Management
from mesh.process import Identity
from tests.e2e.person import Person
from tests.rawhttp import Client

pytestmark = pytest.mark.timeout(300)
INSTANCES = 4
CLIENTS = 3
QUICK = {"initial_delay": 1, "period": 1, "failure_threshold": 2}
SCRIPT = """
import json, time

def init():
    {init}

def run(raw_data):
    with open("{log}", "a") as log:
        log.write(raw_data + "\\n")
    time.sleep(0.02)
    {run}
    return {{"version": "{version}"}}
"""


class Load:
    """Clients that ask one request after the other; each request has a number of its own."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._over = asyncio.Event()
        self._numbers = iter(range(1_000_000))
        self._tasks: list[asyncio.Task[None]] = []
        self.statuses: collections.Counter[int] = collections.Counter()
        self.versions: collections.Counter[str] = collections.Counter()
        self.first_424_s = 0.0

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        client = await Client.open(int(self._person.url.split(":")[2].split("/")[0]))
        while not self._over.is_set():
            body = json.dumps(next(self._numbers)).encode()
            answer = await client.ask("POST", "/endpoints/echo/score", body, **self._person.headers)
            self.statuses[answer.status] += 1
            if answer.status == 424 and not self.first_424_s:
                self.first_424_s = time.monotonic()
            if answer.status == 200:
                self.versions[json.loads(answer.body)["version"]] += 1
        await client.close()


class Service:
    """A person's deployment whose script can be put in place in several versions."""

    def __init__(self, person: Person, mesh: Management) -> None:
        self.person = person
        self._mesh = mesh
        self.log = person.folder / "runs.log"
        self.log.touch()

    def script(self, version: str, init: str = "pass", run: str = "pass") -> str:
        return SCRIPT.format(version=version, init=init, run=run, log=self.log)

    def write(self, version: str, **changes: str) -> None:
        (self.person.folder / "src" / "score.py").write_text(self.script(version, **changes))

    async def command(self, *args: str) -> tuple[int, str]:
        """Run `mesh deployment ...`; return its exit code and what it says on stderr."""
        names = ("-e", "echo", "-n", "blue")
        done = await asyncio.to_thread(self.person.mesh, "deployment", *args, *names)
        return done.returncode, done.stderr

    async def update(self, *args: str) -> tuple[int, str]:
        """Put the script in place that was written last."""
        return await self.command("update", "--set", "code_configuration.code=src", *args)

    async def whole(self, generation: int, count: int = INSTANCES) -> DeploymentView:
        """Wait until so many are ready, and nobody else is there."""
        wanted = [(generation, "ready")] * count
        return await self.until(
            lambda view: [(i.generation, i.state) for i in view.instances] == wanted
        )

    async def until(self, holds: Callable[[DeploymentView], bool]) -> DeploymentView:
        """Look at the deployment until it is as wanted."""
        async with (
            self._mesh.watch("echo", "blue") as watch,
            contextlib.aclosing(watch.views()) as views,
        ):
            async for view in views:
                if holds(view):
                    return view
        raise AssertionError

    @property
    def scaler(self) -> Identity:
        """The scaler's process."""
        programs = self.person.state.mesh().programs
        one = next(program for program in programs if program.name == "scaler")
        return Identity(pid=one.pid, create_time=one.create_time)

    async def redelivered(self) -> float:
        """What the workers that live count as delivered before."""
        view = await self._mesh.get_deployment("echo", "blue")
        async with httpx.AsyncClient() as http:
            pages = [(await http.get(i.metrics_url)).text for i in view.instances]
        told = re.findall(r"^mesh_worker_redelivered_total\{.*\} (.*)$", "".join(pages), re.M)
        assert len(told) == len(view.instances)
        return sum(map(float, told))

    def repeated(self) -> int:
        """How many requests have run more than once."""
        runs = collections.Counter(self.log.read_text().split())
        return sum(count > 1 for count in runs.values())


@pytest.fixture
async def service(person):
    """A service of four instances, asked by nobody yet."""
    person.up()
    async with await Management.open(state_dir=person.state.path) as mesh:
        service = Service(person, mesh)
        person.deploy(service.script("one"), instances=INSTANCES)
        yield service


@pytest.fixture
def tell(capsys):
    """Shows figures, whatever pytest captures."""

    def show(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return show


async def test_a_good_update_and_its_rollback_fail_no_request(service, tell):
    """Not one request fails, is lost, or runs twice; both end with the version asked for."""
    async with Load(service.person) as load:
        service.write("two")
        updated = await service.update()
        await service.whole(2)
        after_update = await service.redelivered()
        back = await service.command("rollback")
        await service.whole(3)
        after_rollback = await service.redelivered()

    tell(f"update and rollback: {dict(load.statuses)}, {dict(load.versions)}")
    assert (updated[0], back[0]) == (0, 0), (updated[1], back[1])
    assert set(load.statuses) == {200}
    assert set(load.versions) == {"one", "two"}
    assert (after_update, after_rollback, service.repeated()) == (0, 0, 0)
    assert "stored.code" in updated[1]
    assert re.search(r"new \d of 4 ready, old \d ready", updated[1])


@pytest.mark.parametrize(
    ("init", "probe", "reason"),
    [
        pytest.param('raise ValueError("no model")', {}, "ValueError: no model", id="init"),
        pytest.param("time.sleep(600)", QUICK, "startup probe", id="probe"),
    ],
)
async def test_an_update_that_cannot_start_fails_no_request(service, tell, init, probe, reason):
    """Its init raises, or its probe fails: the update is Failed, and nobody who asks notices."""
    async with Load(service.person) as load:
        service.write("two", init=init)
        code, said = await service.update(*(f"startup_probe.{k}={v}" for k, v in probe.items()))
        view = await service.whole(1)

    tell(f"update that fails with {reason}: {dict(load.statuses)}")
    assert (code, view.provisioning_state) == (6, "Failed")
    assert reason in said
    assert (set(load.statuses), set(load.versions)) == ({200}, {"one"})
    assert service.repeated() == 0


@pytest.mark.parametrize("surge", [1, 4])
async def test_an_update_that_always_raises_fails_few_requests(service, tell, surge):
    """At most 20 for each instance of the surge; then the old version is whole again."""
    async with Load(service.person) as load:
        service.write("two", run='raise ValueError("bad model")')
        code, said = await service.update("--max-surge", str(surge))
        view = await service.whole(1)
        whole_s = time.monotonic() - load.first_424_s

    tell(
        f"update whose run raises, surge {surge}: {dict(load.statuses)}; "
        f"the old version alone and whole {whole_s:.2f} s after the first 424"
    )
    assert (code, view.provisioning_state, view.serving_generation) == (6, "Failed", 1)
    assert re.search(r"instance g2-\w+ is suspect: .*\d+ of \d+", said), said
    assert set(load.statuses) == {200, 424}
    assert load.statuses[424] <= 20 * surge


async def test_scaling_in_loses_and_repeats_no_request(service, tell):
    """Those that go finish what they have; nothing is delivered a second time."""
    async with Load(service.person) as load:
        scaled = await service.command("scale", "--instance-count", "1")
        await service.whole(1, count=1)
        redelivered = await service.redelivered()

    tell(f"four instances to one: {dict(load.statuses)}")
    assert scaled[0] == 0, scaled[1]
    assert set(load.statuses) == {200}
    assert (redelivered, service.repeated()) == (0, 0)


async def test_an_update_survives_its_scaler(service, tell):
    """Killed midway, the scaler that takes over goes on; nobody who asks notices."""
    async with Load(service.person) as load:
        service.write("two")
        updating = asyncio.create_task(service.update())
        await service.until(lambda view: any(i.generation == 2 for i in view.instances))
        service.scaler.send(signal.SIGKILL)
        code, said = await updating
        await service.whole(2)

    tell(f"update whose scaler is killed: {dict(load.statuses)}, {dict(load.versions)}")
    assert code == 0, said
    assert set(load.statuses) == {200}
    assert service.repeated() == 0
