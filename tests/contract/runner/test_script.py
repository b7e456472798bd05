"""What a scoring script may do and what becomes of it, under every Python."""

import json

import pytest

from mesh.errors import BootError
from tests.runners import ECHO, Stage


async def test_result_is_json_of_what_run_returned(stage: Stage):
    """`run` gets the body as text; its result is answered as JSON with status 200."""
    runner = await stage.runner(
        """
        import json
        def init():
            global scale
            scale = 2
        def run(raw_data):
            return {"result": [x * scale for x in json.loads(raw_data)["data"]]}
        """
    )

    outcome = await stage.call(runner, '{"data": [1, 2]}')

    assert (outcome.status, outcome.content_type) == (200, "application/json")
    assert json.loads(outcome.body) == {"result": [2, 4]}
    assert outcome.run_ms > 0


async def test_text_result_is_a_json_string(stage: Stage):
    """A str is encoded like any other value."""
    runner = await stage.runner(ECHO)

    outcome = await stage.call(runner, "grüße")

    assert json.loads(outcome.body) == "grüße"


async def test_bytes_result_is_an_internal_error(stage: Stage):
    """What is not JSON is refused as the Azure server refuses it; run() has not failed."""
    runner = await stage.runner("def init(): pass\ndef run(raw): return b'x'")

    outcome = await stage.call(runner)

    assert (outcome.status, outcome.raised) == (500, False)
    assert b"An unexpected internal error occurred" in outcome.body
    assert (await stage.heard.line("not JSON serializable")).request_id == "id-1"


async def test_body_that_is_not_text_is_refused(stage: Stage):
    """400 without a call of run()."""
    runner = await stage.runner("def init(): pass\ndef run(raw): print('called')")

    outcome = await stage.call(runner, b"\xff\xfe")

    assert outcome.status == 400
    assert json.loads(outcome.body)["message"].startswith("Input cannot be decoded as UTF-8")
    assert not stage.heard.lines


async def test_request_headers_are_given_on_demand(stage: Stage):
    """A parameter of that name gets the caller's headers, repeated names joined."""
    runner = await stage.runner(
        "def init(): pass\ndef run(raw, *, request_headers): return request_headers"
    )

    outcome = await stage.call(runner, headers=b'[["a", "1"], ["b", "2"], ["a", "3"]]')

    assert json.loads(outcome.body) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_error_in_run_is_500_and_its_traceback_is_logged(stage: Stage, kind: str):
    """The caller is told to look into the log, which has the traceback without our frames."""
    runner = await stage.runner(
        f"""
        def init(): pass
        {kind} run(raw):
            raise ValueError("no such thing: " + raw)
        """
    )

    outcome = await stage.call(runner, "cat")

    assert (outcome.status, outcome.raised) == (500, True)
    assert b"An unexpected error occurred in scoring script" in outcome.body
    await stage.heard.line("ValueError: no such thing: cat")
    assert {line.request_id for line in stage.heard.lines} == {"id-1"}
    assert not [line for line in stage.heard.lines if "workers/runner" in line.text]


async def test_keyboard_interrupt_in_run_is_an_error_of_the_script(stage: Stage):
    """It ends the request, not the runner."""
    runner = await stage.runner(
        """
        def init(): pass
        def run(raw):
            if raw == "stop": raise KeyboardInterrupt
            return raw
        """
    )

    stopped = await stage.call(runner, "stop")
    after = await stage.call(runner, "go on")

    assert (stopped.status, after.status) == (500, 200)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_system_exit_in_run_ends_the_runner(stage: Stage, kind: str):
    """The request counts as begun, with the exit code in the reason."""
    runner = await stage.runner(f"import sys\ndef init(): pass\n{kind} run(raw): sys.exit(7)")
    runner.submit(stage.request())

    ended = await stage.heard.exit()

    assert (ended.cause, ended.started) == ("crashed", {1})
    assert "exit code 7" in ended.reason


async def test_script_sees_its_environment_and_folder(stage: Stage):
    """Deployment variables, the model folder, the code folder as working folder and on the path."""
    (stage.folder / "frames.py").write_text("WORD = 'mine'")
    (stage.folder / "console.py").write_text("WORD = 'mine too'")
    runner = await stage.runner(
        """
        import os, sys, frames, console
        def init(): pass
        def run(raw):
            return [os.environ["AZUREML_MODEL_DIR"], os.environ["GREETING"], os.getcwd(),
                    sys.path[0], frames.WORD, console.WORD, sys.argv]
        """,
        model_dir="/models/m/1",
        env={"GREETING": "hello"},
    )

    outcome = await stage.call(runner)

    folder = str(stage.folder)
    script = folder + "/score.py"
    expected = ["/models/m/1", "hello", folder, folder, "mine", "mine too", [script]]
    assert json.loads(outcome.body) == expected


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_module_named_like_ours_does_not_harm(stage: Stage, kind: str):
    """A file of the user's may have the name of a module that the runner itself needs."""
    for module in ("json", "selectors", "queue", "cell"):
        (stage.folder / f"{module}.py").write_text("raise RuntimeError('imported by the runner')")

    runner = await stage.runner(f"def init(): pass\n{kind} run(raw): return raw")

    assert (await stage.call(runner, "x")).body == b'"x"'


async def test_classes_of_the_script_can_be_pickled(stage: Stage):
    """The script is a module like any other."""
    runner = await stage.runner(
        """
        import pickle
        class Model: pass
        def init(): pass
        def run(raw): return type(pickle.loads(pickle.dumps(Model()))).__module__
        """
    )

    assert (await stage.call(runner)).body == b'"score"'


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_script_may_start_processes_of_its_own(stage: Stage, method: str):
    """Their work and what they print come back; they hold nothing of the runner's open."""
    runner = await stage.runner(
        f"""
        import multiprocessing
        def double(x):
            print("child", flush=True)
            return 2 * x
        def init(): pass
        def run(raw):
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                return pool.map(double, [int(raw)])
        """
    )

    outcome = await stage.call(runner, "21")

    assert outcome.body == b"[42]"
    await stage.heard.line("child")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("import nothing_such", "No module named 'nothing_such'", id="import"),
        pytest.param("def init(:", "SyntaxError", id="syntax"),
        pytest.param("def init(): pass", "score.py: no function run()", id="no run"),
        pytest.param("x = 1", "no function init() and no function run()", id="nothing"),
        pytest.param("def init(): 1/0\ndef run(raw): pass", "ZeroDivisionError", id="init"),
        pytest.param("def init(): exit(5)\ndef run(raw): pass", "SystemExit: 5", id="exit"),
        pytest.param("def init(): pass\ndef run(*a): pass", "variadic positional", id="args"),
        pytest.param("def init(): pass\ndef run(d, **k): pass", "variadic keyword", id="kwargs"),
        pytest.param("def init(): pass\ndef run(d, /): pass", "positional-only", id="only"),
        pytest.param("def init(): pass\ndef run(): pass", "no parameter", id="none"),
        pytest.param(
            "def init(): pass\ndef run(request_headers): pass", "no parameter", id="headers only"
        ),
        pytest.param("def init(): pass\ndef run(a, b): pass", "more than one", id="two"),
        pytest.param("async def init(): pass\ndef run(a): pass", "init() is async", id="async"),
    ],
)
async def test_boot_error_is_the_scripts_own(stage: Stage, script: str, message: str):
    """What keeps a script from booting is told as its author knows it, and ends the process."""
    with pytest.raises(BootError) as caught:
        await stage.runner(script)

    assert message in caught.value.message
    assert "workers/runner" not in caught.value.message
    assert caught.value.context["is_said"]
    assert (await stage.heard.exit()).cause == "boot"


async def test_async_requests_run_at_the_same_time(stage: Stage):
    """The second request lets the first one end."""
    runner = await stage.runner(
        """
        import asyncio
        async def init():
            global gate
            gate = asyncio.Event()
        async def run(raw):
            if raw == "open": gate.set()
            await gate.wait()
            return raw
        """
    )
    runner.submit(stage.request("wait"))

    await stage.call(runner, "open")
    first = await stage.heard.end(1)

    assert first.body == b'"wait"'


async def test_a_fork_of_the_script_answers_nothing(stage: Stage):
    """A child that comes back from run() has no part in the channel: it takes no requests away."""
    runner = await stage.runner(
        "import os\ndef init(): pass\ndef run(raw): return [raw, os.fork() > 0, os.getpid()]"
    )

    said = [(await stage.call(runner, f'"{n}"')).body for n in range(5)]

    assert said == [json.dumps([f'"{n}"', True, runner.pid]).encode() for n in range(5)]
