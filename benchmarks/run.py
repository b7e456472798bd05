"""`make bench`: the mesh beside the floor and its peers.

python -m benchmarks.run --rounds 5 --seconds 5 --only mesh,floor
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from benchmarks import report, rounds
from benchmarks.figures import Samples, ratios
from benchmarks.processes import ServerError
from benchmarks.servers import SERVERS, Server

LATEST: Final = Path(__file__).parent / "results" / "latest.json"


def chosen(only: str) -> list[Server]:
    """Return the servers to measure, leaving out, loudly, a peer that cannot be installed here."""
    names = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := names - {server.name for server in SERVERS}:
        raise click.BadParameter(f"no such server: {', '.join(sorted(unknown))}")
    ready = []
    for server in SERVERS:
        if names and server.name not in names:
            continue
        try:
            server.prepare()
        except ServerError as exc:
            print(f"bench: SKIPPED {server.name}: {exc}", file=sys.stderr)
            continue
        ready.append(server)
    return ready


@click.command()
@click.option("--rounds", "count", default=5, show_default=True, help="Turns of every server.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of one load.")
@click.option("--only", default="", help="Servers to measure, by comma; default all.")
@click.option("--output", type=click.Path(path_type=Path), default=LATEST, help="JSON file.")
def main(count: int, seconds: float, only: str, output: Path) -> None:
    """Compare the mesh with the floor and its peers."""
    plan = rounds.Plan(rounds=count, seconds=seconds)
    servers = chosen(only)
    try:
        turns = rounds.run(servers, plan)
    except ServerError as exc:
        raise click.ClickException(str(exc)) from exc
    samples = Samples([sample for _, turn in turns for sample in turn.samples])
    report.write(output, report.document(turns, plan, ratios(samples)))
    print(report.markdown(turns, {server.name: server.title for server in servers}))


if __name__ == "__main__":
    main()
