"""Limits of single keys are told as every other rule: by key, value and rule."""

import pytest

from mesh.errors import SpecError
from mesh.spec.load import deployment_from_values
from mesh.spec.violation import LONGEST_SHOWN

BLUE = {
    "name": "blue",
    "endpoint_name": "iris",
    "code_configuration": {"code": ".", "scoring_script": "score.py"},
}
SCHEDULE = {"start": "0 8 * * *", "end": "0 9 * * *", "instances": 1}
SHOWN = LONGEST_SHOWN - 1  # the quotation mark is one
QUERY = {"name": "load", "query": "up", "target": 1}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({"wait": {"late_percentage": 0}}, "wait.late_percentage: 0: must be above 0"),
        (
            {"wait": {"stable_window_s": 3601}},
            "wait.stable_window_s: 3601: must be between 1 and 3600",
        ),
        (
            {"wait": {"panic_window_s": 61.0}},
            "wait.panic_window_s: 61.0: must be at most stable_window_s, 60",
        ),
        ({"queries": [QUERY | {"target": 0}]}, "queries[0].target: 0: must be above 0"),
        ({"queries": [QUERY | {"query": ""}]}, "queries[0].query: '': must not be empty"),
        (
            {"queries": [QUERY | {"name": "a b"}]},
            "queries[0].name: 'a b': must match ^[a-zA-Z][a-zA-Z0-9_-]{0,31}$",
        ),
        (
            {"schedules": [SCHEDULE | {"name": "x" * 261}]},
            f"schedules[0].name: '{'x' * SHOWN}...: must have at most 260 characters, has 261",
        ),
        ({"queries": [QUERY] * 11}, "queries: a list: must have at most 10 entries, has 11"),
    ],
)
def test_a_limit_that_is_broken_is_named(scale, expected):
    """Numbers, texts and lists alike."""
    scale = {"type": "target_utilization", "target_wait_ms": 500, **scale}

    with pytest.raises(SpecError) as caught:
        deployment_from_values(BLUE | {"scale_settings": scale})

    assert str(caught.value) == f"deployment: scale_settings.{expected}"
