"""YAML is read strictly, and nothing that is read is anything but JSON."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import SpecError
from mesh.spec.document import read_document, read_value
from mesh.spec.load import deployment_from_values, endpoint_from_values

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "f:1: must be a mapping", id="empty"),
        pytest.param("- 1", "f:1: must be a mapping", id="list"),
        pytest.param("a: 1\na: 2", "f:2: a: the key is there twice", id="duplicate"),
        pytest.param("a:\n  b: 1\n  b: 2", "f:3: a.b: the key is there twice", id="inner"),
        pytest.param("a: [", "f:1: not YAML: expected the node content", id="open"),
        pytest.param("a: 1\n---\na: 2", "f:2: not YAML: but found another document", id="two"),
        pytest.param("a: !!python/object:os.system x", "f:1: a: tag tag:yaml.org", id="python"),
        pytest.param("a: !secret x", "f:1: a: tag !secret is not supported", id="tag"),
        pytest.param("a: !!set {x}", "f:1: a: tag tag:yaml.org,2002:set", id="set"),
        pytest.param("[1]: 2", "f:1: a key must be text", id="key"),
        pytest.param('a: "\\ud800"', "f:1: a: holds characters", id="surrogate"),
        pytest.param('a: "\\0"', "f:1: a: holds characters", id="nul"),
        pytest.param("a: &a [*a]", "f:1: too large or nested", id="endless"),
        pytest.param(LAUGHS, "too large or nested", id="laughs"),
        pytest.param("a: " + "[" * 3000, "f:1: nested too deeply", id="deep"),
        pytest.param("<<: 3", "f:1: [<<]: must be a mapping", id="merge"),
        pytest.param("a: \x07", "f:1: not YAML", id="control"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, expected: str):
    """Each is a one-line error with file and line."""
    with pytest.raises(SpecError) as refused:
        read_document(text, "f")

    assert expected in str(refused.value).replace("<<:", "[<<]:").replace("[[<<]]", "[<<]")
    assert "\n" not in str(refused.value)


def test_every_value_has_its_place():
    """Keys and list items stand on their own lines; what is missing stands where it would."""
    document = read_document("a: 1\nb:\n  c:\n    - x\n    - y\n", "f")

    assert document.values == {"a": 1, "b": {"c": ["x", "y"]}}
    assert document.place(("b", "c", 1)) == "f:5"
    assert document.place(("b", "missing")) == "f:2"
    assert document.place(("missing",)) == "f:1"


def test_anchors_and_merges_work():
    """A merged mapping gives way to the keys beside it."""
    text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: {<<: [*x, {c: 4}]}\n"

    values = read_document(text, "f").values

    assert values["y"] == {"a": 1, "b": 3}
    assert values["z"] == {"a": 1, "b": 2, "c": 4}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("3", 3, id="int"),
        pytest.param("0.5", 0.5, id="float"),
        pytest.param("true", True, id="bool"),
        pytest.param("", None, id="nothing"),
        pytest.param("2020-01-01", "2020-01-01", id="date"),
        pytest.param("9" * 30, "9" * 30, id="too-long-for-an-int"),
        pytest.param("0b_", "0b_", id="no-digits"),
        pytest.param("{a: [1]}", {"a": [1]}, id="flow"),
    ],
)
def test_values_are_typed_as_yaml_types_them(text: str, value: object):
    """What JSON has no type for is text."""
    assert read_value(text, ("a",), "f") == value


yaml_text = st.text(alphabet=st.sampled_from("ab1:-[]{}&*!|>'\"#%@`,?~<= \n\t\\\0é\ud800"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | yaml_text | yaml_text.map(lambda text: f"name: iris\n{text}"))
def test_malformed_text_is_never_anything_but_a_spec_error(text: str | bytes):
    """Whatever the bytes: values that JSON can hold, or a refusal."""
    try:
        values = read_document(text, "f").values
    except SpecError:
        return
    json.dumps(values).encode()


KEYS = (
    "name endpoint_name model code_configuration environment traffic type mirror_traffic tags "
    "$schema mesh request_settings resources compute data_collector liveness_probe "
    "instance_count environment_variables zzz"
)


@given(st.dictionaries(st.sampled_from(KEYS.split()), plain))
def test_malformed_values_are_never_anything_but_a_spec_error(values: dict[str, object]):
    """Whatever stands at the keys, the answer is a spec or a refusal."""
    for load in (endpoint_from_values, deployment_from_values):
        with contextlib.suppress(SpecError):
            load(values)
