"""Traces: what is read, what is refused by line and column, when requests come."""

import random

import pytest

from mesh.errors import SpecError
from mesh.scaling.simulation.shipped import load_trace, shipped_names
from mesh.scaling.simulation.trace import COLUMNS, Step, Trace, read_trace

HEAD = "at_s,requests_per_s\n"


def read(text):
    return read_trace(text, "mine", "mine.csv")


def test_read_trace_takes_steps_and_the_first_remark():
    """Each row holds until the next, the last as long as the one before; `#` begins a remark."""
    trace = read(f"# Mine.\n# More.\n{HEAD}0,5\n\n10,2.5\n")

    assert trace == Trace("mine", (Step(0.0, 5.0), Step(10.0, 2.5)), 20.0, "Mine.")
    assert trace.requests == 75.0


def test_columns_may_stand_in_any_order():
    """The header says which is which."""
    assert read("requests_per_s,at_s\n5,0\n6,1\n").steps == (Step(0.0, 5.0), Step(1.0, 6.0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "mine.csv: must have a header at_s,requests_per_s", id="empty"),
        pytest.param(HEAD + "0,1\n", "two rows at least, has 1", id="one row"),
        pytest.param("at_s,rate\n0,1\n1,1\n", "mine.csv:1: 'at_s,rate': the columns", id="header"),
        pytest.param(
            HEAD + "0,1\n5,many\n",
            "mine.csv:3: requests_per_s: 'many': must be a number from 0 to 1e+06",
            id="text",
        ),
        pytest.param(HEAD + "0,-1\n5,1\n", "mine.csv:2: requests_per_s: '-1'", id="negative"),
        pytest.param(HEAD + "0,nan\n5,1\n", "mine.csv:2: requests_per_s: 'nan'", id="not a number"),
        pytest.param(HEAD + "0,inf\n5,1\n", "mine.csv:2: requests_per_s: 'inf'", id="infinite"),
        pytest.param(HEAD + "3,1\n5,1\n", "mine.csv:2: at_s: '3': the first row", id="late start"),
        pytest.param(
            HEAD + "0,1\n5,1\n5,2\n",
            "mine.csv:4: at_s: '5': must be later than the row before it, 5",
            id="not later",
        ),
        pytest.param(
            HEAD + "0,1\n5\n", "mine.csv:3: '5': must have 2 columns, has 1", id="cells missing"
        ),
        pytest.param(HEAD + '0,1\n5,"1\n', "mine.csv:3: is not CSV", id="quote left open"),
        pytest.param(
            HEAD + "0,1000000\n86400,1\n", "asks for 86400086400 requests", id="without end"
        ),
    ],
)
def test_read_trace_names_line_column_and_value(text, told):
    """What is wrong is said with its place."""
    with pytest.raises(SpecError) as error:
        read(text)

    assert told in str(error.value)


def test_arrivals_come_at_the_rate_of_their_step():
    """As many as the step says, within what chance allows, and none where the rate is 0."""
    trace = read(f"{HEAD}0,50\n100,0\n200,10\n300,10\n")

    times = list(trace.arrivals(random.Random(1)))

    counts = [sum(begin <= at_s < begin + 100 for at_s in times) for begin in (0, 100, 200)]
    assert times == sorted(times)
    assert counts[1] == 0
    assert abs(counts[0] - 5000) < 4 * 5000**0.5
    assert abs(counts[2] - 1000) < 4 * 1000**0.5


def test_part_is_a_span_gone_through_faster():
    """The rates are a share of what they were, the times shrink."""
    trace = read(f"{HEAD}0,1\n10,2\n20,3\n30,4\n")

    part = trace.part(5, 20, speed=2, share=10)

    assert part.steps == (Step(0.0, 10.0), Step(2.5, 20.0), Step(7.5, 30.0))
    assert part.end_s == 10


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_traces_can_be_loaded_by_name(name):
    """Each has a sentence on what it is, and lasts for an hour or two."""
    trace = load_trace(name)

    assert trace.about.endswith(".")
    assert 3600 <= trace.end_s <= 7200


def test_load_trace_says_which_names_there_are():
    """A slip in a name is answered with the names."""
    with pytest.raises(SpecError, match=r"ofice: there is no such file.*bursts, growth, office"):
        load_trace("ofice")


def test_load_trace_refuses_what_is_no_text(tmp_path):
    """The line is told here too."""
    file = tmp_path / "mine.csv"
    file.write_bytes(",".join(COLUMNS).encode() + b"\n0,\xff\n")

    with pytest.raises(SpecError, match=r"mine\.csv:2: is not UTF-8"):
        load_trace(str(file))
