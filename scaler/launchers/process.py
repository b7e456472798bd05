"""Instances as processes on this machine.

Each is a session of its own that outlives the scaler; a record file per instance lets the next
scaler adopt it by pid and start time. It ends with the life-line, which it inherits.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from mesh import lifecycle
from mesh.process import Identity
from mesh.subjects import WorkerAddress
from mesh.tasks import end
from scaler.launchers import (
    NOTHING,
    Ended,
    LaunchError,
    Need,
    OnEnded,
    OnOutOfMemory,
    Place,
    Running,
    assignment,
)
from scaler.launchers.assignment import ANY_MACHINE, Machine
from scaler.launchers.ledger import InstanceRecord, Ledger
from scaler.launchers.limits import Limiter, Overrun, Unlimited
from scaler.launchers.spares import SpareCommand, Spares
from scaler.launchers.watched import Watched, environment, find

log = logging.getLogger("scaler.launchers.process")

GUARD_S: Final = 0.25

Command = Callable[[WorkerAddress, int], list[str]]


def worker_command(settings_path: str | None) -> Command:
    """Return how a worker program is started: with these settings, or with our environment."""
    settings = ("--settings", settings_path) if settings_path is not None else ()

    def command(address: WorkerAddress, generation: int) -> list[str]:
        return [
            *(sys.executable, "-m", "workers", *settings),
            *("--endpoint", address.endpoint, "--deployment", address.deployment),
            *("--generation", str(generation), "--instance", address.instance),
        ]

    return command


class ProcessLauncher:
    """Keeps the processes of all deployments on this machine."""

    def __init__(
        self,
        state_dir: Path,
        command: Command,
        on_ended: OnEnded,
        machine: Machine = ANY_MACHINE,
        limiter: Limiter | None = None,
        spare: SpareCommand | None = None,
    ) -> None:
        self._machine = machine
        self._limiter = limiter or Unlimited()
        self._ledger = Ledger(state_dir)
        self.spares = Spares(spare, state_dir / "logs")
        self._command = command
        self._on_ended = on_ended
        self._on_out_of_memory: list[OnOutOfMemory] = []
        self._processes: dict[WorkerAddress, Watched] = {}
        self._loop = asyncio.get_running_loop()
        self._guard: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<ProcessLauncher running={len(self._processes)}>"

    @property
    def limits(self) -> str:
        """By what means instances are held to what they are given, in words."""
        return self._limiter.text

    def on_out_of_memory(self, callback: OnOutOfMemory) -> None:
        """Call `callback` when a process of an instance was killed for its memory."""
        self._on_out_of_memory.append(callback)

    def adopt(self) -> list[Running]:
        """Take over what an earlier scaler started and what still runs; return it."""
        for record in self._ledger.read():
            identity = record.identity() or find(record)
            if identity is None or not identity.is_alive():
                self._ledger.remove(record.address)
                continue
            running = self._running_of(record, identity.pid)
            try:
                self._watch(Watched(running, identity, None))
            except ProcessLookupError:
                self._ledger.remove(record.address)
                continue
            self._hold(running)
        if self._processes:
            log.info("launcher.adopted instances=%d", len(self._processes))
        return list(self.running())

    def running(self) -> Sequence[Running]:
        """Every instance that has not ended."""
        return [process.running for process in self._processes.values()]

    def lacks(self, need: Need) -> str:
        """Why no instance can ever have what it needs here; empty if one can."""
        return assignment.lacks(need, self._machine)

    def short(self, need: Need) -> str:
        """What an instance gets less than it asks for; empty if nothing."""
        return assignment.shortage(need, self._machine)

    def launch(self, address: WorkerAddress, generation: int, need: Need = NOTHING) -> None:
        """Start an instance, hold it to its limits, and show it its GPUs and no others.

        Raises:
            NoRoomError: others have what it needs.
            LaunchError: it could not be started.
        """
        if reason := self.lacks(need):
            raise LaunchError(f"instance {address.instance}: {reason}")
        record = InstanceRecord.of(address, generation, need, self._place(need))
        try:
            self._ledger.write(record)  # first: a scaler that dies in between finds it by name
            popen = self._spawn(record)
        except OSError as exc:
            self._ledger.remove(address)
            raise LaunchError(f"instance {address.instance}: {exc}") from exc
        self._note_pid(record, popen.pid)
        identity = Identity.of(popen.pid) or Identity(pid=popen.pid)
        running = self._running_of(record, popen.pid)
        self._watch(Watched(running, identity, popen))
        self._hold(running)
        name, gpu = ".".join(address), record.place.visible or None
        log.info("launcher.started instance=%s pid=%d gpu=%s", name, popen.pid, gpu)

    def drain(self, address: WorkerAddress) -> None:
        """Ask an instance to finish what it has and exit."""
        process = self._processes.get(address)
        if process is None or process.running.draining_since_s is not None:
            return
        process.running = replace(process.running, draining_since_s=self._loop.time())
        process.signal(signal.SIGTERM)

    def kill(self, address: WorkerAddress) -> None:
        """End an instance, and all it started, at once."""
        process = self._processes.get(address)
        if process is not None:
            process.kill_session()

    async def close(self) -> None:
        """Stop watching; the instances live on, spares do not."""
        self.spares.close()
        if self._guard is not None:
            await end([self._guard])
        for process in self._processes.values():
            self._loop.remove_reader(process.pidfd)
            process.let_go()
        self._processes.clear()

    def _place(self, need: Need) -> Place:
        found = assignment.place(need, self._machine, self.running())
        return found if self._limiter.binds_cores else replace(found, cpus=())

    def keep_spares(self, count: int) -> None:
        """Have so many worker programs ready to become instances."""
        self.spares.keep(count, environment(NOTHING, Place()))

    def _note_pid(self, record: InstanceRecord, pid: int) -> None:
        identity = Identity.of(pid) or Identity(pid=pid)
        self._ledger.write(replace(record, pid=pid, create_time=identity.create_time))

    def _running_of(self, record: InstanceRecord, pid: int) -> Running:
        return Running(
            address=record.address,
            generation=record.generation,
            pid=pid,
            started_s=self._loop.time(),
            need=record.need,
            place=record.place,
        )

    def _spawn(self, record: InstanceRecord) -> subprocess.Popen[bytes]:
        environ, note_pid = (
            environment(record.need, record.place),
            partial(self._note_pid, record),
        )
        with self._ledger.open_log(record.address) as output:
            spare = self.spares.take(record.address, record.generation, environ, output, note_pid)
            return spare or subprocess.Popen(
                self._command(record.address, record.generation),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=lifecycle.lifeline_fds(),
                env=environ,
            )

    def _watch(self, process: Watched) -> None:
        self._processes[process.running.address] = process
        self._loop.add_reader(process.pidfd, self._note_ended, process)

    def _hold(self, running: Running) -> None:
        """Hold an instance to its limits; one that cannot be held serves on, and it is told."""
        held = replace(running, need=assignment.cut(running.need, self._machine))
        try:
            self._limiter.hold(held)
        except OSError as exc:
            log.error("launcher.not_held instance=%s %s", ".".join(running.address), exc)
            self._note_trouble(running.address, f"not held to its limits: {exc}")
        if held.need.memory_bytes and self._guard is None:
            self._guard = self._loop.create_task(self._guard_memory())

    async def _guard_memory(self) -> None:
        """Look for instances that have used up their memory, for ever."""
        while True:
            for overrun in await asyncio.to_thread(self._check_memory):
                self._note_trouble(overrun.address, overrun.text)
                if (process := self._processes.get(overrun.address)) is not None:
                    for callback in self._on_out_of_memory:
                        callback(process.running)
            await asyncio.sleep(GUARD_S)

    def _check_memory(self) -> Sequence[Overrun]:
        try:
            return self._limiter.check()
        except OSError as exc:  # the next look may do better
            log.error("launcher.memory_unknown %s", exc)
            return ()

    def _note_trouble(self, address: WorkerAddress, text: str) -> None:
        process = self._processes.get(address)
        if process is None:
            return  # it has ended, and its end says why
        log.warning("launcher.trouble instance=%s %s", ".".join(address), text)
        process.running = replace(process.running, trouble=text)

    def _note_ended(self, process: Watched) -> None:
        address = process.running.address
        self._loop.remove_reader(process.pidfd)
        os.close(process.pidfd)
        del self._processes[address]
        code = process.code()
        words = self._ledger.last_words(address)
        self._ledger.remove(address)
        why = self._limiter.release(address)
        log.info("launcher.ended instance=%s code=%s %s", ".".join(address), code, why)
        self._on_ended(Ended(running=process.running, code=code, last_words=words, why=why))
