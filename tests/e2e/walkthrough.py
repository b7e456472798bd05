"""Runs the `console` blocks of a Markdown page as a stranger would type them."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = "=== end of command"
LIMIT_S = 120


class Step(NamedTuple):
    """A command, and lines that its output holds in this order; `...` is anything.

    Blanks count as one, so that tables may be as wide as they like.
    """

    command: str
    expected: list[str]


def read_blocks(page: Path) -> list[list[Step]]:
    """Return the steps of each block."""
    blocks = []
    for text in BLOCK.findall(page.read_text(encoding="utf-8")):
        steps: list[Step] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:], []))
            elif line:
                steps[-1].expected.append(line)
        blocks.append(steps)
    return blocks


class Shown(NamedTuple):
    """What a command printed, and its exit code."""

    output: str
    code: int


def run_block(steps: list[Step], folder: Path, environ: dict[str, str]) -> list[Shown]:
    """Run a block's commands in one shell, to its end whatever they exit with."""
    script = "".join(f"{step.command}\necho '{MARK}' $?\n" for step in steps)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
    )
    parts = re.split(rf"{MARK} (\d+)\n", done.stdout)[:-1]
    return [Shown(parts[at], int(parts[at + 1])) for at in range(0, len(parts), 2)]


def complaints(steps: list[Step], shown: list[Shown]) -> list[str]:
    """Return what was not as the page says: an exit code, or a line that is not there."""
    found = []
    for step, (output, code) in zip(steps, shown, strict=True):
        missing = missing_line(output, step.expected)
        if code or missing is not None:
            found.append(f"$ {step.command}\n{output}\nexit code {code}, not shown: {missing}")
    return found


def missing_line(output: str, expected: list[str]) -> str | None:
    """Return the first expected line that the output does not hold after those before it."""
    rest = iter(output.splitlines())
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part) for part in one_blank(line).split("...")))
        if not any(pattern.fullmatch(one_blank(candidate)) for candidate in rest):
            return line
    return None


def one_blank(text: str) -> str:
    """The text with every run of blanks as one."""
    return " ".join(text.split())


def environment(state_dir: Path) -> dict[str, str]:
    """A person's environment: the `mesh` command on the PATH, a state folder of its own."""
    environ = {key: text for key, text in os.environ.items() if key not in ("NATS_URL",)}
    environ["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{environ['PATH']}"
    environ["MESH_STATE_DIR"] = str(state_dir)
    return environ
