"""Scripts that are asked with arrays, under every Python that has numpy."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from mesh.errors import BootError
from tests.interpreters import VERSIONS, find_python, has_module
from tests.runners import Stage
from workers.launch import Tensors

CPU = Tensors(device="cpu", model_name="blue")
DOUBLE = "def init(): pass\n{kind} run(inputs): return {{'y': inputs['x'] * 2}}\n"


@pytest.fixture
def numpy(stage: Stage):
    """Leaves out the interpreters without it."""
    if not has_module(stage.python, "numpy"):
        pytest.skip(f"no numpy under {stage.python}: tensors are unproven under it")


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage under the tests' interpreter, which has numpy."""
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


def asked(data=(1, 2), **changes) -> str:
    tensor = {"name": "x", "shape": [len(data)], "datatype": "FP32", "data": list(data)}
    return json.dumps({"inputs": [tensor], **changes})


def asked_binary(array, **changes) -> tuple[bytes, bytes]:
    """A body and its headers."""
    parameters = {"binary_data_size": array.nbytes}
    tensor = {
        "name": "x", "shape": list(array.shape), "datatype": "FP32", "parameters": parameters
    }  # fmt: skip
    head = json.dumps({"inputs": [tensor], **changes}).encode()
    pairs = [["inference-header-content-length", str(len(head))]]
    return head + array.tobytes(), json.dumps(pairs).encode()


@pytest.mark.usefixtures("numpy")
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_run_gets_arrays_by_name(stage: Stage, kind: str):
    """Its arrays are answered as an inference response, with the id of the request."""
    runner = await stage.runner(DOUBLE.format(kind=kind), tensors=CPU)

    outcome = await stage.call(runner, asked(id="7"))

    assert (outcome.status, outcome.content_type) == (200, "application/json")
    assert json.loads(outcome.body) == {
        "model_name": "blue",
        "id": "7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [2.0, 4.0]}],
    }


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_binary_is_answered_in_binary_if_asked_for(own: Stage, kind: str):
    """The header says where the JSON ends and the array's bytes begin."""
    runner = await own.runner(DOUBLE.format(kind=kind), tensors=CPU)
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    body, headers = asked_binary(array, parameters={"binary_data_output": True})

    outcome = await own.call(runner, body, headers=headers)

    [[name, length]] = json.loads(outcome.headers)
    head, tail = outcome.body[: int(length)], outcome.body[int(length) :]
    [output] = json.loads(head)["outputs"]
    assert (name, outcome.content_type) == (
        "Inference-Header-Content-Length",
        "application/octet-stream",
    )
    assert output["parameters"] == {"binary_data_size": 24}
    assert np.frombuffer(tail, "<f4").reshape(output["shape"]).tolist() == (array * 2).tolist()


async def test_one_array_needs_no_name(own: Stage):
    """It is called as the request calls its one output, else `output`."""
    runner = await own.runner("def init(): pass\ndef run(x): return x['x'].sum()", tensors=CPU)

    named = await own.call(runner, asked(outputs=[{"name": "total"}]))
    unnamed = await own.call(runner, asked())

    names = [json.loads(got.body)["outputs"][0]["name"] for got in (named, unnamed)]
    assert names == ["total", "output"]


async def test_bad_tensors_are_refused_without_a_call(own: Stage):
    """400 with the input's name; nothing is in the log of a script that has done no wrong."""
    runner = await own.runner("def init(): pass\ndef run(x): print('called')", tensors=CPU)

    outcome = await own.call(runner, '{"inputs": [{"name": "x", "datatype": "F"}]}')

    assert (outcome.status, outcome.raised) == (400, False)
    assert json.loads(outcome.body)["message"].startswith("input 'x': datatype: F: must be one of")
    assert not own.heard.lines


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_result_that_is_no_tensor_is_told_to_the_author(own: Stage, kind: str):
    """500; the log says which output it was."""
    runner = await own.runner(
        f"def init(): pass\n{kind} run(x): return {{'y': object()}}", tensors=CPU
    )

    outcome = await own.call(runner, asked())

    assert (outcome.status, outcome.raised) == (500, False)
    assert (await own.heard.line("output 'y': object")).request_id == "id-1"


async def test_a_script_may_use_its_array_again(own: Stage):
    """An answer is as it was when run() returned, though the next one fills the same array."""
    runner = await own.runner(
        """
        import numpy as np
        out = np.zeros(1, "f4")
        def init(): pass
        def run(inputs):
            out[0] = inputs["x"][0]
            return out
        """,
        tensors=CPU,
    )
    wish = {"parameters": {"binary_data_output": True}}
    requests = [own.request(asked([n], **wish)) for n in range(5)]
    for request in requests:
        runner.submit(request)

    outcomes = [await own.heard.end(request.number) for request in requests]

    assert [np.frombuffer(got.body[-4:], "<f4")[0] for got in outcomes] == [0, 1, 2, 3, 4]


async def test_headers_are_given_on_demand(own: Stage):
    """As to a script that takes text."""
    script = "def init(): pass\ndef run(x, request_headers): return request_headers['a']"
    runner = await own.runner(script, tensors=CPU)

    outcome = await own.call(runner, asked(), headers=b'[["a", "1"]]')

    assert json.loads(outcome.body)["outputs"][0]["data"] == ["1"]


async def test_error_in_run_is_the_scripts(own: Stage):
    """500 and a traceback without our frames."""
    runner = await own.runner("def init(): pass\ndef run(x): return x['z']", tensors=CPU)

    outcome = await own.call(runner, asked())

    assert (outcome.status, outcome.raised) == (500, True)
    await own.heard.line("KeyError: 'z'")
    assert not [line for line in own.heard.lines if "workers/runner" in line.text]


async def test_generators_are_no_tensors(own: Stage):
    """Said at boot, not at the first request."""
    with pytest.raises(BootError, match=r"run\(\) is a generator"):
        await own.runner("def init(): pass\ndef run(x): yield x", tensors=CPU)


async def test_missing_numpy_is_named(own: Stage):
    """The boot fails with what to install, and for which interpreter."""
    bare = [python for python in map(find_python, VERSIONS) if python]
    bare = [python for python in bare if not has_module(python, "numpy")]
    if not bare:
        pytest.skip("every Python here has numpy: what happens without it is unproven")
    own.python = bare[0]

    with pytest.raises(BootError, match=f"needs numpy, .* {own.python} -m pip install numpy"):
        await own.runner(DOUBLE.format(kind="def"), tensors=CPU)


async def test_missing_cupy_is_named(own: Stage):
    """Arrays on a GPU want it; the text says under which name it is installed."""
    if has_module(own.python, "cupy"):
        pytest.skip("cupy is installed: what happens without it is unproven")
    cuda = Tensors(device="cuda", model_name="blue")

    with pytest.raises(BootError, match=r"needs cupy, .* -m pip install cupy-cuda12x"):
        await own.runner(DOUBLE.format(kind="def"), tensors=cuda)
