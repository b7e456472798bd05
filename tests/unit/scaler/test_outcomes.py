"""How rollouts have ended."""

import pytest
from msgspec.structs import replace

from mesh.records import DeploymentState
from scaler.outcomes import Outcomes, outcome

SERVES = DeploymentState(state="Succeeded", generation=1, serving=1)
UPDATING = replace(SERVES, state="Updating", generation=2)


@pytest.mark.parametrize(
    ("before", "changes", "expected"),
    [
        pytest.param(DeploymentState(state="Creating"), {"serving": 1}, "completed", id="created"),
        pytest.param(UPDATING, {"serving": 2}, "completed", id="updated"),
        pytest.param(UPDATING, {"failed_generation": 2}, "failed", id="failed"),
        pytest.param(UPDATING, {"generation": 3}, "superseded", id="another one came"),
        pytest.param(SERVES, {"generation": 2}, None, id="begun"),
        pytest.param(UPDATING, {"ready": 5}, None, id="goes on"),
        pytest.param(
            replace(UPDATING, failed_generation=2), {"generation": 3}, None, id="failed before"
        ),
    ],
)
def test_what_has_become_of_it(before, changes, expected):
    """Each generation ends once: it took over, it failed, or another one came."""
    after = replace(replace(before, generation=max(1, before.generation)), **changes)

    assert outcome(before, after) == expected


def test_outcomes_are_counted_from_zero_on():
    """Of those deployments that there are."""
    outcomes = Outcomes()
    outcomes.retain({("iris", "blue")})
    outcomes.note(("iris", "blue"), UPDATING, replace(UPDATING, serving=2))

    assert outcomes.counts() == {
        ("iris", "blue", "completed"): 1,
        ("iris", "blue", "failed"): 0,
        ("iris", "blue", "superseded"): 0,
    }
    outcomes.retain(set())
    assert outcomes.counts() == {}
