"""The v2 protocol in HTTP: what tritonclient writes is read, what is written tritonclient reads."""

import contextlib
import json
import struct

import numpy as np
import pytest
import tritonclient.http
import tritonclient.utils
from hypothesis import given
from hypothesis import strategies as st

from workers.triton.errors import V2Error
from workers.triton.inference import Inferred, Tensor, read_inference, word_inferred
from workers.triton.tensors import NUMBERS, data_of, raw_of

CLIENT = tritonclient.http.InferenceServerClient
ONE = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}


def body(*inputs: dict, **more) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


@st.composite
def arrays(draw) -> np.ndarray:
    """A small array of any datatype that numpy has."""
    names = [*NUMBERS, "FP16", "BOOL", "BYTES"]
    kind = tritonclient.utils.triton_to_np_dtype(draw(st.sampled_from(names)))
    if kind is np.object_:
        texts = draw(st.lists(st.text(max_size=5), min_size=1, max_size=5))
        return np.array([text.encode() for text in texts], dtype=np.object_)
    values = draw(st.lists(st.integers(0, 100), min_size=1, max_size=6))
    return np.array(values).astype(kind)


@given(tensors=st.lists(st.tuples(arrays(), st.booleans()), min_size=1, max_size=4))
def test_what_the_client_writes_is_read(tensors) -> None:
    """Any mixture of JSON and binary tensors comes to the same raw bytes."""
    inputs, raws = [], []
    for number, (array, is_binary) in enumerate(tensors):
        datatype = tritonclient.utils.np_to_triton_dtype(array.dtype)
        given_one = tritonclient.http.InferInput(f"x{number}", list(array.shape), datatype)
        given_one.set_data_from_numpy(array, binary_data=is_binary or datatype == "FP16")
        inputs.append(given_one)
        is_text = datatype == "BYTES"
        whole = tritonclient.utils.serialize_byte_tensor(array).item() if is_text else array
        raws.append(whole if is_text else array.tobytes())
    text, length = CLIENT.generate_request_body(inputs, request_id="7")

    read = read_inference(text, length)

    assert [tensor.raw for tensor in read.inputs] == raws
    assert [tensor.name for tensor in read.inputs] == [f"x{n}" for n in range(len(raws))]
    assert (read.id, read.all_binary or length is None) == ("7", True)


@given(array=arrays(), is_binary=st.booleans())
def test_what_is_written_the_client_reads(array: np.ndarray, is_binary: bool) -> None:
    """An output comes back as it was, in either form."""
    datatype = tritonclient.utils.np_to_triton_dtype(array.dtype)
    is_binary = is_binary or datatype == "FP16"
    is_text = datatype == "BYTES"
    raw = tritonclient.utils.serialize_byte_tensor(array).item() if is_text else array.tobytes()
    asked = read_inference(body(ONE, parameters={"binary_data_output": is_binary}))
    tensor = Tensor(name="y", datatype=datatype, shape=list(array.shape), raw=raw)

    worded = word_inferred(Inferred(model_name="m", model_version="1", outputs=[tensor]), asked)
    result = CLIENT.parse_response_body(worded.body, header_length=worded.json_bytes)

    back = result.as_numpy("y").tolist()
    assert [one.decode() if isinstance(one, bytes) else one for one in back] == [
        one.decode() if isinstance(one, bytes) else one for one in array.tolist()
    ]


@given(st.lists(st.floats(width=32)))
def test_numbers_survive_both_ways(values: list[float]) -> None:
    """NaN and the infinities too."""
    raw = raw_of("x", "FP32", values)

    assert struct.pack(f"<{len(values)}f", *data_of("x", "FP32", raw)) == raw


def test_nan_is_written_as_triton_writes_it() -> None:
    """JSON has no word for it; Triton and its client use JavaScript's."""
    tensor = Tensor(name="y", datatype="FP32", shape=[1], raw=struct.pack("<f", float("nan")))

    worded = word_inferred(
        Inferred(model_name="m", model_version="1", outputs=[tensor]), read_inference(body(ONE))
    )

    assert b'"data": [NaN]' in worded.body


def test_nan_is_read() -> None:
    """A client's json module writes it."""
    read = read_inference(body({**ONE, "data": [float("inf")]}))

    assert read.inputs[0].raw == struct.pack("<f", float("inf"))


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        pytest.param(b"", None, "Inference-Header-Content-Length: 0", id="empty"),
        pytest.param(b"{", None, "the body is not JSON", id="json"),
        pytest.param(b"[]", None, "not a v2 inference request", id="list"),
        pytest.param(b"{}", None, "missing required field `inputs`", id="no-inputs"),
        pytest.param(body(ONE), 0, "must be between 1", id="raw-body"),
        pytest.param(body(ONE), 1000, "must be between 1", id="short-body"),
        pytest.param(body(ONE) + b"xx", len(body(ONE)), "2 bytes of binary data", id="left-over"),
        pytest.param(body({**ONE, "datatype": "FP31"}), None, "'FP31' is not", id="datatype"),
        pytest.param(body({**ONE, "shape": [2]}), None, "has 2 elements, data has 1", id="shape"),
        pytest.param(body({**ONE, "data": ["a"]}), None, "data is not FP32", id="text"),
        pytest.param(
            body({**ONE, "shape": [2], "data": [1, [2]]}), None, "data is not FP32", id="ragged"
        ),
        pytest.param(body({**ONE, "data": [[1], 2]}), None, "mixes lists and values", id="mixed"),
        pytest.param(body({**ONE, "data": 1}), None, "data must be a list", id="no-list"),
        pytest.param(
            body({**ONE, "datatype": "INT8", "data": [300]}), None, "data is not INT8", id="range"
        ),
        pytest.param(
            body({**ONE, "datatype": "INT32", "data": [1.5]}), None, "data is not INT32", id="int"
        ),
        pytest.param(
            body({**ONE, "datatype": "BOOL", "data": [1]}), None, "data is not BOOL", id="bool"
        ),
        pytest.param(
            body({**ONE, "datatype": "BYTES", "data": [1]}), None, "data is not BYTES", id="bytes"
        ),
        pytest.param(
            body({**ONE, "datatype": "FP16"}), None, "FP16 has no form in JSON", id="half"
        ),
        pytest.param(
            body({**ONE, "parameters": {"binary_data_size": 4}}), None, "has both", id="both"
        ),
        pytest.param(
            body({"name": "x", "shape": [1], "datatype": "FP32",
                  "parameters": {"binary_data_size": -1}}),
            None, "must be between 0", id="size",
        ),
        pytest.param(
            body({**ONE, "parameters": {"shared_memory_region": "r"}}),
            None, "shared memory does not reach", id="shared-memory",
        ),
        pytest.param(
            body(ONE, outputs=[{"name": "y", "parameters": {"shared_memory_region": "r"}}]),
            None, "shared memory does not reach", id="shared-memory-out",
        ),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(text: bytes, length: int | None, expected: str) -> None:
    """With a sentence that names what is wrong."""
    with pytest.raises(V2Error) as refused:
        read_inference(text, length)

    assert expected in refused.value.message
    assert refused.value.status == 400


@given(st.binary(max_size=60), st.none() | st.integers(-5, 70))
def test_any_bytes_are_read_or_refused(text: bytes, length: int | None) -> None:
    """Nothing but our own error comes out."""
    with contextlib.suppress(V2Error):
        read_inference(text, length)
