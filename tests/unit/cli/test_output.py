"""Results as machines and people get them."""

import json

import msgspec
import pytest
import yaml

from mesh.cli.options import Options, refuse_bad_query
from mesh.cli.output import plain_table, select, show, tsv_lines
from mesh.errors import SpecError


class Thing(msgspec.Struct):
    """A result."""

    name: str
    parts: dict[str, int]


THING = Thing("iris", {"blue": 90, "green": 10})


def shown(capsys, **options):
    show(THING, Options(**options), lambda: "for people")
    return capsys.readouterr().out


def test_json_holds_the_whole_result(capsys):
    """`-o json` prints every field under its own name."""
    assert json.loads(shown(capsys, output="json")) == msgspec.to_builtins(THING)


def test_yaml_holds_the_whole_result(capsys):
    """`-o yaml` prints the same as JSON does."""
    assert yaml.safe_load(shown(capsys, output="yaml")) == msgspec.to_builtins(THING)


def test_queries_may_name_numbers(capsys):
    """Percentiles are keys too: JMESPath knows strings only."""
    show({95: 0.25}, Options(output="json", query='"95"'), lambda: "")

    assert capsys.readouterr().out == "0.25\n"


def test_people_get_their_own_form(capsys):
    """Without `-o`, and with `-o table`, the result is laid out for reading."""
    assert shown(capsys) == shown(capsys, output="table") == "for people\n"


def test_none_prints_nothing(capsys):
    """`-o none` is for scripts that want the exit code only."""
    assert shown(capsys, output="none") == ""


def test_a_query_alone_answers_in_json(capsys):
    """`--query` picks a part, printed as JSON unless another format is asked for."""
    assert shown(capsys, query="parts.blue") == "90\n"


def test_tsv_has_no_quotes(capsys):
    """`-o tsv` prints a text bare, so that a shell variable can take it."""
    assert shown(capsys, query="name", output="tsv") == "iris\n"


@pytest.mark.parametrize(
    ("plain", "lines"),
    [
        pytest.param([{"a": 1, "b": "x"}, {"a": 2, "b": None}], ["1\tx", "2\t"], id="rows"),
        pytest.param([["x", True]], ["x\ttrue"], id="lists"),
        pytest.param({"a": {"b": 1}}, ['{"b": 1}'], id="nested"),
        pytest.param(None, [""], id="nothing"),
    ],
)
def test_tsv_has_a_row_per_item(plain, lines):
    """Lists are rows, mappings are rows of their values, anything deeper is JSON."""
    assert list(tsv_lines(plain)) == lines


def test_a_query_in_a_table_keeps_the_columns():
    """`--query '[].{x:a}' -o table` has a column per key."""
    table = plain_table([{"x": 1}, {"x": 2, "y": "z"}])

    assert [column.header for column in table.columns] == ["x", "y"]
    assert table.row_count == 2


def test_a_bad_query_is_a_usage_error():
    """What is not JMESPath is refused with the query in the message, on one line."""
    with pytest.raises(SpecError, match=r"--query 'a\[': is not JMESPath: [^\n]+$"):
        refuse_bad_query("a[")


def test_a_query_that_does_not_suit_is_a_usage_error():
    """So is one that asks for what the result is not."""
    with pytest.raises(SpecError, match=r"--query 'length\(a\)': [^\n]+$"):
        select({"a": 1}, "length(a)")
