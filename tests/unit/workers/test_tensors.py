"""Tensors in requests and answers; Triton's own client is who speaks the protocol to us."""

import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.http import (
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
)
from tritonclient.utils import np_to_triton_dtype

from workers.runner.adapt import Refusal
from workers.runner.infer import decode as read
from workers.runner.outputs import encode
from workers.runner.tensors import DATATYPES, decode

NAMES = [*DATATYPES, "BYTES"]
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def filled(name, shape):
    """Arrays of a datatype."""
    if name == "BYTES":
        texts = st.text(max_size=5).map(str.encode)
        return arrays.arrays(object, shape, elements=texts, fill=st.just(b""))
    return arrays.arrays(DATATYPES[name][0], shape)


some = st.tuples(st.sampled_from(NAMES), shapes).flatmap(lambda pair: filled(*pair))


def texts_of(array):
    """The array with text where it has bytes."""
    if array.dtype != object:
        return array
    texts = np.empty(array.shape, object)
    texts.flat = [one.decode() for one in array.flat]
    return texts


def asked(array, *, is_binary, name="x"):
    """A request as Triton's client words it: the body, and the length of its JSON."""
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=is_binary)
    return InferenceServerClient.generate_request_body([tensor], outputs=[])


def document(**changes):
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2], **changes}
    return json.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not None}]}).encode()


def same(left, right):
    return left.dtype == right.dtype and np.array_equal(
        left, right, equal_nan=left.dtype.kind == "f"
    )


@given(some)
def test_binary_tensors_are_read_as_triton_client_sends_them(array):
    """Each datatype and shape, empty ones included."""
    body, length = asked(array, is_binary=True)

    got = decode(body, length).inputs["x"]

    assert got.shape == array.shape
    assert same(got, array)
    assert got.flags.aligned
    assert not got.flags.writeable


@given(some.filter(lambda array: array.ndim > 0), st.booleans())
def test_json_tensors_are_read_flat_or_nested(array, is_flat):
    """Numbers keep their value, texts become bytes."""
    datatype = np_to_triton_dtype(array.dtype)
    data = texts_of(array.ravel() if is_flat or 0 in array.shape else array).tolist()

    got = decode(document(shape=list(array.shape), datatype=datatype, data=data), None).inputs["x"]

    assert got.shape == array.shape
    assert same(got, array)
    assert not got.flags.writeable


@given(some, st.booleans())
def test_answers_are_read_by_triton_client(array, is_binary):
    """What a script returns arrives as it was, either way."""
    outputs = [InferRequestedOutput("y", binary_data=is_binary)]
    tensor = InferInput("x", [0], "FP32").set_data_from_numpy(np.empty(0, "f4"))
    question = decode(*InferenceServerClient.generate_request_body([tensor], outputs=outputs))

    head, tail = encode(question, {"y": array}, "blue")
    body = b"".join([head, *tail])
    got = InferenceServerClient.parse_response_body(body, header_length=len(head)).as_numpy("y")

    assert bool(tail) == is_binary
    assert got.shape == array.shape
    expected = array if array.dtype != object or is_binary else texts_of(array)
    assert np.array_equal(got, expected, equal_nan=array.dtype.kind == "f")


def test_several_tensors_follow_each_other():
    """Binary and JSON ones mixed, each its own bytes."""
    first, second = np.arange(3, dtype="<i2"), np.array([[1.5]], "<f8")
    inputs = [
        {"name": "a", "shape": [3], "datatype": "INT16", "parameters": {"binary_data_size": 6}},
        {"name": "b", "shape": [1], "datatype": "BOOL", "data": [True]},
        {"name": "c", "shape": [1, 1], "datatype": "FP64", "parameters": {"binary_data_size": 8}},
    ]
    head = json.dumps({"id": "7", "inputs": inputs}).encode()

    question = decode(head + first.tobytes() + second.tobytes(), len(head))

    assert (question.id, list(question.inputs)) == ("7", ["a", "b", "c"])
    assert same(question.inputs["a"], first)
    assert same(question.inputs["c"], second)


def test_aligned_bytes_are_not_copied():
    """The array is a view of the body where its bytes lie as the processor wants them."""
    tensor = {
        "name": "x", "shape": [1000], "datatype": "UINT8", "parameters": {"binary_data_size": 1000}
    }  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + bytes(1000)

    got = decode(body, len(head)).inputs["x"]

    assert np.shares_memory(got, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "inputs[0]: name: null: must be a text"),
        ({"datatype": "FLOAT32"}, "input 'x': datatype: FLOAT32: must be one of BOOL, UINT8"),
        ({"datatype": "BF16"}, "input 'x': datatype: BF16: must be one of"),
        ({"datatype": ["FP32"]}, 'datatype: ["FP32"]: must be one of'),
        ({"shape": None}, "input 'x': shape: null: must be a list"),
        ({"shape": [-1]}, "input 'x': shape: [-1]: must be a list"),
        ({"shape": [True]}, "shape: [true]: must be"),
        ({"shape": [1] * 33}, "at most 32 whole numbers"),
        ({"shape": [3]}, "input 'x': 2 values, shape [3] has 3"),
        ({"shape": [2**70, 0], "data": []}, "input 'x': shape: [1180591620717411303424, 0]"),
        ({"shape": [2, 1], "data": [[1, 2]]}, "data: nested as [1, 2], the shape is [2, 1]"),
        ({"data": None}, "input 'x': data: must be a list of 2 values"),
        ({"data": {"a": 1}}, "data: must be a list of 2 values"),
        ({"data": [[1], [2, 3]]}, "data: must be flat, or nested as the shape says"),
        ({"data": [1, "2"]}, "input 'x': data: 2: is no value of FP32"),
        ({"data": [1, None]}, "data: null: is no value of FP32"),
        ({"data": [1, 1e300]}, "data: holds a value that FP32 cannot"),
        ({"data": [1, 10**400]}, "data: holds a value that FP32 cannot"),
        ({"datatype": "INT32", "data": [1, 1.5]}, "data: 1.5: is no value of INT32"),
        ({"datatype": "INT8", "data": [1, 128]}, "data: holds a value that INT8 cannot"),
        ({"datatype": "UINT8", "data": [1, -1]}, "data: holds a value that UINT8 cannot"),
        ({"datatype": "UINT64", "data": [-1, 2**63]}, "holds a value that UINT64 cannot"),
        ({"datatype": "UINT64", "data": [1, 2**64]}, "holds a value that UINT64 cannot"),
        ({"datatype": "BOOL", "data": [1, 0]}, "data: 1: is no value of BOOL"),
        ({"datatype": "BYTES", "data": ["a", 1]}, "must be texts for BYTES"),
        ({"parameters": {"binary_data_size": 8}}, "has data and binary_data_size"),
        ({"parameters": {"binary_data_size": "8"}}, 'binary_data_size: 8: must be a number'),
        ({"parameters": {"binary_data_size": -1}, "data": None}, "must be a number of bytes"),
        ({"parameters": {"binary_data_size": 8}, "data": None}, "only 0 bytes are left"),
    ],
)  # fmt: skip
def test_a_bad_input_is_named(changes, words):
    """400, with the input, what came and what would be right."""
    with pytest.raises(Refusal) as refused:
        decode(document(**changes), None)

    assert refused.value.status == 400
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("body", "length", "words"),
    [
        (b"", None, "the body is not JSON"),
        (b"{}", 3, "inference-header-content-length: 3: the body has 2 bytes"),
        (b"[" * 100_000, None, "the body is not JSON"),
        (b"\xff\xfe", None, "the body is not JSON"),
        (b"[]", None, "must be a JSON object with `inputs`"),
        (b"{}", None, "inputs: must be a list of at least one tensor"),
        (b'{"inputs": [1]}', None, "inputs: must be a list of objects"),
        (document() + b"xyz", len(document()), "3 bytes follow the last tensor"),
        (document()[:-2] + b"," + document()[12:], None, "there are two of this name"),
        (b'{"outputs": [{}],' + document()[1:], None, "outputs[0]: name: null"),
        (b'{"parameters": {"binary_data_output": 1},' + document()[1:], None, "be true or false"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused(body, length, words):
    """Whatever comes, the answer says what is wrong with it."""
    with pytest.raises(Refusal) as refused:
        decode(body, length)

    assert refused.value.status == 400
    assert words in str(refused.value)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_elements_of_bytes_add_up(size):
    """A length that leads out of the tensor, or not to its end, is no tensor."""
    tensor = {
        "name": "x",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": size},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + (b"\x04\0\0\0abcdefgh")[:size]

    with pytest.raises(Refusal, match="do not add up"):
        decode(body, len(head))


@given(st.binary(max_size=60), st.none() | st.integers(0, 70))
def test_any_bytes_are_read_or_refused(body, length):
    """Nothing but a refusal comes of what is no request."""
    with pytest.raises(Refusal):
        decode(body, length)


@pytest.mark.parametrize(
    ("result", "datatype", "shape", "data"),
    [
        (1.5, "FP64", [], [1.5]),
        ([[1, 2], [3, 4]], "INT64", [2, 2], [1, 2, 3, 4]),
        (["a", "bc"], "BYTES", [2], ["a", "bc"]),
        (np.array([b"a"]), "BYTES", [1], ["a"]),
        (np.arange(6, dtype=">i4").reshape(2, 3).T, "INT32", [3, 2], [0, 3, 1, 4, 2, 5]),
        (np.array([1], np.longlong), "INT64", [1], [1]),
        (np.bool_(True), "BOOL", [], [True]),
        ([], "FP64", [0], []),
    ],
)
def test_what_a_script_returns_is_made_an_array(result, datatype, shape, data):
    """Numbers, lists and arrays of any order become outputs."""
    question = decode(document(), None)

    head, _ = encode(question, {"y": result}, "blue")

    output = {"name": "y", "datatype": datatype, "shape": shape, "data": data}
    assert json.loads(head) == {"model_name": "blue", "outputs": [output]}


@pytest.mark.parametrize("result", [None, [1, None], 1j, np.datetime64("2026-01-01"), object()])
def test_what_is_no_tensor_is_named(result):
    """The author of the script learns which output it was."""
    with pytest.raises(TypeError, match="output 'y'"):
        encode(decode(document(), None), {"y": result}, "blue")


def test_an_output_that_is_not_there_is_refused():
    """The caller learns what there is."""
    question = decode(b'{"outputs": [{"name": "z"}],' + document()[1:], None)

    with pytest.raises(Refusal, match="'z': the model has no such output, but y"):
        encode(question, {"y": 1}, "blue")


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "deflate"])
def test_compressed_bodies_are_read(wbits):
    """As HTTP names them; the length of the JSON is that of the plain one."""
    machine = zlib.compressobj(wbits=wbits)
    body = machine.compress(document()) + machine.flush()
    headers = {"Content-Encoding": "gzip" if wbits == 31 else "deflate"}

    assert read(headers, body).inputs["x"].tolist() == [1, 2]
    with pytest.raises(Refusal, match="ends too early"):
        read(headers, body[:-9])
    with pytest.raises(Refusal, match="the body is not"):
        read(headers, document())


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content-encoding": "br"}, "br: must be one of gzip, deflate"),
        ({"inference-header-content-length": "x"}, "x: must be the length of the JSON in bytes"),
        ({"Inference-Header-Content-Length": "-1"}, "-1: must be the length"),
    ],
)
def test_bad_headers_are_refused(headers, words):
    """By name, with the value."""
    with pytest.raises(Refusal, match=words):
        read(headers, document())


def test_sizes_of_the_table_are_the_protocols():
    """The datatypes of the protocol and how many bytes an element has."""
    sizes = {name: dtype.itemsize for name, (dtype, _) in DATATYPES.items()}

    assert sizes == {
        "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2,
        "INT32": 4, "INT64": 8, "FP16": 2, "FP32": 4, "FP64": 8,
    }  # fmt: skip
