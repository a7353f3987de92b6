"""The drawing tells what the numbers tell."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quantity import Interval
from gatewright.report.glyph import WIDTH, draw, progress

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("low", "high", "limit", "drawn"),
    [
        (0.5, 1.0, 0.0, "┊    ├─┼──┤"),
        (-1.0, -0.5, 0.0, "├─┼──┤    ┊"),
        (-0.5, 0.5, 0.0, "├────┊────┤"),
        (0.0, 0.0, 0.0, "     ┊     "),
        (1.0, 1.0, 0.0, "┊         ┼"),
    ],
)
def test_known_drawings(low: float, high: float, limit: float, drawn: str) -> None:
    """Beside, around and upon the limit."""
    assert draw(Interval(low, high, 0.95, ""), limit) == drawn


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(5, 40))
def test_what_lies_beside_the_limit_is_drawn_beside_it(a: float, b: float, limit: float, width: int) -> None:
    """However small the distance; and what contains it is drawn through it."""
    low, high = sorted((a, b))
    drawn = draw(Interval(low, high, 0.95, ""), limit, width=width)
    assert len(drawn) == width
    assert drawn.count("┊") == 1
    left, right = drawn.split("┊")
    if low > limit:
        assert not left.strip()
        assert right.strip()
    elif high < limit:
        assert not right.strip()
        assert left.strip()


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_on_a_common_scale_too(a: float, b: float, limit: float, far: float) -> None:
    """Slices are drawn one below the other."""
    low, high = sorted((a, b))
    drawn = draw(Interval(low, high, 0.95, ""), limit, scale=(min(low, limit, far), max(high, limit, far)))
    left, right = drawn.split("┊")
    assert len(drawn) == WIDTH
    if low > limit:
        assert not left.strip()
        assert right.strip()
    elif high < limit:
        assert not right.strip()
        assert left.strip()


@pytest.mark.parametrize("end", [math.inf, -math.inf, math.nan])
def test_what_has_no_end_is_not_drawn(end: float) -> None:
    """A picture would be a lie."""
    assert draw(Interval(end, 1.0, 0.95, ""), 0.0) == ""
    assert draw(Interval(0.0, 1.0, 0.95, ""), end) == ""


def test_progress_never_exceeds_what_is_asked() -> None:
    """Three approvals of two are two."""
    assert [progress(have, 2) for have in (0, 1, 2, 3)] == ["▱▱", "▰▱", "▰▰", "▰▰"]
