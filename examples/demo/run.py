"""The demo: two models behind one endpoint, mirrored, then split 90/10. `make demo` runs it.

Starts a mesh of its own in a temporary folder on free ports, does with the `mesh` command what a
person would do, and takes everything down again. Exits with 1 if anything is not as it should be.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_iris

from examples import stage
from examples.demo import figures
from examples.demo.load import Outcome, send
from examples.demo.mirror import copies, shadow_answers
from examples.stage import console, say

IRIS = stage.Example(Path(__file__).resolve().parents[1] / "iris", "iris")
MIRROR_PERCENT = 20
SPLIT = {"blue": 90, "green": 10}
MIRRORED_REQUESTS = 500
SPLIT_REQUESTS = 1000


def show() -> Iterator[str]:
    """Run the demo; yield what is not as it should be."""
    deploy()
    yield from show_mirror()
    yield from show_split()


def deploy() -> None:
    """Train two models and deploy both behind one endpoint."""
    say("Two models, trained on the iris data")
    IRIS.train()
    say("An endpoint with two deployments; all traffic goes to the first")
    IRIS.mesh("endpoint", "create", "-f", "endpoint.yml", "-o", "none")
    IRIS.mesh("deployment", "create", "-f", "blue.yml", "--all-traffic", "-o", "none")
    IRIS.mesh("deployment", "create", "-f", "green.yml", "-o", "none")
    IRIS.mesh("endpoint", "invoke", "-n", "iris", "--request-file", "request.json")


def show_mirror() -> Iterator[str]:
    """Copy some of the requests to the second deployment, and see what becomes of the copies."""
    say(f"{MIRROR_PERCENT} % of the requests copied to green; clients see only blue")
    update("--mirror-traffic", f"green={MIRROR_PERCENT}")
    outcomes = load(MIRRORED_REQUESTS)
    copied = copies(IRIS.scoring_uri())
    answered = shadow_answers("iris", "green", int(copied.get("copied", 0)))
    console.print(figures.mirror_table(copied, answered))
    yield from figures.failures(outcomes)
    yield from figures.split_complaints(outcomes, {"blue": 100})
    yield from figures.mirror_complaints(MIRRORED_REQUESTS, MIRROR_PERCENT, copied, answered)


def show_split() -> Iterator[str]:
    """Split the requests between the two."""
    say("90 % to blue, 10 % to green")
    split = " ".join(f"{name}={percent}" for name, percent in SPLIT.items())
    update("--traffic", split, "--mirror-traffic", "green=0")
    outcomes = load(SPLIT_REQUESTS)
    console.print(figures.split_table(outcomes, SPLIT))
    console.print(figures.latency_table(outcomes))
    yield from figures.failures(outcomes)
    yield from figures.split_complaints(outcomes, SPLIT)


def update(*changes: str) -> None:
    IRIS.mesh("endpoint", "update", "-n", "iris", *changes, "-o", "none")


def load(count: int) -> list[Outcome]:
    """Send requests with flowers picked at random."""
    flowers = load_iris().data.tolist()
    chance = random.Random(0)
    bodies = [json.dumps({"data": chance.sample(flowers, 2)}).encode() for _ in range(count)]
    columns = (TextColumn("requests"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=count)
        uri, key = IRIS.scoring_uri(), IRIS.primary_key()
        return send(uri, key, bodies, lambda: progress.advance(task))


if __name__ == "__main__":
    sys.exit(stage.run(show))
