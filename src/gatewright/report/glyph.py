"""The house's drawing of an interval and the limit that it is held against: `┊  ├──┼───┤`."""

from __future__ import annotations

import math

from gatewright.quantity import Interval

WIDTH = 11


def draw(interval: Interval, limit: float, *, width: int = WIDTH, scale: tuple[float, float] | None = None) -> str:
    """`width` columns: `┊` the limit, `├─┼─┤` the interval with its middle; empty if an end is not finite.

    The limit is drawn over the interval. The order of limit and ends is that of the numbers: an end shares the
    limit's column only where the interval holds the limit. scale: the numbers of the first and the last column, where
    several drawings are to be compared; by default what holds interval and limit.
    """
    low, high, at = float(interval.low), float(interval.high), float(limit)
    if not all(map(math.isfinite, (low, high, at))):
        return ""
    left, right = scale or (min(low, at), max(high, at))
    first, last, mark = (_column(x, left, right, width) for x in (low, high, at))
    if low > at:
        mark = min(mark, width - 2)
        first = max(first, mark + 1)
        last = max(first, last)
    elif high < at:
        mark = max(mark, 1)
        last = min(last, mark - 1)
        first = min(first, last)
    cells = ["─" if first <= column <= last else " " for column in range(width)]
    cells[(first + last) // 2] = "┼"
    cells[first], cells[last] = ("├", "┤") if first != last else ("┼", "┼")
    cells[mark] = "┊"
    return "".join(cells)


def progress(have: int, need: int) -> str:
    """`▰▰▱`: two of three."""
    done = min(have, need)
    return "▰" * done + "▱" * (need - done)


def _column(value: float, left: float, right: float, width: int) -> int:
    if right == left:
        return width // 2
    share = (value / 2 - left / 2) / (right / 2 - left / 2)
    return round(min(max(share, 0.0), 1.0) * (width - 1))
