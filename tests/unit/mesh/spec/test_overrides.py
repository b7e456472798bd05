"""`--set` and `--traffic` follow the Azure CLI."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import SpecError
from mesh.spec.overrides import apply_overrides, parse_traffic


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param("a=1", {"a": 1, "l": [{"x": 0}]}, id="typed"),
        pytest.param("a=x=y", {"a": "x=y", "l": [{"x": 0}]}, id="equals"),
        pytest.param("a=", {"a": None, "l": [{"x": 0}]}, id="empty"),
        pytest.param("a.b.c=true", {"a": {"b": {"c": True}}, "l": [{"x": 0}]}, id="made"),
        pytest.param("l[0].x=2", {"l": [{"x": 2}]}, id="index"),
        pytest.param("l.0.x=2", {"l": [{"x": 2}]}, id="dotted-index"),
        pytest.param("l[0]=z", {"l": ["z"]}, id="item"),
        pytest.param("a[b.c]=1", {"a": {"b.c": 1}, "l": [{"x": 0}]}, id="dots-in-key"),
        pytest.param("tags.v=1.10", {"tags": {"v": "1.10"}, "l": [{"x": 0}]}, id="text"),
        pytest.param("a={b: [1]}", {"a": {"b": [1]}, "l": [{"x": 0}]}, id="mapping"),
    ],
)
def test_a_path_is_set(override: str, expected: dict[str, object]):
    """Values are YAML; mappings are made on the way; the original stays as it is."""
    original = {"l": [{"x": 0}]}

    assert apply_overrides(original, [override]) == expected
    assert original == {"l": [{"x": 0}]}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param("a", "must be a.b.c=value", id="no-value"),
        pytest.param("=1", "must be a.b.c=value", id="no-path"),
        pytest.param("a..b=1", "must be a.b.c=value", id="hole"),
        pytest.param("l[3]=1", "--set l[3]: l[3]: the list has 1 items", id="outside"),
        pytest.param("l[-1]=1", "the list has 1 items", id="negative"),
        pytest.param("l.x=1", "the list has 1 items", id="name-in-list"),
        pytest.param("s.x=1", "--set s.x: s is neither a mapping nor a list", id="scalar"),
        pytest.param("a=[", "--set a:1: not YAML", id="not-yaml"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(override: str, expected: str):
    """The message names the option."""
    with pytest.raises(SpecError) as refused:
        apply_overrides({"l": [0], "s": "x"}, [override])

    assert expected in str(refused.value)


@given(st.lists(st.text(alphabet="ab.[]=0-:{ ", max_size=12), max_size=3))
def test_malformed_overrides_are_never_anything_but_a_spec_error(overrides: list[str]):
    """Whatever is typed: a mapping or a refusal."""
    with contextlib.suppress(SpecError):
        assert isinstance(apply_overrides({"a": [1, {"b": 2}], "b": {"a": 1}}, overrides), dict)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("blue=90 green=10", {"blue": 90, "green": 10}, id="two"),
        pytest.param("blue=0", {"blue": 0}, id="zero"),
        pytest.param("blue=100%", {"blue": 100}, id="percent"),
        pytest.param(["blue=90", "green=10"], {"blue": 90, "green": 10}, id="list"),
    ],
)
def test_traffic_is_read(text: str, expected: dict[str, int]):
    """Names and whole percentages, apart by blanks."""
    assert parse_traffic(text) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("blue", "'blue': must be name=percent", id="no percent"),
        pytest.param("=1", "'=1': must be name=percent", id="no name"),
        pytest.param("blue=x", "'blue=x': must be a whole percentage", id="no number"),
        pytest.param("blue=101", "'blue=101': must be a whole percentage", id="too much"),
        pytest.param("blue=-1", "'blue=-1': must be a whole percentage", id="negative"),
        pytest.param("blue=1 blue=2", "'blue=2': blue is there twice", id="twice"),
        pytest.param(" ", "'': must be name=percent", id="an empty variable"),
    ],
)
def test_bad_traffic_is_refused(text: str, rule: str):
    """The message shows the option, the part that is wrong and what would be right."""
    with pytest.raises(SpecError, match=f"^--mirror-traffic: {rule}"):
        parse_traffic(text, "--mirror-traffic")
