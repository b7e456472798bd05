"""Ctrl-C while a command waits, and where its output goes."""

import asyncio
import os
import signal
import sysconfig
from pathlib import Path

import pytest

MESH = Path(sysconfig.get_path("scripts")) / "mesh"


@pytest.mark.timeout(30)
async def test_ctrl_c_leaves_the_operation_going(mesh, service, folder):
    """The command says so, names the command that shows it, and exits with 130."""
    service.outcomes = [[("Creating", "")]]
    await mesh("endpoint", "create", "-n", "iris")
    command = (MESH, "deployment", "create", "-f", "blue.yml")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    told = []
    while not any("Creating" in line for line in told):
        told.append((await process.stderr.readline()).decode())

    process.send_signal(signal.SIGINT)
    _, rest = await process.communicate()

    assert process.returncode == 130
    assert "the operation goes on: mesh deployment show -e iris -n blue" in rest.decode()
    assert "Traceback" not in rest.decode()
    assert ("iris", "blue") in service.deployments


@pytest.mark.timeout(30)
async def test_a_closed_pipe_is_no_error_to_read(mesh, service, folder):
    """`mesh ... | head` ends without a traceback."""
    await mesh("endpoint", "create", "-n", "iris")
    command = f"{MESH} endpoint show -n iris -o json | true"
    process = await asyncio.create_subprocess_shell(command, stderr=asyncio.subprocess.PIPE)

    _, told = await process.communicate()

    assert told == b""


@pytest.mark.timeout(30)
async def test_a_terminal_that_knows_ascii_only_is_written_to(mesh, service):
    """A letter that cannot be shown is escaped; it fails no command."""
    await mesh("endpoint", "create", "-n", "iris", "--set", "description=Bl\u00fcte")
    process = await asyncio.create_subprocess_exec(
        *(MESH, "endpoint", "show", "-n", "iris"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )

    shown, _ = await process.communicate()

    assert process.returncode == 0
    assert b"Bl\\xfcte" in shown
