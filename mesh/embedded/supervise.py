"""`mesh up`: start everything in order, keep it alive, stop it in the opposite order.

Stopping: the gateways end intake and wait for answers, the scaler leaves, the life-line ends and
the workers drain, the broker goes last. Whatever is left then is killed: no process outlives
`mesh up`, and none outlives its kill -9 for longer than it takes to drain. Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from mesh.connect import user_of
from mesh.embedded import programs as started
from mesh.embedded.broker import EmbeddedBroker, check, external_record
from mesh.embedded.child import Child, NotStartedError
from mesh.embedded.folder import BrokerRecord, MeshRecord, StateFolder
from mesh.embedded.programs import Program
from mesh.embedded.reaper import Reaper
from mesh.errors import SpecError
from mesh.exits import Exit
from mesh.process import Identity, become_subreaper, wait_gone
from mesh.settings import Settings

log = logging.getLogger("mesh.embedded.supervise")

BROKER_STOP_S: Final = 15.0
SCALER_STOP_S: Final = 15.0
STOP_MARGIN_S: Final = 5.0
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RELOAD_SIGNAL: Final = signal.SIGUSR1

OnReady = Callable[[MeshRecord], None]
Programs = Callable[[StateFolder, Settings], Sequence[Program]]


async def supervise(
    settings: Settings, on_ready: OnReady, programs: Programs = started.write_settings
) -> int:
    """Run the mesh until it is told to stop; return the exit code.

    The caller holds the state folder's lock.

    Args:
        settings: the resolved settings; `nats.url` empty means the embedded broker.
        on_ready: called once, when everything serves.
        programs: which programs to run beside the broker, given the folder and the settings.

    Raises:
        NotStartedError: something did not start; nothing runs any more then.
        SpecError: a setting cannot be had, such as a port that is taken.
    """
    folder = StateFolder(settings.state_dir)
    await clear_leftovers(folder, settings.supervisor.stop_timeout_s)
    become_subreaper()
    with Reaper.open() as reaper, _lifeline() as (lifeline, end_lifeline):
        mesh = Mesh(settings, folder, reaper, lifeline)
        with _signals(mesh) as stop:
            try:
                await mesh.start(programs, stop)
                if not stop.is_set():
                    on_ready(mesh.record)
                    await mesh.keep(stop)
            except BaseException:
                mesh.hurry()
                raise
            finally:
                code = await mesh.stop(end_lifeline)
        return code


async def clear_leftovers(folder: StateFolder, timeout_s: float) -> None:
    """Wait for what an earlier, killed `mesh up` left behind to drain; end what does not."""
    left = folder.leftovers()
    if not left:
        return
    log.info("up.leftovers waiting for %s", ", ".join(str(one.pid) for one in left))
    for identity in left:
        identity.send(signal.SIGTERM)
    for identity in await wait_gone(left, timeout_s):
        log.warning("up.killed leftover pid=%d", identity.pid)
        identity.send(signal.SIGKILL)
        await wait_gone([identity], STOP_MARGIN_S)


class Mesh:
    """The programs of one `mesh up`."""

    def __init__(
        self, settings: Settings, folder: StateFolder, reaper: Reaper, lifeline: int
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._reaper = reaper
        self._lifeline = lifeline
        self._children: list[Child] = []
        self._embedded: EmbeddedBroker | None = None
        self._broker: BrokerRecord = external_record(settings.nats, user_of(os.environ))
        me = Identity.of(os.getpid()) or Identity(pid=os.getpid())
        self.record = MeshRecord(
            pid=me.pid,
            create_time=me.create_time,
            nats_url="",
            embedded=not settings.nats.url,
        )

    def __repr__(self) -> str:
        return f"<Mesh programs={len(self._children)} ready={self.record.ready}>"

    async def start(self, programs: Programs, stop: asyncio.Event) -> None:
        """Start the broker, then all others at once; return when all serve or `stop` is set."""
        self._note()
        stopping = asyncio.create_task(stop.wait())
        starting = asyncio.create_task(self._start_all(programs))
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, stopping):
                if not task.done():
                    task.cancel()
            await asyncio.wait({starting, stopping})
        if not starting.cancelled():
            starting.result()

    async def keep(self, stop: asyncio.Event) -> None:
        """Start again whatever ends, until `stop` is set."""
        keepers = [asyncio.create_task(child.keep()) for child in self._children]
        if self._embedded is not None:
            keepers.append(asyncio.create_task(self._embedded.watch_disk()))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({*keepers, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*keepers, stopping):
                task.cancel()
            results = await asyncio.gather(*keepers, stopping, return_exceptions=True)
        for result in results:  # a keeper never returns: it was told to go, or it has a bug
            if isinstance(result, Exception):
                raise result

    async def stop(self, end_lifeline: Callable[[], None]) -> int:
        """Stop everything in order; return the exit code."""
        gateway_s = self._settings.gateway.drain_timeout_s + STOP_MARGIN_S
        worker_s = self._settings.worker.drain_timeout_s + STOP_MARGIN_S
        clean = [
            await self._stop_stage("gateway", gateway_s),
            await self._stop_stage("scaler", SCALER_STOP_S),
            await self._stop_workers(end_lifeline, worker_s),
        ]
        self._reaper.kill_strangers()
        await self._stop_stage("broker", BROKER_STOP_S)
        self._folder.forget("mesh", *(child.name for child in self._children))
        return Exit.CLEAN if all(clean) else Exit.CUT_OFF

    def hurry(self) -> None:
        """End at once everything but the broker: what waits for it to drain goes on."""
        self._reaper.kill_strangers()
        for child in self._children:
            if child.stage != "broker" and child.running is not None:
                child.running.send(signal.SIGKILL)

    def reload(self) -> None:
        """Have the embedded broker take on the producers there are now."""
        if self._embedded is None:
            return
        try:
            self._embedded.reload()
        except SpecError as exc:
            log.error("up.not_reloaded %s", exc)
        else:
            log.info("up.reloaded")

    async def _start_all(self, programs: Programs) -> None:
        nats = self._settings.nats
        if nats.url:
            ttl_s = self._settings.gateway.result_ttl_s
            await check(self._broker.access("scaler"), nats.connect_timeout_s, ttl_s)
            self._folder.write("nats", self._broker, mode=0o600)
        else:
            await self._start_broker()
        resolved = msgspec.structs.replace(nats, url=self._broker.url, users=self._broker.users)
        settings = msgspec.structs.replace(self._settings, nats=resolved)
        children = [self._child(program) for program in programs(self._folder, settings)]
        self._children += children
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(child.start())
        except* NotStartedError as failures:
            raise failures.exceptions[0] from None
        self.record = msgspec.structs.replace(self.record, ready=True)
        self._note()

    async def _start_broker(self) -> None:
        broker = self._embedded = EmbeddedBroker(
            self._settings.nats,
            self._folder,
            self._reaper,
            self._settings.gateway.result_ttl_s,
        )
        child = Child("nats-server", "broker", broker.launch, self._settings.supervisor, self._note)
        self._children.append(child)
        try:
            await child.start()
        except NotStartedError as exc:
            raise NotStartedError(f"{exc}: {broker.last_words()}".rstrip(": ")) from exc
        self._broker = broker.record

    def _child(self, program: Program) -> Child:
        launch = partial(
            started.launch, program, self._reaper, self._lifeline, self._settings.log.level
        )
        return Child(program.name, program.stage, launch, self._settings.supervisor, self._note)

    async def _stop_stage(self, stage: str, grace_s: float) -> bool:
        children = [child for child in self._children if child.stage == stage]
        return all(await asyncio.gather(*(child.stop(grace_s) for child in children)))

    async def _stop_workers(self, end_lifeline: Callable[[], None], grace_s: float) -> bool:
        end_lifeline()
        instances = self._folder.instances()
        for identity in instances:
            identity.send(signal.SIGTERM)
        late = await wait_gone([*instances, *self._reaper.strangers()], grace_s)
        for identity in late:
            log.warning("up.killed worker pid=%d grace_s=%g", identity.pid, grace_s)
            identity.send(signal.SIGKILL)
        return not late

    def _note(self) -> None:
        views = [child.view() for child in self._children]
        self.record = msgspec.structs.replace(
            self.record, programs=views, nats_url=self._broker.url
        )
        self._folder.write("mesh", self.record)


@contextlib.contextmanager
def _lifeline() -> Iterator[tuple[int, Callable[[], None]]]:
    """A pipe with one writer, this process: its readers hear our end, whatever it is."""
    reader, writer = os.pipe()
    open_ends = [writer]

    def end() -> None:
        while open_ends:
            os.close(open_ends.pop())

    try:
        yield reader, end
    finally:
        end()
        os.close(reader)


@contextlib.contextmanager
def _signals(mesh: Mesh) -> Iterator[asyncio.Event]:
    """The first signal to stop asks to, each further one to hurry; another one to reload."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(sig: signal.Signals) -> None:
        if stop.is_set():
            log.warning("up.hurry signal=%s", sig.name)
            mesh.hurry()
        log.info("up.stop signal=%s", sig.name)
        stop.set()

    for sig in STOP_SIGNALS:
        loop.add_signal_handler(sig, ask, sig)
    loop.add_signal_handler(RELOAD_SIGNAL, mesh.reload)
    try:
        yield stop
    finally:
        for sig in (*STOP_SIGNALS, RELOAD_SIGNAL):
            loop.remove_signal_handler(sig)
