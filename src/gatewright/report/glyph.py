"""The house's drawing of an interval and the limit that it is held against: `┊  ├──┼───┤`."""

from __future__ import annotations

import math

from gatewright.quantity import Interval

WIDTH = 11


def draw(
    interval: Interval,
    limit: float,
    *,
    width: int = WIDTH,
    value: float | None = None,
    parity: float | None = None,
    scale: tuple[float, float] | None = None,
) -> str:
    """`width` columns (at least 3): `┊` the limit, `├─┼─┤` the interval, `┼` the estimate, `│` parity.

    The order of limit, ends and estimate is that of the numbers, however close they are: what is less than the limit
    stands left of it, and only what equals it shares its column, where the limit is drawn on top. An end that is
    infinite or beyond the scale is `◂` or `▸`.

    value: the estimate, by default the middle if both ends are drawn; left out where it is beyond the scale or there
    is no column for it. parity: the number that means "no difference". scale: the numbers of the first and the last
    column, where several drawings are to be compared; by default what holds interval and limit. Empty if a number is
    missing.
    """
    low, high, at = float(interval.low), float(interval.high), float(limit)
    if math.isnan(low) or math.isnan(high) or not math.isfinite(at):
        return ""
    left, right = scale or hull(low, high, at)
    first, last, mark = _ordered(low, high, at, (left, right), width)
    cells = ["─" if first <= column <= last else " " for column in range(width)]
    if parity is not None and left <= parity <= right:
        cells[_column(parity, left, right, width)] = "│"
    if value is None and left <= low and high <= right:
        middle: int | None = (first + last) // 2
    else:
        middle = _estimate(value, at, (left, right), (first, last, mark), width)
    if middle is not None:
        cells[middle] = "┼"
    cells[first], cells[last] = ("├", "┤") if first != last else ("┼", "┼")
    if low < left:
        cells[first] = "◂"
    if high > right:
        cells[last] = "▸"
    cells[mark] = "┊"
    return "".join(cells)


def progress(have: int, need: int) -> str:
    """`▰▰▱`: two of three."""
    done = max(0, min(have, need))
    return "▰" * done + "▱" * (need - done)


def hull(low: float, high: float, at: float) -> tuple[float, float]:
    """(least, greatest) of what is finite, with room for an arrow where an end is not."""
    ends = [x for x in (low, high, at) if math.isfinite(x)]
    left, right = min(ends), max(ends)
    room = (right / 4 - left / 4) or 1.0
    return left - room * math.isinf(low), right + room * math.isinf(high)


def _ordered(low: float, high: float, at: float, scale: tuple[float, float], width: int) -> tuple[int, int, int]:
    """Columns of both ends and of the limit, pushed apart where rounding laid different numbers together."""
    first, last, mark = (_column(x, *scale, width) for x in (low, high, at))
    if low > at:
        mark = min(mark, width - 2)
        first = max(first, mark + 1)
        return first, max(first, last), mark
    if high < at:
        mark = max(mark, 1)
        last = min(last, mark - 1)
        return min(first, last), last, mark
    if low < at:
        mark = max(mark, 1)
        first = min(first, mark - 1)
    else:
        first = mark
    if high > at:
        mark = min(mark, width - 2)
        first = min(first, mark - (low < at))
        last = max(last, mark + 1)
    else:
        last = mark
    return first, last, mark


def _estimate(
    value: float | None, at: float, scale: tuple[float, float], columns: tuple[int, int, int], width: int
) -> int | None:
    """The estimate's column, strictly between the ends and on its side of the limit; None where there is none."""
    first, last, mark = columns
    if value is None or not scale[0] <= value <= scale[1]:
        return None
    column = min(max(_column(value, *scale, width), first + 1), last - 1)
    if value > at:
        column = max(column, mark + 1)
    elif value < at:
        column = min(column, mark - 1)
    return column if first < column < last else None


def _column(value: float, left: float, right: float, width: int) -> int:
    if math.isinf(value):
        return 0 if value < 0 else width - 1
    if right == left:
        return width // 2
    share = (value / 2 - left / 2) / (right / 2 - left / 2)
    return round(min(max(share, 0.0), 1.0) * (width - 1))
