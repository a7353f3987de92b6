"""Moving a version: lock, look again, step by step, look again, record. Safe to be killed at any instruction.

An `intended` entry is the lock, across repositories and runners: while it is open and its lease has not ended, nobody
else moves a version of the model. Whoever finds it open after its lease takes it over and finishes or aborts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from gatewright import ladder
from gatewright.canonical import plain
from gatewright.case import Case, Gate, look, read
from gatewright.decision import Decision, Reason
from gatewright.evidence import Evidence
from gatewright.ladder import Leaving
from gatewright.ledger.entry import Entry, Row, open_intent, taken_back
from gatewright.policy.model import Target
from gatewright.problem import Undetermined
from gatewright.record import append, draft, stamp
from gatewright.subject import Step, Subject, Version

#: how long an intent locks a model; far longer than a move takes, short enough for 3 a.m.
LEASE = timedelta(seconds=120)
#: no step is begun this close to the lease's end: a step's requests, retries included, end within it
MARGIN = timedelta(seconds=45)


#: what the registry shows → the next step, None if nothing is left to do
Following = Callable[[ladder.Models], "Step | None"]
#: finishes what an intent was for: gate, the intent as taken over, its case, the intent as it was; tells people what
Finish = Callable[[Gate, Row, Case, Entry], str]

#: how a move that was carried out is entered
Ending = Literal["promoted", "overridden", "rolled_back", "archived"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be moved, why, and how the ledger calls it once it is done.

    leaving: the version that a rollback takes back, or that is archived; None for a promotion. text: the reason that
    a person gave.
    """

    case: Case
    evidence: Evidence
    decision: Decision
    kind: Ending = "promoted"
    text: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    leaving: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """How a move ended: the decision, the calls that were made, and the entry that records it."""

    decision: Decision
    steps: tuple[Step, ...] = ()
    entry: Row | None = None


def move(
    gate: Gate,
    order: Order,
    attachments: Mapping[str, bytes],
    measure: Callable[[Case], Evidence],
    objection: Callable[[Case], Decision | None] = lambda _: None,
) -> Moved:
    """Carries out a decision, if candidate, champion and evidence still are as they were judged.

    objection: asked last, under the lock; a decision that it gives takes the place of the one to be carried out.
    """
    case, evidence, decision = order.case, order.evidence, order.decision
    intent = lock(gate, _intent(gate, order), attachments)
    if intent is None:
        return Moved(Decision("error", Reason.LOCK_HELD, who_moves(gate)))
    try:
        now = look(gate, Subject(case.candidate.model, case.candidate.number), case.target)
        changed = _changed(order, now, gate.ledger.rows(gate.policy.model), measure) or objection(now)
    except Exception:
        abort(gate, intent, case, "what it was decided on could not be read again")
        raise
    if changed is not None:
        return Moved(changed, (), abort(gate, intent, case, changed.detail, changed.reason))
    steps, models = climb(gate, intent, case, now.models, _ascent(case, order.leaving))
    closing = draft(
        gate,
        order.kind,
        case,
        reason=str(decision.reason),
        text=order.text,
        details=order.details,
        replaces=case.holding.number,
        evidence_digest=evidence.digest,
        before=ladder.snapshot(case.target, case.candidate, case.models),
        after=ladder.snapshot(case.target, case.candidate, models),
        closes=intent.n,
    )
    return Moved(decision, steps, end(gate, intent, closing))


def lock(gate: Gate, intent: Entry, attachments: Mapping[str, bytes]) -> Row | None:
    """Appends an intent, which locks the model; None while another one does."""

    def build(rows: tuple[Row, ...]) -> Entry | None:
        return None if open_intent(rows) else replace(intent, lease=stamp(gate.now() + LEASE))

    return append(gate, build, attachments)


def _intent(gate: Gate, order: Order) -> Entry:
    case = order.case
    steps = list(ladder.plan(case.target, case.candidate, case.models, order.leaving))
    after = steps[-1][1] if steps else case.models
    return draft(
        gate,
        "intended",
        case,
        reason=str(order.decision.reason),
        text=order.text,
        evidence_digest=order.evidence.digest,
        before=ladder.snapshot(case.target, case.candidate, case.models),
        after=ladder.snapshot(case.target, case.candidate, after),
        steps=tuple(plain(step) for step, _ in steps),
        replaces=case.holding.number,
        details={"target": ladder.way(case.target), "leaving": _departing(order.leaving), "ends": _ends(order)},
    )


def _departing(leaving: Leaving | None) -> dict[str, Any] | None:
    """Who leaves, as entries spell it: `alone` stands there only if it is so."""
    told: dict[str, Any] | None = plain(leaving)
    return told and {k: v for k, v in told.items() if k != "alone" or v}


def _ends(order: Order) -> dict[str, Any]:
    """What the closing entry is to say, for whoever has to write it in our place."""
    return {"kind": order.kind, "text": order.text, "details": plain(order.details)}


def who_moves(gate: Gate) -> str:
    """Who holds the lock, in a sentence."""
    row = open_intent(gate.ledger.rows(gate.policy.model))
    entry = gate.ledger.entry(gate.policy.model, row) if row else None
    if entry is None:
        return "that run has just ended"
    what = f"{entry.actor.login} moves v{entry.version} to {entry.target}"
    return f"{what} since {entry.at}, until {entry.lease} at the latest"


def _changed(order: Order, now: Case, rows: tuple[Row, ...], measure: Callable[[Case], Evidence]) -> Decision | None:
    """Holds what was judged against what is there now, when nobody else may move."""
    case, evidence = order.case, order.evidence
    if order.leaving is None and ladder.holds(case.target, now.candidate, now.models):
        return Decision("noop", Reason.ALREADY_PROMOTED, "another run has just promoted it")
    alone = order.leaving is not None and order.leaving.alone
    if order.leaving is not None and not alone and now.holding.number == case.candidate.number:
        return Decision("noop", Reason.ALREADY_PROMOTED, "another run has just brought it back")
    if not alone and "override" not in order.details and case.candidate.number in taken_back(rows, case.target.name):
        return Decision("error", Reason.CANDIDATE_CHANGED, "another run has just rolled it back from there")
    if now.holding.version != case.holding.version:
        return Decision(
            "error", Reason.CHAMPION_CHANGED, _change("the holder", case.holding.number, now.holding.number)
        )
    if measure(now).digest != evidence.digest:
        return Decision("error", Reason.CANDIDATE_CHANGED, "the evidence read under the lock differs from the judged")
    return None


def _change(what: str, was: int | None, is_now: int | None) -> str:
    before, after = ("nobody" if n is None else f"v{n}" for n in (was, is_now))
    return f"{what} was {before} and is {after}"


def _ascent(case: Case, leaving: Leaving | None) -> Following:
    return lambda models: ladder.next_step(case.target, case.candidate, models, leaving)


def climb(
    gate: Gate, intent: Row, case: Case, models: ladder.Models, following: Following
) -> tuple[tuple[Step, ...], ladder.Models]:
    """Performs the step that `following` names until it names none, reading the registry again after each.

    models: what the registry has just shown. Returns the steps, and what it shows in the end.
    """
    steps: list[Step] = []
    started = gate.now()
    while (step := following(models)) is not None:
        if gate.now() - started > LEASE - MARGIN:
            raise _unfinished(intent, "the registry is too slow for the lease")
        if steps.count(step) > 1:
            raise _unfinished(intent, f"the registry does not show {step}, although it accepted it")
        gate.registry.apply(step)
        steps.append(step)
        models = read(gate, case.target)
    return tuple(steps), models


def _unfinished(intent: Row, why: str) -> Undetermined:
    return Undetermined(
        f"the move of v{intent.version} to {intent.target} is not finished",
        why,
        "The next promote or rollback of this model finishes or aborts it; the ledger says how far it came.",
    )


def end(gate: Gate, intent: Row, entry: Entry) -> Row | None:
    """Closes an intent, unless somebody has taken it over."""
    return append(gate, lambda rows: entry if _still_open(rows, intent) else None)


def _still_open(rows: tuple[Row, ...], intent: Row) -> bool:
    lock = open_intent(rows)
    return lock is not None and lock.n == intent.n


def abort(gate: Gate, intent: Row, case: Case, why: str, reason: Reason = Reason.UNDETERMINED) -> Row | None:
    """Gives the lock back; if not even that can be written, its lease ends it."""
    entry = draft(gate, "aborted", case, reason=str(reason), text=why, closes=intent.n)
    try:
        return end(gate, intent, entry)
    except Undetermined:
        return None


def settle(gate: Gate, others: Mapping[str, Finish] | None = None) -> tuple[str, ...]:
    """Finishes or aborts what a run that died had begun; returns what it did, in a sentence for people.

    others: how intents are finished that move no version, by the name under which their details tell of it.
    """
    model = gate.policy.model
    row = open_intent(gate.ledger.rows(model))
    if row is None:
        return ()
    entry = gate.ledger.entry(model, row)
    if entry is None:
        raise Undetermined(
            f"a move of {model} is under way, and what it was cannot be read",
            f"entry {row.n} of the ledger is gone",
            f"Run gatewright audit verify {model}.",
        )
    if stamp(gate.now()) < entry.lease:
        return ()
    finish = next((f for name, f in (others or {}).items() if name in entry.details), _finish)
    return _take_over(gate, row, entry, finish)


def _take_over(gate: Gate, row: Row, entry: Entry, finish: Finish) -> tuple[str, ...]:
    target = _remembered(entry)
    candidate = Version(entry.model, entry.version or 0)
    models = read(gate, target)
    found = models.get(entry.model)
    case = Case(target, (found.version(candidate.number) if found else None) or candidate, ladder.Holding(), models)
    again = replace(
        draft(gate, "intended", case, reason=entry.reason, text=f"takes over entry {row.n}", closes=row.n),
        **_of(entry),
    )

    def build(rows: tuple[Row, ...]) -> Entry | None:
        return replace(again, lease=stamp(gate.now() + LEASE)) if _still_open(rows, row) else None

    taken = append(gate, build)
    return () if taken is None else (finish(gate, taken, case, entry),)


def _of(entry: Entry) -> dict[str, Any]:
    keys = ("evidence_digest", "policy_digest", "before", "after", "steps", "details", "replaces")
    return {key: getattr(entry, key) for key in keys}


def _finish(gate: Gate, intent: Row, case: Case, entry: Entry) -> str:
    ends, leaving = _told(entry)
    name = "move" if leaving is None else "archival" if leaving.alone else "rollback"
    what = f"an unfinished {name} of v{entry.version} to {entry.target} (begun by {entry.actor.login}, {entry.at})"
    shown = read(gate, case.target)
    untouched = plain(ladder.snapshot(case.target, case.candidate, shown)) == plain(entry.before)
    if untouched and ladder.next_step(case.target, case.candidate, shown, leaving) is not None:
        abort(gate, intent, case, "the run that began it died before it changed anything")
        return f"Found {what}: it had changed nothing, so it was aborted."
    _, models = climb(gate, intent, case, shown, _ascent(case, leaving))
    text = " · ".join(filter(None, (str(ends.get("text", "")), f"finished for {entry.actor.login}")))
    closing = replace(
        draft(gate, ends.get("kind", "promoted"), case, reason=entry.reason, text=text, closes=intent.n),
        details=ends.get("details", {}),
        replaces=entry.replaces,
        evidence_digest=entry.evidence_digest,
        policy_digest=entry.policy_digest,
        before=entry.before,
        after=ladder.snapshot(case.target, case.candidate, models),
    )
    end(gate, intent, closing)
    return f"Found {what}: it was finished."


def _told(entry: Entry) -> tuple[Mapping[str, Any], Leaving | None]:
    """What the closing entry is to say, and which version is taken back, as the intent has them."""
    leaving = entry.details.get("leaving")
    return entry.details.get("ends", {}), Leaving(**leaving) if leaving else None


def _remembered(entry: Entry) -> Target:
    try:
        return ladder.remembered(entry.details.get("target", {}), entry.n)
    except ValueError as e:
        raise Undetermined(
            f"a move of {entry.model} cannot be finished", str(e), f"Run gatewright audit verify {entry.model}."
        ) from e
