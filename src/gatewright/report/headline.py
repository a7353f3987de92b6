"""How a report begins, in plain sentences that every page escapes for itself."""

from __future__ import annotations

from gatewright.decision import Reason
from gatewright.report.cells import SIGNS, tally
from gatewright.report.model import Report

#: what an evaluation would have come to
_WOULD = {"pass": "It would pass", "fail": "It would be refused", "inconclusive": "It could not be decided"}
_UNDETERMINED = "It could not be determined, which says nothing about the model"


def headline(report: Report) -> str:
    """What was decided, what the checks say, and what became of the target."""
    kind, counts = str(report.decision.kind), f" {tally(report.verdict).capitalize()}." if report.verdict else ""
    version, target, held = f"v{report.candidate.number}", report.target.name, report.holding.number
    if kind == "promoted":
        return f"{version} is now {target}.{f' It takes the place of v{held}.' if held else ''}{counts}"
    if kind == "rolled_back":
        return f"{target} is back at {version}.{f' v{held} was taken back from it.' if held else ''}{counts}"
    if kind == "pending":
        return f"All checks hold. {_given(report)} approvals.{counts}"
    if kind == "refused":
        return f"Refused: {_refused(report, counts)}{_stays(report)}"
    if kind == "evaluated":
        return f"{_WOULD.get(report.verdict.outcome if report.verdict else 'error', _UNDETERMINED)}.{counts}"
    if kind == "noop":
        return f"{version} already holds {target}. Nothing was changed."
    if kind == "error":
        return f"{_UNDETERMINED}.{counts}{_stays(report)}"
    return f"{kind.replace('_', ' ').capitalize()}. {report.decision.reason.meaning}{counts}"


def _given(report: Report) -> str:
    rules = report.standing.rules
    return f"{sum(min(r.have, r.rule.count) for r in rules)} of {sum(r.rule.count for r in rules)}"


def _refused(report: Report, counts: str) -> str:
    """By how many of the checks that must hold, or the reason where it was not the checks."""
    if report.verdict is None or report.decision.reason is not Reason.CHECKS_FAILED:
        meaning = report.decision.reason.meaning.rstrip(".")
        return f"{meaning[:1].lower()}{meaning[1:]}.{counts}"
    blocking = [r for r in report.verdict.results if r.check.severity == "block"]
    found = [(sum(r.status == s for r in blocking), s) for s in ("fail", "inconclusive", "error")]
    said = [
        (n, {"fail": "failed", "inconclusive": "could not be decided", "error": SIGNS["error"][1]}[s])
        for n, s in found
        if n
    ]
    if not said:
        return f"no check decides.{counts}"
    (first, word), *rest = said
    checks = f"{first} of {len(blocking)} check{'s' * (len(blocking) != 1)} {word}"
    return ", ".join((checks, *(f"{n} {w}" for n, w in rest))) + "."


def _stays(report: Report) -> str:
    held = report.holding.number
    return f" v{held} stays {report.target.name}; nothing was changed." if held else " Nothing was changed."
