"""What the ledger remembers, for a page: what befell a version, and what every holder of a target was worth."""

from __future__ import annotations

import json
from typing import Any

from gatewright.case import Gate
from gatewright.ledger.entry import Row
from gatewright.problem import Undetermined
from gatewright.quantity import is_finite
from gatewright.report.model import History, Report
from gatewright.report.summary import Point, Trend
from gatewright.verdict import Result

#: holders that a chart shows, the newest
MOST = 12

#: families of paths, the most telling first
_TELLING = ("holdout", "live", "run")


def remembered(ours: Gate) -> tuple[Row, ...]:
    """The ledger's events without their bodies, oldest first; none where it cannot be read.

    A picture is no reason to fail.
    """
    try:
        return ours.ledger.rows(ours.policy.model)
    except Undetermined:
        return ()


def history(ours: Gate, rows: tuple[Row, ...]) -> History:
    """The events, for a timeline."""
    return History(ours.policy.model, tuple((row, None) for row in rows))


def trend(ours: Gate, rows: tuple[Row, ...], report: Report) -> Trend | None:
    """The most telling check of the target over its holders; None where nothing was moved, or too little is known.

    What of the ledger cannot be read is left out.
    """
    result = _telling(report)
    if result is None or report.decision.kind != "promoted":
        return None
    path, target = str(result.check.path), report.target.name
    holders = [r for r in rows if r.kind == "promoted" and r.target == target][-MOST:]
    try:
        points = [_point(ours, rows, row, path) for row in holders]
    except Undetermined:
        return None
    return Trend(path, target, tuple(p for p in points if p is not None))


def _telling(report: Report) -> Result | None:
    """The first check of the most telling family that has both a value and a limit."""
    found = [r for r in (report.verdict.results if report.verdict else ()) if _number(r.value) and _number(r.bound)]
    found = [r for r in found if r.check.path.family in _TELLING and not r.slices]
    return min(found, key=lambda r: _TELLING.index(r.check.path.family), default=None)


def _point(ours: Gate, rows: tuple[Row, ...], row: Row, path: str) -> Point | None:
    """The value with which a version came, from the intent that its promotion closed."""
    intent = next((r for r in rows if r.n == row.closes), row)
    stored = ours.ledger.attachment(ours.policy.model, intent, "verdict.json")
    if stored is None or row.version is None:
        return None
    checks: list[dict[str, Any]] = json.loads(stored).get("checks", [])
    told = (c for c in checks if str(c.get("check", "")).split(" ")[0] == path and not c.get("slices"))
    found = next((c for c in told if _number(c.get("value")) and _number(c.get("bound"))), None)
    return None if found is None else Point(row.version, float(found["value"]), float(found["bound"]))


def _number(value: object) -> bool:
    return not isinstance(value, (bool, str)) and value is not None and is_finite(value)
