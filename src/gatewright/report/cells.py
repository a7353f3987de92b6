"""What the table of checks says, in the same words on every surface."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from gatewright.decision import Reason
from gatewright.ledger.entry import MOVED, Entry, Row
from gatewright.policy.model import Champion
from gatewright.quantity import Quantity
from gatewright.report.model import Report
from gatewright.verdict import Result, Status, Verdict, shown, spelled

#: status → (sign, word), the most urgent first; a sign is never the only difference
SIGNS: dict[Status, tuple[str, str]] = {
    "fail": ("✘", "failed"),
    "error": ("?", "undetermined"),
    "inconclusive": ("≈", "inconclusive"),
    "warn": ("!", "warned"),
    "skip": ("–", "skipped"),
    "waived": ("~", "waived"),
    "pass": ("✔", "passed"),
}

_UNIT = re.compile(r"(?<=[\d.])(%|[A-Za-z]+)\Z")
_SPELLED = {">=": "≥", "<=": "≤", "!=": "≠", "==": "="}


@dataclass(frozen=True, slots=True)
class Cells:
    """One row as text: what was found, what had to be, what the champion has, and how far apart they are.

    level: `at 95%`, where the check has one that its name does not tell.
    """

    check: str
    value: str
    needs: str
    champion: str
    difference: str
    level: str = ""

    @property
    def name(self) -> str:
        """The check with its level, where both are one text."""
        return f"{self.check} {self.level}".rstrip()


def cells(result: Result) -> Cells:
    """The row of one check; a cell that has nothing to say is empty."""
    check = result.check
    value = _short(shown(check, result.value))
    return Cells(
        check.name or _left_side(result),
        "" if value == "yes" and check.op is None else value,
        _needs(result),
        shown(check, result.champion),
        "" if result.delta is None else _points(shown(check, result.delta, signed=True)),
        "" if check.name or check.level is None else f"at {float(check.level) * 100:g}%",
    )


def _short(value: str) -> str:
    """A commit or a digest by its first characters, as tools print them."""
    return value[:12] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) else value


def by_urgency(verdict: Verdict) -> tuple[Result, ...]:
    """What must be seen first comes first; the policy's order otherwise."""
    order = list(SIGNS)
    return tuple(sorted(verdict.results, key=lambda r: order.index(r.status)))


def tally(verdict: Verdict) -> str:
    """`2 failed, 1 warned, 7 passed`."""
    counts = [(len(verdict.having(status)), word) for status, (_, word) in SIGNS.items()]
    return ", ".join(f"{n} {word}" for n, word in counts if n)


def next_step(report: Report) -> str:
    """The one thing to do now."""
    if report.decision.kind == "evaluated" and _promotable(report):
        return f"Promote it: gatewright promote {shlex.quote(str(report.candidate))} --to {report.target.name}"
    if waits_for_people(report):
        return f"Ask {people(report)} to approve {report.candidate}."
    if report.decision.reason is Reason.CHECKS_FAILED and report.verdict and report.verdict.outcome == "inconclusive":
        return "Measure on more rows, or in more calls, as the undecided checks say: none has failed."
    return report.decision.reason.next_step


def waits_for_people(report: Report) -> bool:
    """Whether the next thing to do is that somebody approves."""
    pending = report.decision.kind == "pending" and report.decision.reason is not Reason.HELD
    return pending and bool(report.standing.missing)


def _promotable(report: Report) -> bool:
    passed = report.verdict is not None and report.verdict.outcome == "pass"
    return passed and not report.rollback and not report.against


def instead(row: Row) -> str:
    """Whom a version replaced, where the entry says so: `, was v3`."""
    return f", was v{row.replaces}" if row.kind in MOVED and row.replaces not in (None, row.version) else ""


def who(entry: Entry) -> str:
    """Who did it; beside an override, whether that is only what the machine said."""
    unproved = "override" in entry.details and not entry.actor.proved
    return f"{entry.actor.login} (not proved)" if unproved else entry.actor.login


def minute(at: str) -> str:
    """`2026-11-09T13:00:00.000Z` to the minute, for people; whatever is no such time stays as it is."""
    return re.sub(r"\A(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z\Z", r"\1 \2 UTC", at)


def people(report: Report) -> str:
    """Those whose turn it is: `2 of octo, @acme/ml-leads; 1 of @acme/model-risk`."""
    return "; ".join(
        f"{r.rule.count - r.have} of {', '.join(map(str, r.could or r.rule.approvers))}"
        for r in report.standing.missing
    )


def _left_side(result: Result) -> str:
    """The check without what the other columns say."""
    check = result.check
    slices = f" {check.aggregate} {check.column}" if check.aggregate else ""
    return f"{check.path}{slices}"


def _needs(result: Result) -> str:
    check = result.check
    if check.op is None:
        return "present"
    if isinstance(check.operand, Champion):
        bound = shown(check, result.bound) or check.operand.text
    else:
        bound = spelled(check.operand)
        if isinstance(check.operand, Quantity):
            bound = _UNIT.sub(r" \1", bound)
    return f"{_SPELLED.get(check.op, check.op)} {bound}"


def _points(difference: str) -> str:
    """A difference of two percentages is in points."""
    return difference.replace(" %", " pt")
