"""`python -m tests.chaos.programs.odd ROLE ...`: be a worker or a gateway, perhaps the odd one.

The process becomes the real program by exec, unless the plan has a bug for it.
"""

import os
import runpy
import sys
from pathlib import Path

import msgspec

from mesh.settings import read_settings
from tests.chaos.programs import bugs, plan
from tests.chaos.programs.plan import Oddity


def main() -> None:
    """Become the program."""
    role, arguments = sys.argv[1], sys.argv[2:]
    now = plan.read()
    oddity = now.worker if role == "workers" else now.gateway
    environ = dict(os.environ)
    if oddity is not None and plan.claim(role):
        environ |= oddity.environ
        arguments = with_own_settings(arguments, oddity)
    if not now.bug:
        os.execve(sys.executable, [sys.executable, "-m", role, *arguments], environ)
    sys.argv = [role, *arguments]
    bugs.BUGS[now.bug]()
    runpy.run_module(role, run_name="__main__", alter_sys=True)


def with_own_settings(arguments: list[str], oddity: Oddity) -> list[str]:
    """Return the arguments, with settings that lead another way to the broker."""
    if not oddity.nats_url:
        return arguments
    at = arguments.index("--settings") + 1
    settings = read_settings(arguments[at])
    nats = msgspec.structs.replace(settings.nats, url=oddity.nats_url)
    path = Path(arguments[at]).with_suffix(f".odd-{os.getpid()}.json")
    path.write_bytes(msgspec.structs.replace(settings, nats=nats).to_json())
    return [*arguments[:at], str(path), *arguments[at + 1 :]]


if __name__ == "__main__":
    main()
