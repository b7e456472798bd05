"""Means and growth over a span."""

import pytest

from mesh.scaling.windows import Window


def filled(*looks, span_s=2.0):
    window = Window(span_s)
    for now_s, figure in looks:
        window.add(now_s, figure)
    return window


def test_what_is_too_old_is_forgotten():
    """The mean is that of the span; unknown looks are not zero."""
    window = filled((0.0, 100.0), (3.0, 1.0), (4.0, None), (5.0, 3.0))

    assert window.mean == pytest.approx(2.0)


def test_nothing_known_has_no_mean():
    """Neither at the beginning nor when everything known is too old."""
    assert filled().mean is None
    assert filled((0.0, 5.0), (9.0, None)).mean is None


@pytest.mark.parametrize(
    ("looks", "growth_per_s"),
    [
        pytest.param([(0.0, 4.0), (1.0, 5.0), (2.0, 8.0)], 2.0, id="from the first to the last"),
        pytest.param([(0.0, 4.0), (0.0, 9.0)], 0.0, id="two looks at once"),
        pytest.param([(0.0, 4.0), (0.5, 9.0)], 0.0, id="too short to tell"),
        pytest.param([], 0.0, id="nothing"),
    ],
)
def test_growth(looks, growth_per_s):
    """A moment is no trend."""
    assert filled(*looks).growth_per_s == pytest.approx(growth_per_s)
