"""One runner process and how it ends: nothing is lost, nothing is told twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from mesh.errors import BootError
from mesh.process import Identity, wait_gone
from tests.runners import ECHO, Stage

# Writes down which requests have begun before anything else happens to them.
DIARY = """
import json, os
def init(): pass
{kind} run(raw):
    order = json.loads(raw)
    with open("diary", "a") as diary: diary.write(f"{{order['n']}}\\n")
    exec(order.get("do", ""))
    return order["n"]
"""
HANG = """
import time
def init(): pass
def run(raw):
    print("hanging", flush=True)
    time.sleep(60)
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage under our own interpreter."""
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("do", ["os._exit(9)", "os.kill(os.getpid(), 9)", "os.abort()"])
@pytest.mark.parametrize("position", [1, 5, 80])
async def test_crash_tells_exactly_what_had_begun(stage: Stage, kind: str, do: str, position: int):
    """Every request is either answered, or begun, or never begun; the cell knows which."""
    runner = await stage.runner(DIARY.format(kind=kind))
    for n in range(1, 101):
        runner.submit(stage.request(json.dumps({"n": n, "do": do if n == position else ""})))

    ended = await stage.heard.exit()

    begun = {int(line) for line in (stage.folder / "diary").read_text().split()}
    answered = set(stage.heard.order)
    assert ended.cause == "crashed"
    assert ended.started == begun - answered
    assert ended.waiting == set(range(1, 101)) - begun
    assert position in ended.started


async def test_kill_from_outside_is_a_crash_like_any_other(stage: Stage):
    """The request that ran has begun, those behind it have not."""
    runner = await stage.runner(HANG)
    for _ in range(3):
        runner.submit(stage.request())
    await stage.heard.line("hanging")

    os.kill(runner.pid, signal.SIGKILL)
    ended = await stage.heard.exit()

    assert (ended.started, ended.waiting) == ({1}, {2, 3})
    assert "SIGKILL" in ended.reason


async def test_result_sent_before_the_crash_is_delivered(stage: Stage):
    """Outcomes come before the end is told."""
    runner = await stage.runner(DIARY.format(kind="def"))
    await stage.call(runner, '{"n": 1}')

    runner.submit(stage.request('{"n": 2, "do": "os._exit(1)"}'))
    await stage.heard.exit()

    assert stage.heard.order == [1]


async def test_request_that_overruns_its_deadline_is_stopped(stage: Stage):
    """A sync run cannot be cancelled: the process goes, and says where it was."""
    runner = await stage.runner(HANG)
    deadline_s = time.monotonic() + 100
    runner.submit(stage.request(deadline_s=deadline_s))
    runner.submit(stage.request(deadline_s=deadline_s + 100))
    await stage.heard.line("hanging")

    runner.sweep(deadline_s - 1)
    assert runner.is_ready
    runner.sweep(deadline_s + 1)
    ended = await stage.heard.exit()

    assert (ended.cause, ended.stopped, ended.waiting) == ("overdue", {1}, {2})
    assert ended.started == frozenset()
    assert any("score.py" in line.text and "in run" in line.text for line in stage.heard.lines)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_caller_in_a_hurry_brings_no_runner_down(stage: Stage, kind: str):
    """A deadline shorter than the deployment's timeout stops nothing before that has passed."""
    runner = await stage.runner(HANG.replace("def run", f"{kind} run"), run_limit_s=100.0)
    handed_s = time.monotonic()
    runner.submit(stage.request(deadline_s=handed_s))
    await stage.heard.line("hanging")

    runner.sweep(handed_s + 90)
    assert runner.is_ready
    runner.sweep(time.monotonic() + 100)

    assert (await stage.heard.exit()).cause == "overdue"


async def test_soft_timeout_lets_the_request_go_on(stage: Stage):
    """Without hard_timeout nothing is stopped."""
    runner = await stage.runner(ECHO, hard_timeout=False)
    runner.submit(stage.request(deadline_s=0.0))

    runner.sweep(1.0)

    assert (await stage.call(runner)).status == 200


async def test_what_a_slow_neighbour_kept_from_being_told_is_not_blamed(stage: Stage):
    """Quick requests whose answers waited for the one that hangs: they run again, uncounted."""
    script = HANG.replace(
        '    print("hanging', '    if raw == "quick": return 1\n    print("hanging'
    )
    runner = await stage.runner(script)
    for _ in range(20):
        await stage.call(runner, "quick")
    deadline_s = time.monotonic() + 100
    for body in ("quick", "quick", "slow"):
        runner.submit(stage.request(body, deadline_s=deadline_s))
    await stage.heard.line("hanging")

    runner.sweep(deadline_s + 1)
    ended = await stage.heard.exit()

    assert (ended.started, ended.stopped) == (frozenset(), {23})
    assert ended.waiting | set(stage.heard.order) >= {21, 22}


@pytest.mark.parametrize("grace_s", [None, 50.0])
async def test_run_whose_caller_has_gone_is_stopped_if_that_is_wanted(stage: Stage, grace_s):
    """After the grace time, its runner with it; what waits behind it has no part in it."""
    runner = await stage.runner(HANG, cancel_grace_s=grace_s)
    runner.submit(stage.request())
    runner.submit(stage.request())
    await stage.heard.line("hanging")

    runner.cancel(1)
    runner.sweep(time.monotonic() + 40)
    assert not stage.heard.exits
    runner.sweep(time.monotonic() + 60)
    if grace_s is None:
        runner.kill()
    ended = await stage.heard.exit()

    expected = ("killed", {1}, set()) if grace_s is None else ("cancelled", set(), {1})
    assert (ended.cause, ended.started, ended.stopped) == expected
    assert ended.waiting == {2}


async def test_async_run_whose_caller_has_gone_costs_no_runner(stage: Stage):
    """It is told by CancelledError; one that does not listen is left to its time limit."""
    deaf = HANG.replace("def run", "async def run")
    runner = await stage.runner(deaf, cancel_grace_s=0.0)
    runner.submit(stage.request())
    await stage.heard.line("hanging")

    runner.cancel(1)
    runner.sweep(time.monotonic() + 60)

    assert runner.is_ready
    assert not stage.heard.exits


async def test_async_request_is_cancelled_at_its_deadline(stage: Stage):
    """Its neighbour is not harmed."""
    runner = await stage.runner(
        "import asyncio\ndef init(): pass\n"
        "async def run(raw):\n    await asyncio.sleep(float(raw))\n    return raw"
    )
    runner.submit(stage.request("60", deadline_s=1.0))
    runner.submit(stage.request("0.2"))

    runner.sweep(1.5)

    assert (await stage.heard.end(1)).cancelled
    assert (await stage.heard.end(2)).status == 200


async def test_async_script_that_blocks_its_loop_is_stopped(stage: Stage):
    """A task that does not end when cancelled takes its runner along."""
    runner = await stage.runner(HANG.replace("def run", "async def run"))
    deadline_s = time.monotonic() + 100
    runner.submit(stage.request(deadline_s=deadline_s))
    await stage.heard.line("hanging")

    runner.sweep(deadline_s + 0.5)
    assert runner.is_ready
    runner.sweep(deadline_s + 1.5)

    assert (await stage.heard.exit()).cause == "overdue"


async def test_nobody_is_blamed_for_a_blocked_loop(stage: Stage):
    """It may be any of those in hand: all of them have begun, none is known to be over."""
    runner = await stage.runner("""
        import asyncio, time
        def init(): pass
        async def run(raw):
            await asyncio.sleep(0)
            if raw == "block":
                print("blocking", flush=True)
                time.sleep(60)
            await asyncio.sleep(60)
    """)
    deadline_s = time.monotonic() + 100
    for body in ("one", "block", "other"):
        runner.submit(stage.request(body, deadline_s=deadline_s))
    await stage.heard.line("blocking")

    runner.sweep(deadline_s + 1.5)
    ended = await stage.heard.exit()

    assert (ended.cause, ended.started, ended.stopped) == ("overdue", {1, 2, 3}, frozenset())


async def test_boot_that_takes_too_long_is_given_up(stage: Stage):
    """The error says so; the log says where init() was."""
    with pytest.raises(BootError, match=r"init\(\) did not finish in 0.4 s"):
        await stage.runner(
            HANG.replace("def init(): pass", "def init(): time.sleep(60)"), boot_timeout_s=0.4
        )

    assert (await stage.heard.line("in init")).stream == "stderr"
    assert (await stage.heard.exit()).cause == "boot"


async def test_death_while_booting_tells_the_last_words(stage: Stage):
    """A crash in an import is a boot error with what it printed."""
    with pytest.raises(BootError, match=r"(?s)exit code 9 before.*no GPU here"):
        await stage.runner("import os\nos.write(2, b'no GPU here\\n')\nos._exit(9)")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"code_dir": "/no/such/folder"}, id="folder"),
        pytest.param({"name": "score.txt"}, id="script"),
    ],
)
async def test_what_cannot_be_started_is_a_boot_error(stage: Stage, options: dict[str, str]):
    """A wrong path in a spec is the deployment's fault, and said as such."""
    with pytest.raises(BootError, match=r"no/such/folder|score.txt is not a Python file"):
        await stage.runner(ECHO, **options)


async def test_missing_interpreter_is_a_boot_error(stage: Stage):
    """By its name."""
    stage.python = "/no/such/python"

    with pytest.raises(BootError, match="/no/such/python"):
        await stage.runner(ECHO)


async def test_close_lets_it_finish(stage: Stage):
    """What was handed over is answered, exit code 0."""
    runner = await stage.runner(DIARY.format(kind="def"))
    for n in range(50):
        runner.submit(stage.request(f'{{"n": {n}}}'))

    await runner.close(5.0)

    assert len(stage.heard.order) == 50
    assert (stage.heard.exits[0].cause, stage.heard.exits[0].started) == ("closed", frozenset())


async def test_close_ends_what_does_not_finish(stage: Stage):
    """After the grace it is killed, together with what it has started."""
    runner = await stage.runner(
        """
        import subprocess, time
        def init(): pass
        def run(raw):
            print("child", subprocess.Popen(["sleep", "60"]).pid, flush=True)
            time.sleep(60)
        """
    )
    runner.submit(stage.request())
    child = Identity.of(int((await stage.heard.line("child")).text.split()[1]))
    assert child is not None

    await runner.close(0.05)

    assert stage.heard.exits[0].started == {1}
    assert not await wait_gone([child], 5.0)


async def test_large_bodies_pass_both_ways(stage: Stage):
    """100 MiB in, 100 MiB out, and small ones behind them."""
    size = 100 << 20
    runner = await stage.runner(
        "def init(): pass\ndef run(raw): return len(raw) if len(raw) > 9 else 'y' * int(raw)"
    )

    there = await stage.call(runner, b"x" * size)
    back = await stage.call(runner, str(size))

    assert there.body == b"%d" % size
    assert back.body == b'"' + b"y" * size + b'"'
    assert (await stage.call(runner, "1")).body == b'"y"'


async def test_room_is_made_by_quick_requests_only(stage: Stage):
    """An unknown or slow script is handed one request at a time, a quick one many."""
    runner = await stage.runner(ECHO)
    runner.submit(stage.request())
    assert not runner.room

    for _ in range(100):
        await stage.call(runner)
    for _ in range(5):
        runner.submit(stage.request())

    assert runner.room


async def test_nothing_of_ours_is_in_its_environment(stage: Stage, monkeypatch):
    """Neither variables of the worker nor its descriptors reach the user's code."""
    monkeypatch.setenv("MESH_NATS__PASSWORD", "secret")
    runner = await stage.runner(
        "import os\ndef init(): pass\n"
        "def run(raw): return [dict(os.environ), sorted(map(int, os.listdir('/proc/self/fd')))]"
    )

    environment, descriptors = json.loads((await stage.call(runner)).body)

    assert not [name for name in environment if name.startswith("MESH")]
    assert len(descriptors) <= 6  # three standard ones, socket, cell, the listing itself


async def test_runner_dies_with_its_supervisor(stage: Stage):
    """However the worker ends, no user code stays behind."""
    path = stage.config(ECHO).script
    supervisor = f"""
import asyncio, sys
from workers.supervise import Callbacks, RunnerConfig, RunnerProcess
async def main():
    config = RunnerConfig(python=sys.executable, script={path!r})
    runner = RunnerProcess.start(config, Callbacks(print, print, print))
    await runner.ready()
    print(runner.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", supervisor, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    runner = Identity.of(int(await process.stdout.readline()))

    process.kill()
    await process.wait()

    assert runner is not None
    assert not await wait_gone([runner], 5.0)


def test_it_works_under_uvloop(tmp_path: Path):
    """The loop of production."""

    async def main() -> int:
        stage = Stage(tmp_path)
        runner = await stage.runner(ECHO)
        outcome = await stage.call(runner)
        await stage.close()
        return outcome.status

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        assert loop.run(main()) == 200
