"""What the demos stand on: a mesh of their own, and `mesh` commands that are seen."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

MESH = Path(sysconfig.get_path("scripts")) / "mesh"

console = Console(highlight=False)


class Example:
    """A folder with an endpoint's files, and the `mesh` command run in it."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.endpoint = endpoint

    def train(self) -> None:
        subprocess.run([sys.executable, "train.py"], cwd=self.folder, check=True)

    def mesh(self, *args: str) -> None:
        """Run `mesh ...`, in sight."""
        console.print(f"$ mesh {shlex.join(args)}", style="bold cyan", markup=False, soft_wrap=True)
        subprocess.run([MESH, *args], cwd=self.folder, check=True)

    def scoring_uri(self) -> str:
        return self._ask("show", "scoring_uri")

    def primary_key(self) -> str:
        return self._ask("get-credentials", "primaryKey")

    def _ask(self, verb: str, query: str) -> str:
        command = [MESH, "endpoint", verb, "-n", self.endpoint, "--query", query, "-o", "tsv"]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


@contextmanager
def temporary_mesh() -> Iterator[None]:
    """A mesh of the demo's own, gone with all its processes and files at the end."""
    folder = tempfile.mkdtemp(prefix="mesh-demo-")
    os.environ["MESH_STATE_DIR"] = folder
    os.environ.pop("NATS_URL", None)
    try:
        say("A mesh: nats-server, gateway and scaler")
        up = ["up", "--detach", "--port", "0", "--set", "scaler.port=0"]
        Example(Path.cwd(), "").mesh(*up)
        yield
    finally:
        say("Down again")
        subprocess.run([MESH, "down"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    return table


def run(show: Callable[[], Iterable[str]]) -> int:
    """Run a demo on a mesh of its own and print its complaints; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started_s = time.monotonic()
    try:
        with temporary_mesh():
            complaints = list(show())
    except subprocess.CalledProcessError as exc:
        complaints = [f"a command of the demo failed with exit code {exc.returncode}"]
    except KeyboardInterrupt:
        return 130
    for complaint in complaints:
        console.print("not as it should be:", complaint, style="red", markup=False)
    if not complaints:
        took_s = time.monotonic() - started_s
        console.print(f"[green]Everything as it should be[/], in {took_s:.0f} s.")
    return 1 if complaints else 0
