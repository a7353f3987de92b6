"""Break-glass: who may go ahead against the policy, and what becomes of the verdict then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gatewright.decision import Decision, Kind, Reason
from gatewright.hearing import same_login
from gatewright.ledger.entry import Actor
from gatewright.policy.model import Approver
from gatewright.report.model import Report
from gatewright.thread import Membership
from gatewright.verdict import Result, Verdict

#: what stands beside the name of somebody who overrode, where GitHub did not say who it is
UNPROVED = "a name that only this machine gives, not proved by GitHub"


def overridden(
    report: Report, actor: Actor, member: Callable[[str], Membership], stop: Decision | None = None
) -> Report:
    """The report of a command given with `--override`.

    member: whether the actor is in a team, asked only if it matters. stop: what ended the matter before anything was
    judged. Where nothing stands in the way, nothing is overridden; where something does, only whom the target's
    `override` names goes ahead. For somebody who may be named by a team that cannot be read it is undetermined.
    """
    against = tuple(_against(report, stop))
    if not against:
        return report
    seat = seated(actor, report.target.override, member)
    if seat.answer == "unreadable":
        return replace(report, decision=Decision("error", Reason.TEAM_UNREADABLE, seat.why))
    if seat.answer == "no":
        return replace(report, decision=Decision("refused", Reason.NOT_AUTHORIZED, _not_named(report, actor)))
    kind: Kind = "rolled_back" if report.rollback else "promoted"
    verdict = report.verdict and waive(report.verdict, actor)
    who = actor.login if actor.proved else f"{actor.login} ({UNPROVED})"
    decision = Decision(kind, Reason.OVERRIDDEN, f"{who} overrode the policy: {report.why}")
    return replace(report, decision=decision, verdict=verdict, against=against)


def seated(actor: Actor, approvers: Sequence[Approver], member: Callable[[str], Membership]) -> Membership:
    """Whether a policy's list of people names the actor, or one of its teams has them. Yes by one name is yes."""
    if named(actor, approvers):
        return Membership("yes")
    doubts = []
    for team in dict.fromkeys(a.team for a in approvers if a.team):
        found = member(team)
        if found.answer == "yes":
            return found
        if found.answer == "unreadable":
            doubts.append(found.why)
    return Membership("unreadable", "; ".join(dict.fromkeys(doubts))) if doubts else Membership("no")


def named(actor: Actor, approvers: Iterable[Approver]) -> bool:
    """Whether a policy's list of people names the actor. A pinned id decides alone; else the login does."""
    return any(_is(actor, a) for a in approvers)


def waive(verdict: Verdict, actor: Actor) -> Verdict:
    """The verdict with everything that blocks marked as waived; what was found stays readable."""
    return Verdict(tuple(_waived(r, actor) if r.blocks else r for r in verdict.results))


def _waived(result: Result, actor: Actor) -> Result:
    return replace(result, status="waived", because=f"waived by {actor.login}; {result.because}")


def _is(actor: Actor, approver: Approver) -> bool:
    return actor.id == approver.id if approver.id is not None else same_login(approver.login, actor.login)


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
