"""The demo: two models behind one endpoint, mirrored, then split 90/10. `make demo` runs it.

Starts a mesh of its own in a temporary folder on free ports, does with the `mesh` command what a
person would do, and takes everything down again. Exits with 1 if anything is not as it should be.
"""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import figures
from load import Outcome, send
from mirror import copies, shadow_answers
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_iris

IRIS = Path(__file__).resolve().parents[1] / "iris"
MESH = Path(sysconfig.get_path("scripts")) / "mesh"
MIRROR_PERCENT = 20
SPLIT = {"blue": 90, "green": 10}
MIRRORED_REQUESTS = 500
SPLIT_REQUESTS = 1000

console = Console(highlight=False)


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started_s = time.monotonic()
    with temporary_mesh():
        deploy()
        complaints = [*show_mirror(), *show_split()]
    for complaint in complaints:
        console.print("not as it should be:", complaint, style="red", markup=False)
    if not complaints:
        console.print(
            f"[green]Everything as it should be[/], in {time.monotonic() - started_s:.0f} s."
        )
    return 1 if complaints else 0


@contextmanager
def temporary_mesh() -> Iterator[None]:
    """A mesh of the demo's own, gone with all its processes and files at the end."""
    folder = tempfile.mkdtemp(prefix="mesh-demo-")
    os.environ["MESH_STATE_DIR"] = folder
    os.environ.pop("NATS_URL", None)
    try:
        say("A mesh: nats-server, gateway and scaler")
        mesh("up", "--detach", "--port", "0", "--set", "scaler.port=0")
        yield
    finally:
        say("Down again")
        subprocess.run([MESH, "down"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def deploy() -> None:
    """Train two models and deploy both behind one endpoint."""
    say("Two models, trained on the iris data")
    subprocess.run([sys.executable, "train.py"], cwd=IRIS, check=True)
    say("An endpoint with two deployments; all traffic goes to the first")
    mesh("endpoint", "create", "-f", "endpoint.yml", "-o", "none")
    mesh("deployment", "create", "-f", "blue.yml", "--all-traffic", "-o", "none")
    mesh("deployment", "create", "-f", "green.yml", "-o", "none")
    mesh("endpoint", "invoke", "-n", "iris", "--request-file", "request.json")


def show_mirror() -> Iterator[str]:
    """Copy some of the requests to the second deployment, and see what becomes of the copies."""
    say(f"{MIRROR_PERCENT} % of the requests copied to green; clients see only blue")
    mesh(
        "endpoint",
        "update",
        "-n",
        "iris",
        "--mirror-traffic",
        f"green={MIRROR_PERCENT}",
        "-o",
        "none",
    )
    outcomes = load(MIRRORED_REQUESTS)
    copied = copies(scoring_uri())
    answered = shadow_answers("iris", "green", int(copied.get("copied", 0)))
    console.print(figures.mirror_table(copied, answered))
    yield from figures.failures(outcomes)
    yield from figures.split_complaints(outcomes, {"blue": 100})
    yield from figures.mirror_complaints(MIRRORED_REQUESTS, MIRROR_PERCENT, copied, answered)


def show_split() -> Iterator[str]:
    """Split the requests between the two."""
    say("90 % to blue, 10 % to green")
    split = " ".join(f"{name}={percent}" for name, percent in SPLIT.items())
    mesh(
        "endpoint", "update", "-n", "iris", "--traffic", split, "--mirror-traffic", "green=0",
        "-o", "none",
    )  # fmt: skip
    outcomes = load(SPLIT_REQUESTS)
    console.print(figures.split_table(outcomes, SPLIT))
    console.print(figures.latency_table(outcomes))
    yield from figures.failures(outcomes)
    yield from figures.split_complaints(outcomes, SPLIT)


def load(count: int) -> list[Outcome]:
    """Send requests with flowers picked at random."""
    flowers = load_iris().data.tolist()
    chance = random.Random(0)
    bodies = [json.dumps({"data": chance.sample(flowers, 2)}).encode() for _ in range(count)]
    columns = (TextColumn("requests"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=count)
        return send(scoring_uri(), primary_key(), bodies, lambda: progress.advance(task))


def scoring_uri() -> str:
    return ask("endpoint", "show", "-n", "iris", "--query", "scoring_uri")


def primary_key() -> str:
    return ask("endpoint", "get-credentials", "-n", "iris", "--query", "primaryKey")


def mesh(*args: str) -> None:
    """Run `mesh ...` in the folder of the example, in sight."""
    console.print(f"$ mesh {shlex.join(args)}", style="bold cyan", markup=False, soft_wrap=True)
    subprocess.run([MESH, *args], cwd=IRIS, check=True)


def ask(*args: str) -> str:
    """Return what `mesh ... -o tsv` prints."""
    command = [MESH, *args, "-o", "tsv"]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def say(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as exc:
        sys.exit(f"a command of the demo failed with exit code {exc.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
