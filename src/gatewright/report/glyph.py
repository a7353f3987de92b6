"""The house's drawing of an interval and the limit that it is held against: `┊  ├──┼───┤`."""

from __future__ import annotations

import math

from gatewright.quantity import Interval


def draw(interval: Interval, limit: float, *, width: int = 11) -> str:
    """`width` columns: `┊` the limit, `├─┼─┤` the interval with its middle; empty if an end is not finite."""
    low, high = float(interval.low), float(interval.high)
    if not all(map(math.isfinite, (low, high, limit))):
        return ""
    left, right = min(low, limit), max(high, limit)
    span = (right - left) or 1.0
    cells = [" "] * width
    first, last = (round((x - left) / span * (width - 1)) for x in (low, high))
    for column in range(first, last + 1):
        cells[column] = "─"
    cells[(first + last) // 2] = "┼"
    cells[first], cells[last] = ("├", "┤") if first != last else ("┼", "┼")
    cells[round((limit - left) / span * (width - 1))] = "┊"
    return "".join(cells)
