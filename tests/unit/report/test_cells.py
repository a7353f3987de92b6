"""What every surface says alike."""

from __future__ import annotations

from dataclasses import replace

from gatewright.report.cells import next_step
from gatewright.verdict import Verdict
from unit.report.examples import measured


def test_what_chance_can_explain_is_not_to_be_fixed() -> None:
    """A version that nothing was found against needs rows, not a successor."""
    report = measured()
    assert report.verdict is not None
    undecided = Verdict(tuple(r for r in report.verdict.results if r.status in ("pass", "inconclusive")))
    assert undecided.outcome == "inconclusive"
    assert next_step(report).startswith("Fix what the failed checks name")
    assert next_step(replace(report, verdict=undecided)).startswith("Measure on more rows")
