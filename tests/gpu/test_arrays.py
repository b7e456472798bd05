"""Arrays on the GPU: how they come to a script and how they leave it."""

import json

import numpy as np
import pytest

from mesh.gpus import VISIBLE
from tests.gpus import gpus
from tests.runners import Stage
from workers.launch import Tensors
from workers.runner.tensors import DATATYPES

CUDA = Tensors(device="cuda", model_name="blue")
CPU = Tensors(device="cpu", model_name="blue")


@pytest.fixture
async def stage(tmp_path):
    """Runners under the tests' interpreter, on the first GPU."""
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


async def runner(stage, script, tensors=CUDA):
    return await stage.runner(script, tensors=tensors, env={VISIBLE: gpus().found[0].uuid})


def asked(array, datatype):
    """A binary request that wants a binary answer, and its headers."""
    tensor = {"name": "x", "shape": array.shape, "datatype": datatype}
    tensor["parameters"] = {"binary_data_size": array.nbytes}
    request = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(request).encode()
    headers = json.dumps([["inference-header-content-length", str(len(head))]]).encode()
    return head + array.tobytes(), headers


def answered(outcome, dtype):
    """The one output of an answer."""
    assert outcome.status == 200, outcome.body
    [[_, length]] = json.loads(outcome.headers)
    [output] = json.loads(outcome.body[: int(length)])["outputs"]
    return np.frombuffer(outcome.body, dtype, offset=int(length)).reshape(output["shape"])


@pytest.mark.gpu("cupy")
async def test_inputs_are_cupy_arrays(stage):
    """A tensor reaches `run` as a cupy array on the instance's GPU."""
    script = """
        import cupy
        def init(): pass
        def run(inputs):
            x = inputs["x"]
            return [type(x).__module__.split(".")[0], type(x).__name__, str(x.device.id)]
    """
    made = await runner(stage, script)
    body = '{"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}'

    outcome = await stage.call(made, body)

    assert json.loads(outcome.body)["outputs"][0]["data"] == ["cupy", "ndarray", "0"]


@pytest.mark.gpu("cupy")
@pytest.mark.parametrize("datatype", DATATYPES)
async def test_each_datatype_survives_the_way(stage, datatype):
    """An array of each datatype comes back from the GPU as it was sent."""
    dtype = DATATYPES[datatype][0]
    made = await runner(stage, "def init(): pass\ndef run(inputs): return inputs['x'].T")
    array = np.arange(24).reshape(4, 6).astype(dtype)
    body, headers = asked(array, datatype)

    got = answered(await stage.call(made, body, headers=headers), dtype)

    assert np.array_equal(got, array.T)


@pytest.mark.gpu("cupy")
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_the_answer_is_numpys(stage, kind):
    """What is computed on the GPU is what numpy computes, in sync and in async scripts."""
    script = f"""
        import cupy
        def init():
            global weights
            weights = cupy.arange(512 * 512, dtype="f4").reshape(512, 512) % 7
        {kind} run(inputs):
            return inputs["x"] @ weights
    """
    made = await runner(stage, script)
    weights = np.arange(512 * 512, dtype="f4").reshape(512, 512) % 7
    for seed in range(10):
        array = np.random.default_rng(seed).integers(0, 9, (64, 512)).astype("<f4")
        body, headers = asked(array, "FP32")

        got = answered(await stage.call(made, body, headers=headers), "<f4")

        assert np.allclose(got, array @ weights)


@pytest.mark.gpu("cupy")
async def test_work_on_the_default_stream_stays_in_order(stage):
    """What a library does on the default stream sees the inputs, and is done before the answer."""
    script = """
        import cupy
        def init(): pass
        def run(inputs):
            x = inputs["x"]
            with cupy.cuda.Stream.null:
                for _ in range(50):
                    x = x + 1
            return x
    """
    made = await runner(stage, script)
    array = np.zeros((2048, 2048), "<f4")
    body, headers = asked(array, "FP32")

    for _ in range(5):
        got = answered(await stage.call(made, body, headers=headers), "<f4")

        assert (got == 50).all()


@pytest.mark.gpu("cupy")
async def test_nothing_is_copied_from_the_gpu_in_secret(stage):
    """With `device: cpu` a cupy array is no result: the copy has to be asked for."""
    made = await runner(
        stage, "import cupy\ndef init(): pass\ndef run(inputs): return cupy.ones(2)", CPU
    )
    body, headers = asked(np.zeros(2, "<f4"), "FP32")

    outcome = await stage.call(made, body, headers=headers)

    assert outcome.status == 500
    await stage.heard.line("Implicit conversion to a NumPy array is not allowed")


@pytest.mark.gpu("cupy")
async def test_texts_stay_on_the_host(stage):
    """BYTES reach a script as numpy arrays beside others on the GPU."""
    made = await runner(
        stage, "def init(): pass\ndef run(inputs): return type(inputs['x']).__module__"
    )
    body = '{"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}'

    outcome = await stage.call(made, body)

    assert json.loads(outcome.body)["outputs"][0]["data"] == ["numpy"]
