"""Which answers of a Prometheus are a number."""

import json

import pytest

from scaler.prometheus import QueryError, read_value


def answer(kind, result):
    return json.dumps(
        {"status": "success", "data": {"resultType": kind, "result": result}}
    ).encode()


def series(*values):
    return [{"metric": {"job": "a"}, "value": [1.5, value]} for value in values]


@pytest.mark.parametrize(
    ("kind", "result", "value"),
    [
        ("vector", series("2.5"), 2.5),
        ("scalar", [1, "1e3"], 1000.0),
        ("vector", series("-1"), -1.0),
    ],
)
def test_one_series_or_a_scalar_is_a_number(kind, result, value):
    """Whatever its labels."""
    assert read_value(200, answer(kind, result)) == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (answer("vector", []), "no series has a value"),
        (answer("vector", series("1", "2")), "2 series, not 1"),
        (answer("vector", series("NaN")), "the value is nan"),
        (answer("vector", series("+Inf")), "the value is inf"),
        (answer("matrix", []), "a matrix and not one number"),
        (answer("string", [1, "a"]), "a string and not one number"),
        (answer("scalar", [1]), "a scalar and not one number"),
        (b'{"status":"error","errorType":"bad_data","error":"parse error"}', "200: parse error"),
        (b"<html>", "status 200, and not what a Prometheus answers"),
        (
            b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 60_000,
            "status 200, and not what a Prometheus answers",
        ),
    ],
)
def test_anything_else_is_none_and_says_why(body, why):
    """No data is not zero."""
    with pytest.raises(QueryError, match=why):
        read_value(200, body)
