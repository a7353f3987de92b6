"""Break-glass: who may go ahead against the policy, and what becomes of the verdict then. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from gatewright.decision import Decision, Kind, Reason
from gatewright.ledger.entry import Actor
from gatewright.policy.model import Approver
from gatewright.report.model import Report
from gatewright.verdict import Result, Verdict


def overridden(report: Report, actor: Actor, stop: Decision | None = None, teams: Collection[str] = ()) -> Report:
    """The report of a command given with `--override`.

    stop: what ended the matter before anything was judged. teams: those that the actor is known to belong to.
    Where nothing stands in the way, nothing is overridden; where something does, only whom the target's `override`
    names goes ahead.
    """
    against = tuple(_against(report, stop))
    if not against:
        return report
    if not named(actor, report.target.override, teams):
        return replace(report, decision=Decision("refused", Reason.NOT_AUTHORIZED, _not_named(report, actor)))
    kind: Kind = "rolled_back" if report.rollback else "promoted"
    verdict = report.verdict and waive(report.verdict, actor)
    decision = Decision(kind, Reason.OVERRIDDEN, f"{actor.login} overrode the policy: {report.why}")
    return replace(report, decision=decision, verdict=verdict, against=against)


def named(actor: Actor, approvers: Iterable[Approver], teams: Collection[str] = ()) -> bool:
    """Whether a policy's list of people names the actor: by login, and by id where the policy pins one."""
    return any(_is(actor, a) or (a.team != "" and a.team in teams) for a in approvers)


def waive(verdict: Verdict, actor: Actor) -> Verdict:
    """The verdict with everything that blocks marked as waived; what was found stays readable."""
    return Verdict(tuple(_waived(r, actor) if r.blocks else r for r in verdict.results))


def _waived(result: Result, actor: Actor) -> Result:
    return replace(result, status="waived", because=f"waived by {actor.login}; {result.because}")


def _is(actor: Actor, approver: Approver) -> bool:
    same = approver.login != "" and approver.login.casefold() == actor.login.casefold()
    return same and approver.id in (None, actor.id)


def _against(report: Report, stop: Decision | None) -> Iterator[str]:
    if stop is not None:
        yield stop.detail or stop.reason.meaning
    for result in report.verdict.results if report.verdict else ():
        if result.blocks:
            yield f"{result.check.title}: {result.because}"
    if report.verdict is not None and not report.verdict.having("pass", "warn", "fail", "error", "inconclusive"):
        yield "no check could be applied"
    for rule in report.standing.missing:
        yield f"approvals of {rule.rule.name}: {rule.have} of {rule.rule.count}"
    standing = report.standing
    for word, objections in (("veto", standing.vetoed_by), ("hold", standing.held_by)):
        yield from (f"{word} of {o.login}{f': {o.reason}' if o.reason else ''}" for o in objections)
    yield from standing.undetermined


def _not_named(report: Report, actor: Actor) -> str:
    people = ", ".join(map(str, report.target.override)) or "nobody"
    return f"{actor.login} may not override {report.target.name}: the policy names {people}"
