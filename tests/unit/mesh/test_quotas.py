"""Cores by family: Azure's rule, and borrowing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.instance_types import InstanceType
from mesh.quotas import Quota, most_instances, needed_cores
from mesh.settings import FamilyQuota, QuotaSettings

DS3 = InstanceType(cores=4, memory_gib=14)
A100 = InstanceType(cores=24, memory_gib=220, exempt=True)


def quota(shared=0.0, **families) -> Quota:
    """Families as (own cores, cores they may borrow)."""
    given = {
        name: FamilyQuota(cores=own, borrow_cores=borrow)
        for name, (own, borrow) in families.items()
    }
    return Quota(QuotaSettings(families=given, shared_cores=shared))


@pytest.mark.parametrize(
    ("kind", "instances", "cores"),
    [
        pytest.param(DS3, 10, 48, id="azures-example"),
        pytest.param(DS3, 1, 8, id="one-counts-as-two"),
        pytest.param(DS3, 5, 24, id="exactly-six"),
        pytest.param(DS3, 0, 0, id="none"),
        pytest.param(A100, 10, 240, id="exempt"),
    ],
)
def test_a_fifth_more_is_needed(kind, instances, cores):
    """ceil(1.2 x instances) x cores, but for exempt types."""
    assert needed_cores(kind, instances) == cores


@given(
    st.integers(0, 500),
    st.sampled_from([0.1, 0.25, 1, 4, 6, 96]),
    st.booleans(),
)
def test_the_most_instances_fit_and_one_more_does_not(cores, each, exempt):
    """What the autoscaler is allowed is what an update would be allowed."""
    kind = InstanceType(cores=each, memory_gib=1, exempt=exempt)

    most = most_instances(kind, cores)

    assert needed_cores(kind, most) <= cores + 1e-6
    assert needed_cores(kind, most + 1) > cores - 1e-6


def test_without_borrowing_a_family_has_its_own():
    """What others leave is not for it."""
    assert quota(f=(8, 0), d=(100, 0)).available("f", {}) == 8


def test_a_family_borrows_what_others_leave_up_to_its_limit():
    """Of unused cores of others, and of the shared pool."""
    found = quota(f=(8, 16), d=(10, 0), shared=4)

    assert found.available("f", {}) == 8 + 14
    assert found.available("f", {"d": 7}) == 8 + 7
    assert quota(f=(8, 2), d=(10, 0)).available("f", {}) == 10


def test_a_lender_gets_back_what_is_its_own():
    """It is not refused, and the borrower may have no more than is left over."""
    found = quota(f=(8, 10), d=(10, 0))
    lent = {"f": 18.0}

    assert found.available("d", lent) == 10
    assert found.available("f", lent | {"d": 10.0}) == 8


def test_rows_show_who_borrows_and_who_lends():
    """A family each, with what it could still have."""
    [f, d] = quota(f=(8, 10), d=(10, 0), shared=2).rows({"f": 12.0, "d": 4.0})

    assert (f.used, f.borrowed, f.lent, f.available) == (12, 4, 0, 4)
    assert (d.used, d.borrowed, d.lent, d.available) == (4, 0, 2, 6)


families = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1
)
steps = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60)), max_size=20)


@given(families, st.integers(0, 20), steps)
def test_nobody_is_refused_its_own_and_lending_never_exceeds_what_there_is(given_, shared, wishes):
    """Whoever asks in whatever order: borrowed cores were unused when they were given."""
    found, used = quota(shared=shared, **given_), dict.fromkeys(given_, 0.0)
    total = shared + sum(own for own, _ in given_.values())
    for family, wish in wishes:
        if family not in given_:
            continue
        own, borrow = given_[family]
        available = found.available(family, used)
        assert own <= available <= own + borrow
        if own < wish <= available:
            used[family] = wish
            assert sum(used.values()) <= total
        elif wish <= own:
            used[family] = wish


def test_a_family_is_found_whatever_its_capitals():
    """Environment variables have none."""
    assert quota(standardfsv2family=(8, 0)).family("standardFSv2Family") == "standardfsv2family"
    assert quota(f=(8, 0)).family("other") is None
