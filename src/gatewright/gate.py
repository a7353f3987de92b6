"""The story: what each command does, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from gatewright import ladder
from gatewright.approvals import Standing
from gatewright.benchmarks import Measured, benchmarked, replaced
from gatewright.canonical import plain
from gatewright.case import SIGN_IN, Case, Gate, Torn, look, read
from gatewright.consent import hear, heard, record_words, requester
from gatewright.decision import Decision, Situation, decide, stopped
from gatewright.evidence import Evidence
from gatewright.ladder import Leaving
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Entry, Proof, Row, last_move, open_intent, open_requests
from gatewright.ledger.envelope import Keys
from gatewright.measure import measure
from gatewright.measure.loading import try_loading
from gatewright.measure.quoting import storable
from gatewright.move import Ending, Order, move
from gatewright.observations import observed
from gatewright.override import overridden
from gatewright.policy.document import did_you_mean
from gatewright.policy.model import Rule, Target
from gatewright.problem import Undetermined, UsageError
from gatewright.record import append, draft, stamp
from gatewright.report.model import Audit, Failure, History, Report, Request, Rung, Status
from gatewright.report.stored import attachments
from gatewright.rollback import Wish, find_way, gathered, judged, said_of, taken_from, worded
from gatewright.subject import Subject, Version
from gatewright.thread import Membership, Person
from gatewright.trials import newest, settled, tidy
from gatewright.verdict import Verdict, judge

T = TypeVar("T")


def evaluate(gate: Gate, subject: Subject, to: str) -> Report:
    """Gathers evidence and says what the policy makes of it; writes nothing but the record of a holdout benchmark."""
    case = look_at(gate, subject, target_of(gate, to))
    report = judged_for(gate, case)
    return replace(report, decision=Decision("evaluated", report.decision.reason))


def promote(gate: Gate, subject: Subject, to: str, *, why: str = "", override: bool = False) -> Report:
    """Evaluates, then moves the version, records a request, or records a refusal.

    why: a reason in the words of whoever asks; owed with `override`, which goes ahead against the policy.
    """
    target, why = target_of(gate, to), storable(why)
    notes = settled(gate)
    case = look_at(gate, subject, target)
    stop = stopped(_situation(gate, case))
    if stop is not None and not (override and stop.kind == "refused"):
        report = Report(stop, gate.policy, target, case.candidate, case.holding, notes=notes, why=why)
        return _record(gate, case, report)
    report = judged_for(gate, case, record=True)
    report = replace(report, notes=(*notes, *report.notes), why=why)
    if override:
        report = overridden(report, gate.actor, _member_of(gate), stop)
    return _carry_out(gate, case, report, lambda c: _measure(gate, c, benchmarked(gate, c)))


def rollback(gate: Gate, wish: Wish) -> Report:
    """Brings the last good version back, records a request, or records a refusal."""
    target, wish = target_of(gate, wish.target), replace(wish, why=storable(wish.why))
    notes = settled(gate)
    case, choice = _steady(gate, lambda: find_way(gate, target, wish))
    stop, notes = choice.stop, tuple(filter(None, (*notes, choice.note)))
    if stop is not None and not (wish.override and wish.to and stop.kind == "refused"):
        return _record(gate, case, _back(gate, case, wish, stop, notes=notes))
    loads = None if wish.fast else try_loading(case.candidate, gate.policy, gate.registry)
    evidence = gathered(gate, case, loads)
    standing, verdict = _agreed(gate, case, target.rollback_approvals, evidence.digest), judged(target, evidence)
    decision = worded(case, wish, decide(verdict, standing))
    report = _back(gate, case, wish, decision, evidence=evidence, verdict=verdict, standing=standing, notes=notes)
    if wish.override:
        report = overridden(report, gate.actor, _member_of(gate), stop)
    return _carry_out(gate, case, report, lambda c: gathered(gate, c, loads), taken_from(gate, case, wish))


def status(gate: Gate) -> Status:
    """Who holds each target, what waits for approval, and whether a move is under way."""
    policy, rows = gate.policy, gate.ledger.rows(gate.policy.model)
    models = read(gate, *policy.targets)
    rungs = (Rung(t, ladder.holding(t, policy.model, models), last_move(rows, t.name)) for t in policy.targets)
    lock = open_intent(rows)
    waiting = (_request(gate, row, models) for row in open_requests(rows))
    return Status(
        policy.model,
        tuple(rungs),
        tuple(r for r in waiting if r is not None),
        gate.ledger.entry(policy.model, lock) if lock else None,
        _live(rows),
    )


def _live(rows: tuple[Row, ...]) -> tuple[str, ...]:
    known = newest(rows)
    if known is None or not known.runs:
        return ()
    pair = f"v{known.started.version} is tried against v{known.started.replaces} in {known.started.target}"
    return (f"A live split runs: {pair}, since {known.started.at}. gatewright live status shows it.",)


def history(gate: Gate) -> History:
    """Every event of the model, oldest first."""
    model = gate.policy.model
    rows = gate.ledger.rows(model)
    return History(model, tuple(zip(rows, gate.ledger.entries(model, rows), strict=True)))


def verify(ledger: Ledger, model: str, keys: Keys | None = None) -> Audit:
    """Proves a model's ledger unbroken, or names what is wrong with it. keys: those that must have signed it."""
    return _audit(model, ledger.prove(model, keys), keys)


def verify_all(ledger: Ledger, models: Sequence[str], keys: Keys | None = None) -> tuple[Audit | Failure, ...]:
    """The same of many models at once; one whose ledger cannot be read does not hide the others."""
    found = ledger.prove_all(models, lambda model, proof: _audit(model, proof, keys), keys)
    return tuple(
        Failure(one, m) if isinstance(one, Undetermined) else one for m, one in zip(models, found, strict=True)
    )


def _audit(model: str, proof: Proof, keys: Keys | None) -> Audit:
    rows = proof.rows if proof.whole else ()
    notes = tuple(str(b) for b in proof.breaks if b.note)
    breaks = tuple(b for b in proof.breaks if not b.note)
    return Audit(model, len(rows), breaks, notes, rows[-1].digest if rows else "", keys is not None and not breaks)


def look_at(gate: Gate, subject: Subject, target: Target) -> Case:
    """Candidate and holder, as the registry shows them outside of any move."""
    return _steady(gate, lambda: look(gate, subject, target))


def _steady(gate: Gate, look: Callable[[], T]) -> T:
    """What a look at the registry finds. In the middle of another run's move that is no fault: the lock is held."""
    for _ in range(3):
        try:
            return look()
        except Torn as torn:
            if open_intent(gate.ledger.rows(gate.policy.model)) is not None:
                fix = "Run the same command again when that run has ended."
                why = f"another run moves a version right now: {torn.why}"
                raise Undetermined(torn.what, why, fix, "lock_held") from torn
    return look()


def _member_of(gate: Gate) -> Callable[[str], Membership]:
    """Whether whoever runs the command is in a team, as the forge says now."""

    def member(team: str) -> Membership:
        who = gate.actor
        if gate.audience is None:
            return Membership("unreadable", f"whether {who.login} is in @{team} was asked of nobody. {SIGN_IN}")
        if who.via != "github" or who.id is None:
            return Membership("unreadable", f"{who.login} is not known to be a GitHub account. {SIGN_IN}")
        return gate.audience.member(team, Person(who.login, who.id))

    return member


def target_of(gate: Gate, name: str) -> Target:
    """The policy's target of a name; UsageError where it has none."""
    target = gate.policy.target(name)
    if target is None:
        known = [t.name for t in gate.policy.targets]
        hint = did_you_mean(name, known) or f"name one of its targets: {', '.join(known)}"
        raise UsageError(f'{gate.policy.file} has no target "{name}"', hint)
    return target


def judged_for(gate: Gate, case: Case, *, record: bool = False) -> Report:
    """The evidence for a case, what the checks say of it, and who has agreed.

    record: the ledger keeps the words and outcomes that counted, as for a promotion.
    """
    found = benchmarked(gate, case, anew=gate.rebenchmark)
    evidence = _measure(gate, case, found, record=record)
    verdict = judge(case.target.checks, evidence)
    standing = (_agreed if record else heard)(gate, case, case.target.approvals, evidence.digest)
    decision = decide(verdict, standing)
    report = Report(decision, gate.policy, case.target, case.candidate, case.holding, evidence, verdict, standing)
    return replace(report, notes=standing.notes, scored=found.scored)


def _back(gate: Gate, case: Case, wish: Wish, decision: Decision, **found: Any) -> Report:
    return Report(
        decision, gate.policy, case.target, case.candidate, case.holding, rollback=True, why=wish.why, **found
    )


def _carry_out(
    gate: Gate, case: Case, report: Report, measure: Callable[[Case], Evidence], leaving: Leaving | None = None
) -> Report:
    """Moves what is to be moved, and records whatever is to be recorded."""
    if not report.moved or report.evidence is None:
        return _record(gate, case, report)
    # Before the lock is taken: fetching may outlast its lease.
    swapped = replaced(gate, case, report.evidence, report.scored)
    if swapped is not None:
        return replace(report, decision=swapped, against=())
    kind: Ending = "rolled_back" if report.rollback else "overridden" if report.against else "promoted"
    details = {"override": {"by": plain(gate.actor), "against": list(report.against)}} if report.against else {}
    order = Order(case, report.evidence, report.decision, kind, report.why, details, leaving)
    later: list[Standing] = []

    def objection(now: Case) -> Decision | None:
        """What is decided now, if it is not to move any more: since it was judged, somebody may have objected."""
        later.append(_agreed(gate, now, _rules(report), order.evidence.digest))
        made = decide(report.verdict or Verdict(()), later[0])
        return None if made.kind == "promoted" else made

    moved = move(gate, order, attachments(report), measure, *(() if report.against else (objection,)))
    notes = (*report.notes, *(_tidied(gate) if moved.decision.kind in ("promoted", "rolled_back") else ()))
    standing = later[0] if later else report.standing
    ended = replace(
        report, decision=moved.decision, standing=standing, steps=moved.steps, entry=moved.entry, notes=notes
    )
    return ended if ended.moved else replace(ended, against=())


def _tidied(gate: Gate) -> tuple[str, ...]:
    """A split whose target has moved is over; that its labels cannot be taken away yet undoes no move."""
    try:
        return () if tidy(gate) is None else ("The live split is over: its labels were taken away.",)
    except Undetermined as e:
        return (
            f"The live split is over, but its labels stand: {e.why}. gatewright live status --act takes them away.",
        )


def _measure(gate: Gate, case: Case, found: Measured, *, record: bool = False) -> Evidence:
    facts, notes = observed(gate, case, record=record)
    given, said = (*found.facts, *facts), (*found.notes, *notes)
    return measure(gate.policy, case.target, case.candidate, case.champion, gate.registry, gate.now(), given, said)


def _agreed(gate: Gate, case: Case, rules: tuple[Rule, ...], digest: str) -> Standing:
    """Counts who has agreed, and lets the ledger keep the words that were counted."""
    found = hear(gate, case, rules, digest)
    record_words(gate, case, found)
    return found.standing


def _rules(report: Report) -> tuple[Rule, ...]:
    return report.target.rollback_approvals if report.rollback else report.target.approvals


def _situation(gate: Gate, case: Case) -> Situation:
    below = gate.policy.target(case.target.after) if case.target.after else None
    missing = below is not None and not ladder.holds(below, case.candidate, case.models)
    back = said_of(gate.ledger.rows(gate.policy.model), case.target, case.candidate.number)
    holds = ladder.holds(case.target, case.candidate, case.models)
    lost = ladder.loses(case.target, case.candidate, case.models, gate.policy.targets)
    return Situation(holds, case.target.after if missing else "", back, lost)


def _record(gate: Gate, case: Case, report: Report) -> Report:
    """Writes a refusal or a request to the ledger; a request that already stands is not written twice."""
    if report.decision.kind not in ("refused", "pending"):
        return report
    digest = report.evidence.digest if report.evidence else ""
    before = ladder.snapshot(case.target, case.candidate, case.models)
    text = " · ".join(filter(None, (report.decision.detail, report.why)))
    fields = {"reason": str(report.decision.reason), "text": text, "evidence_digest": digest}
    if report.decision.kind == "refused":
        entry = draft(gate, "refused", case, before=before, **fields)
        return replace(report, entry=append(gate, lambda _: entry, attachments(report)))
    expires = stamp(gate.now() + timedelta(seconds=float(case.target.expires)))
    details: dict[str, Any] = {"expires": expires}
    if report.rollback:
        details["command"] = "rollback"
    rows = gate.ledger.rows(gate.policy.model)
    who = requester(gate, case, rows)
    if who != gate.actor:
        details["requester"] = plain(who)
    request = draft(gate, "requested", case, before=before, details=details, **fields)
    standing = _same_request(gate, rows, request)
    if standing is not None:
        row, expires = standing
        notes = (*report.notes, "The request was made before and still stands.")
        return replace(report, entry=row, expires=expires, notes=notes)
    return replace(report, entry=append(gate, lambda _: request, attachments(report)), expires=expires)


def _same_request(gate: Gate, rows: tuple[Row, ...], request: Entry) -> tuple[Row, str] | None:
    """The open request that asks the same, and when it lapses."""
    for row in open_requests(rows):
        if (row.version, row.target) == (request.version, request.target):
            entry = gate.ledger.entry(request.model, row)
            asked = entry is not None and (entry.evidence_digest, entry.policy_digest)
            if entry and asked == (request.evidence_digest, request.policy_digest) and request.at < _expiry(entry):
                return row, _expiry(entry)
    return None


def _expiry(entry: Entry) -> str:
    return str(entry.details.get("expires", ""))


def _request(gate: Gate, row: Row, models: ladder.Models) -> Request | None:
    entry = gate.ledger.entry(gate.policy.model, row)
    target = gate.policy.target(row.target)
    if entry is None or target is None or stamp(gate.now()) >= _expiry(entry):
        return None
    rules = target.rollback_approvals if entry.details.get("command") == "rollback" else target.approvals
    name, number = gate.policy.model, row.version or 0
    version = models[name].version(number) if name in models else None
    case = Case(target, version or Version(name, number), ladder.Holding(), models)
    return Request(entry, row, heard(gate, case, rules, entry.evidence_digest), _expiry(entry))
