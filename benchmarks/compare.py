"""`make bench-compare BASE=<commit>`: this tree against another commit of it, interleaved.

python -m benchmarks.compare --base HEAD~1 --rounds 5 --seconds 5
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from benchmarks import report, rounds
from benchmarks.figures import OURS, Figure, Samples
from benchmarks.mesh import EXECUTABLE, ROOT, open_mesh
from benchmarks.processes import ServerError
from benchmarks.servers import Server

BASE: Final = "base"
OUTPUT: Final = Path(__file__).parent / "results" / "compare.json"


def checkout(base: str) -> Path:
    """Return a worktree of a commit with an environment of its own; the one before it goes.

    Raises:
        ServerError: there is no such commit, or it cannot be set up.
    """
    commit = _run(ROOT, "git", "rev-parse", "--verify", f"{base}^{{commit}}").strip()
    home = ROOT / ".bench"
    tree = home / commit[:12]
    for old in (old for old in home.glob("*") if old != tree):
        _run(ROOT, "git", "worktree", "remove", "--force", str(old))
    _run(ROOT, "git", "worktree", "prune")
    if not tree.exists():
        _run(ROOT, "git", "worktree", "add", "--detach", str(tree), commit)
    print(f"bench: setting up {commit[:12]} in {tree.relative_to(ROOT)}", file=sys.stderr)
    _run(tree, "make", "setup", f"PYTHON={sys.executable}", "VENV=.venv")
    return tree


def _run(cwd: Path, *words: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(words)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def compared(samples: Samples) -> dict[str, Figure]:
    """How this tree does beside the base: above 1 is better for throughput, below for latency."""
    found = {}
    for connections in samples.connections:
        name = f"c{connections}"
        found[f"{name}.throughput"] = samples.throughput_ratio(OURS, BASE, connections)
        found[f"{name}.p50"] = samples.ratio(OURS, BASE, connections, lambda s: s.p50_ms)
        found[f"{name}.cpu"] = samples.ratio(OURS, BASE, connections, lambda s: s.cpu_us)
    return found


@click.command()
@click.option("--base", required=True, help="Commit to compare with.")
@click.option("--rounds", "count", default=5, show_default=True, help="Turns of each.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of one load.")
def main(base: str, count: int, seconds: float) -> None:
    """Compare this tree with another commit."""
    plan = rounds.Plan(rounds=count, seconds=seconds)
    try:
        tree = checkout(base)
        theirs = tree / ".venv" / "bin" / "mesh"
        titles = {OURS: f"this tree ({report.commit()})", BASE: f"base ({report.commit(tree)})"}
        servers = (
            Server(name=OURS, title=titles[OURS], open=lambda at: open_mesh(at, EXECUTABLE)),
            Server(name=BASE, title=titles[BASE], open=lambda at: open_mesh(at, theirs)),
        )
        turns = rounds.run(servers, plan)
    except ServerError as exc:
        raise click.ClickException(str(exc)) from exc
    samples = Samples([sample for _, turn in turns for sample in turn.samples])
    found = compared(samples)
    report.write(OUTPUT, {**report.document(turns, plan, found), "servers": titles})
    print(report.throughput_table(samples, titles))
    print()
    print(report.ratio_table(found))


if __name__ == "__main__":
    main()
