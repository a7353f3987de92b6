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


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(3, 40))
def test_the_order_of_the_marks_is_that_of_the_numbers(
    a: float, b: float, c: float, limit: float, far: float, width: int
) -> None:
    """Of ends, estimate and limit; an end stands on the limit's side, however small the distance."""
    low, value, high = sorted((a, b, c))
    held = (low, high, limit, far)
    drawn = draw(Interval(low, high, 0.95, ""), limit, width=width, value=value, scale=(min(held), max(held)))
    marks = {"┊": limit, "├": low, "┤": high} | ({"┼": value} if "├" in drawn and "┤" in drawn else {})
    seen = [(drawn.index(sign), number) for sign, number in marks.items() if sign in drawn]
    assert all(x <= y for i, x in seen for j, y in seen if i < j)
    assert limit in (low, high) or drawn.count("├") == drawn.count("┤")
    at = drawn.index("┊")
    assert all((column < at) == (number < limit) for column, number in seen if number in (low, high) and column != at)
    assert len(drawn) == width


def test_the_estimate_stands_where_it_is() -> None:
    """An interval of a share is not even; without an estimate its middle is drawn."""
    interval = Interval(0.0, 10.0, 0.95, "")
    assert draw(interval, 0.0, value=2.0) == "┊─┼───────┤"
    assert draw(interval, 0.0, value=8.0) == "┊───────┼─┤"
    assert draw(interval, 5.0, value=5.01) == "├────┊┼───┤"
    assert draw(interval, 5.0, value=4.99) == "├───┼┊────┤"
    assert draw(interval, 0.0) == draw(interval, 0.0, value=5.0) == "┊────┼────┤"


def test_an_estimate_beyond_the_scale_is_not_drawn() -> None:
    """It would stand at another number."""
    assert draw(Interval(-90.0, 9.0, 0.95, ""), 5.0, value=-40.0, scale=(0.0, 10.0)) == "◂────┊───┤ "


def test_what_lies_outside_of_the_scale_has_arrows() -> None:
    """An end that is drawn at the edge would be taken for one that is there."""
    scale = (0.0, 10.0)
    assert draw(Interval(-90.0, 90.0, 0.95, ""), 5.0, value=6.0, scale=scale) == "◂────┊┼───▸"
    assert draw(Interval(2.0, 90.0, 0.95, ""), 0.0, value=4.0, scale=scale) == "┊ ├─┼─────▸"
    assert draw(Interval(-90.0, 90.0, 0.95, ""), 0.0, scale=scale) == "◂┊────────▸"
    assert draw(Interval(80.0, 90.0, 0.95, ""), 5.0, scale=scale) == "     ┊    ▸"
    assert draw(Interval(-90.0, -80.0, 0.95, ""), 5.0, scale=scale) == "◂    ┊     "


@pytest.mark.parametrize(
    ("low", "high", "drawn"),
    [
        (-math.inf, 10.0, "◂─┊───────┤"),
        (0.0, math.inf, "┊─────────▸"),
        (-math.inf, math.inf, "◂────┊────▸"),
        (5.0, math.inf, "┊       ├─▸"),
    ],
)
def test_a_bound_that_is_infinite_has_an_arrow(low: float, high: float, drawn: str) -> None:
    """A one-sided interval has one end."""
    assert draw(Interval(low, high, 0.95, ""), 0.0).rstrip() == drawn


def test_parity_is_drawn_behind_everything() -> None:
    """Where candidate and champion are equal; not where that is out of sight."""
    interval = Interval(4.0, 8.0, 0.95, "")
    assert draw(interval, 0.0, parity=2.0, scale=(0.0, 10.0)) == "┊ │ ├─┼─┤  "
    assert draw(interval, 0.0, parity=5.0, scale=(0.0, 10.0)) == "┊   ├│┼─┤  "
    assert draw(interval, 0.0, parity=6.0, scale=(0.0, 10.0)) == draw(interval, 0.0, scale=(0.0, 10.0))
    assert "│" not in draw(interval, 0.0, parity=11.0, scale=(0.0, 10.0))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_drawn(bad: float) -> None:
    """A picture would be a lie."""
    assert draw(Interval(0.0, 1.0, 0.95, ""), bad) == ""
    assert draw(Interval(math.nan, 1.0, 0.95, ""), 0.0) == draw(Interval(0.0, math.nan, 0.95, ""), 0.0) == ""


def test_progress_never_exceeds_what_is_asked() -> None:
    """Three approvals of two are two."""
    assert progress(-1, 1) == "▱"
    assert [progress(have, 2) for have in (0, 1, 2, 3)] == ["▱▱", "▰▱", "▰▰", "▰▰"]
