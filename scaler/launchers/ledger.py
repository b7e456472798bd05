"""The files of this machine's instances: who runs, and what each wrote last. Ring: adapter."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import IO, Final

import msgspec

from mesh.jsonfile import write_record
from mesh.process import Identity
from mesh.subjects import WorkerAddress
from scaler.launchers import ANYWHERE, NOTHING, Need, Place

log = logging.getLogger("scaler.launchers.ledger")

KEPT_LOGS: Final = 10
LAST_WORDS_BYTES: Final = 4096


class InstanceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An instance and its process; `pid` is 0 from just before its start until just after."""

    endpoint: str
    deployment: str
    instance: str
    generation: int
    pid: int = 0
    create_time: float = 0.0
    need: Need = NOTHING
    place: Place = ANYWHERE

    @classmethod
    def of(
        cls,
        address: WorkerAddress,
        generation: int,
        need: Need = NOTHING,
        place: Place = ANYWHERE,
    ) -> InstanceRecord:
        """The record of an instance about to be started."""
        return cls(
            endpoint=address.endpoint,
            deployment=address.deployment,
            instance=address.instance,
            generation=generation,
            need=need,
            place=place,
        )

    @property
    def address(self) -> WorkerAddress:
        """Which instance it is."""
        return WorkerAddress(self.endpoint, self.deployment, self.instance)

    def identity(self) -> Identity | None:
        """Its process, None if it was never written down."""
        return Identity(pid=self.pid, create_time=self.create_time) if self.pid else None


class Ledger:
    """One record file and one log file per instance, under the state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._records = state_dir / "workers"
        self._logs = state_dir / "logs"
        for folder in (self._records, self._logs):
            folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"<Ledger {self._records}>"

    def read(self) -> list[InstanceRecord]:
        """Every record there is; unreadable ones are logged and left."""
        records = []
        for path in sorted(self._records.glob("*.json")):
            try:
                records.append(msgspec.json.decode(path.read_bytes(), type=InstanceRecord))
            except (OSError, msgspec.MsgspecError) as exc:
                log.warning("ledger.unreadable file=%s %s", path, exc)
        return records

    def write(self, record: InstanceRecord) -> None:
        """Write a record in one step."""
        write_record(self._record_path(record.address), record)

    def remove(self, address: WorkerAddress) -> None:
        """Remove a record; harmless if there is none."""
        with contextlib.suppress(FileNotFoundError):
            self._record_path(address).unlink()

    def open_log(self, address: WorkerAddress) -> IO[bytes]:
        """Open the instance's log to append, and remove old ones of instances that have ended."""
        logs = self._logs.glob(f"{address.endpoint}.{address.deployment}.*.log")
        ended = [path for path in logs if not (self._records / f"{path.stem}.json").exists()]
        ended.sort(key=lambda path: path.stat().st_mtime)
        for path in ended[: max(0, len(ended) - KEPT_LOGS)]:
            path.unlink(missing_ok=True)
        return self._log_path(address).open("ab")

    def last_words(self, address: WorkerAddress) -> str:
        """The end of the instance's log, whole lines."""
        try:
            with self._log_path(address).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - LAST_WORDS_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = text.splitlines()
        return "\n".join(lines[1:] if size > LAST_WORDS_BYTES else lines)

    def _record_path(self, address: WorkerAddress) -> Path:
        return self._records / f"{'.'.join(address)}.json"

    def _log_path(self, address: WorkerAddress) -> Path:
        return self._logs / f"{'.'.join(address)}.log"
