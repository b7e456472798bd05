"""What `make gpu` says of this machine."""

from tests.gpus import verdict


def test_unproven_claims_are_named_with_the_reason():
    """Each in its own words; a claim is proven when all of its tests have passed."""
    proven = ["Arrays arrive.", "Two are apart."]  # one of its tests passed, another did not run

    lines = verdict(proven, {"Two are apart.": "there is one GPU, it takes two"})

    assert lines[0] == "1 of 2 claims about GPUs are proven on this machine."
    assert lines[1:] == ["Unproven: there is one GPU, it takes two", "  - Two are apart."]


def test_nothing_is_unproven_where_all_ran():
    """No list without anything to list."""
    assert verdict(["Arrays arrive.", "Arrays arrive."], {}) == [
        "1 of 1 claims about GPUs are proven on this machine."
    ]
