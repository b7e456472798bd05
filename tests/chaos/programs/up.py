"""`python -m tests.chaos.programs.up`: `mesh up`, whose gateways and workers may be odd ones."""

import sys

import msgspec

from mesh.embedded.daemon import run_here
from mesh.embedded.folder import StateFolder
from mesh.embedded.programs import Program, write_settings
from mesh.settings import Settings, load_settings

READY = "ready"


def programs(folder: StateFolder, settings: Settings) -> list[Program]:
    """The programs of `mesh up`, started through those of this folder."""
    return [
        msgspec.structs.replace(one, command=odd(one)) for one in write_settings(folder, settings)
    ]


def odd(program: Program) -> tuple[str, ...]:
    """Return how a program is started."""
    python, option, module, *more = program.command
    if module == "scaler":
        return (python, option, "tests.chaos.programs.scaler", *more)
    return (python, option, "tests.chaos.programs.odd", module, *more)


def main() -> int:
    """Run the mesh until it is told to stop."""
    return run_here(load_settings(), lambda _: print(READY, flush=True), programs)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
