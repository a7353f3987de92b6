"""A live split from its start to its end: who may begin one, how it stands, and what its end comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatewright import gate as story
from gatewright import ladder
from gatewright.case import Case, Gate
from gatewright.decision import ENDS, Decision, Reason, Situation, stopped
from gatewright.ledger.entry import Row
from gatewright.live.assignment import parts_of, salt_of
from gatewright.live.judgement import course
from gatewright.live.plan import Expected, Plan, forecast, plan
from gatewright.live.trial import Trial
from gatewright.measure.quoting import storable
from gatewright.observations import Observed, kept, observe, recorded
from gatewright.policy.model import Live, Place, Target
from gatewright.problem import Undetermined, UsageError
from gatewright.report.model import Report, Split
from gatewright.report.stored import attachments
from gatewright.rollback import said_of
from gatewright.subject import Subject
from gatewright.trials import Known, begin, finish, newest, settled, trial


def start(gate: Gate, subject: Subject, against: str, *, why: str = "") -> Split:
    """Lets a challenger that passes the target's checks have its share of the traffic of the target's holder.

    What the checks ask of the split itself is left out: that is what it is begun to find out.
    """
    live, target, why = _live(gate), story.target_of(gate, against), storable(why)
    notes = settled(gate)
    case = story.look_at(gate, subject, target)
    champion = _champion(gate, case)
    stop = _stop(gate, case)
    if stop is not None:
        return Split(stop, gate.policy, target, notes=notes, why=why)
    expected, remarks = _expected(gate, live, champion)
    made = plan(live, expected)
    if made.refusals:
        told = Decision("refused", Reason.LIVE_CANNOT_FINISH, "; ".join(made.refusals))
        return Split(told, gate.policy, target, plan=made, notes=(*notes, *remarks), why=why)
    report = _entrance(gate, case)
    begun = _trial(gate, live, case, made)
    split = Split(
        Decision("started", Reason.LIVE_RUNNING),
        gate.policy,
        target,
        begun,
        plan=made,
        report=report,
        notes=(*notes, *remarks),
        why=why,
    )
    if report is not None and (report.verdict is None or report.verdict.outcome != "pass"):
        return replace(split, trial=None, decision=report.decision)
    ended = begin(gate, case, begun, split.decision, why, attachments(report) if report else {})
    if ended.decision.kind != "started":
        split = replace(split, trial=None)
    return replace(split, decision=ended.decision, steps=ended.steps, entry=ended.entry)


def status(gate: Gate, *, act: bool = False) -> Split:
    """How the newest split stands. act: what the plan says is carried out, as a nightly job is to.

    Harm ends it at once, a benefit once the shortest runtime is over, by a promotion like any other; an invalid split
    and the end of the longest runtime leave the champion where it is.
    """
    live, notes = _live(gate), settled(gate) if act else ()
    rows = gate.ledger.rows(gate.policy.model)
    known = newest(rows)
    if known is None:
        return Split(Decision("noop", Reason.NO_LIVE), gate.policy, gate.policy.targets[-1], notes=notes)
    if not known.runs:
        return replace(_over(gate, live, known, rows), notes=notes)
    found = observe(gate, live, trial(gate, known))
    split = _shown(gate, live, known, found)
    split = replace(split, notes=(*notes, *split.notes))
    if not act or not found.judgement.over:
        return split
    if found.judgement.state == "superior":
        return _promoted(gate, split, "")
    return _stopped(gate, known, split, found, split.decision.reason, found.judgement.because)


def stop(gate: Gate, *, promote: bool, why: str) -> Split:
    """Ends the split that runs: the champion is kept, or the challenger promoted if it was shown to be better.

    Keeping needs no outcomes: where they cannot be read, the split ends all the same.
    """
    live, why = _live(gate), storable(why)
    notes = settled(gate)
    known = newest(gate.ledger.rows(gate.policy.model))
    if known is None or not known.runs:
        target = _target(gate, known) if known else gate.policy.targets[-1]
        return Split(Decision("noop", Reason.NO_LIVE), gate.policy, target, notes=notes, why=why)
    of = trial(gate, known)
    found, remarks = _observed(gate, live, of) if not promote else (observe(gate, live, of), ())
    split = _shown(gate, live, known, found) if found else Split(_kept(), gate.policy, _target(gate, known), of)
    split = replace(split, notes=(*notes, *remarks, *split.notes), why=why)
    if not promote:
        return _stopped(gate, known, split, found, Reason.LIVE_KEPT, why)
    if found is None or found.judgement.state != "superior":
        because = "a split that has not shown its challenger to be better promotes nobody"
        detail = f"{because}: {split.decision.detail}"
        return replace(split, decision=Decision("refused", split.decision.reason, detail))
    return _promoted(gate, split, why)


# -- the start ---------------------------------------------------------------------------------------------------


def _live(gate: Gate) -> Live:
    if gate.policy.live is None:
        raise UsageError(f"{gate.policy.file} has no live block", "docs/live.md shows one")
    return gate.policy.live


def _champion(gate: Gate, case: Case) -> int:
    """The number of the version that the target is held by; UsageError where a split has nobody to be against."""
    name = case.target.name
    if case.holding.version is None:
        hint = f"promote a version: gatewright promote {case.candidate} --to {name}"
        raise UsageError(f"nobody holds {name} of {gate.policy.model}", hint, "no_previous_version")
    if case.holding.number is None:
        raise UsageError(f"{case.holding.version} holds {name}, which is no version of {gate.policy.model}", "")
    return case.holding.number


def _stop(gate: Gate, case: Case) -> Decision | None:
    """Why no split may begin; None if nothing stands in its way but the checks."""
    rows = gate.ledger.rows(gate.policy.model)
    known = newest(rows)
    if known is not None and known.runs:
        pair = f"v{known.started.version} against v{known.started.replaces}"
        same = (known.started.version, known.started.target) == (case.candidate.number, case.target.name)
        told = f"{pair} runs since {known.started.at} (entry {known.started.n})"
        return Decision("noop" if same else "refused", Reason.LIVE_RUNNING, told)
    below = gate.policy.target(case.target.after) if case.target.after else None
    missing = below is not None and not ladder.holds(below, case.candidate, case.models)
    back = said_of(rows, case.target, case.candidate.number)
    holds = case.holding.number == case.candidate.number
    return stopped(Situation(holds, case.target.after if missing else "", back))


def _expected(gate: Gate, live: Live, champion: int) -> tuple[Expected, tuple[str, ...]]:
    """What the champion's past lets expect; that it cannot be read keeps nobody from looking at the future."""
    try:
        found = gate.outcomes.expected(live, champion, gate.now())
    except Undetermined as e:
        return Expected(), (f"The champion's past could not be read, so nothing is expected: {e.why}.",)
    return found, () if found.units_a_day else ("The outcomes tell nothing of the champion's past.",)


def _entrance(gate: Gate, case: Case) -> Report | None:
    """The challenger judged by everything but the split; None where the target asks for nothing else."""
    checks = tuple(c for c in case.target.checks if c.path.family != "live")
    if not any(c.severity == "block" for c in checks):
        return None
    return story.judged_for(gate, replace(case, target=replace(case.target, checks=checks)))


def _trial(gate: Gate, live: Live, case: Case, made: Plan) -> Trial:
    model, champion, challenger = gate.policy.model, case.holding.number or 0, case.candidate.number
    now = gate.now()
    started = now.replace(microsecond=now.microsecond // 1000 * 1000)
    salt = salt_of(model, champion, challenger, started.isoformat())
    return Trial(model, champion, challenger, started, parts_of(live.split["challenger"]), salt, made.tuned_for)


# -- how it stands, and how it ends ------------------------------------------------------------------------------


def _target(gate: Gate, known: Known) -> Target:
    name = known.started.target
    return gate.policy.target(name) or Target(name, (), Place("ledger", known.started.n, 1))


def _kept() -> Decision:
    return Decision("evaluated", Reason.LIVE_RUNNING)


def _shown(gate: Gate, live: Live, known: Known, found: Observed) -> Split:
    state = found.judgement.state
    steps = course(live, found.looks, found.trial.tuned_for)
    if state == "invalid":
        # What the first looks seemed to show was of the same arms, when too few had come to tell.
        steps = tuple(replace(s, state=state, because=found.judgement.because, effects=()) for s in steps)
    return Split(
        Decision("evaluated", ENDS[state], found.judgement.because),
        gate.policy,
        _target(gate, known),
        found.trial,
        found.looks,
        (*steps[:-1], found.judgement),
        found.elapsed,
        forecast=forecast(live, found.looks, found.elapsed, found.trial.tuned_for) if state == "running" else None,
        entry=known.started,
        notes=found.notes,
    )


def _over(gate: Gate, live: Live, known: Known, rows: tuple[Row, ...]) -> Split:
    """The newest split as it stood when it ended."""
    of, last = trial(gate, known), known.stopped or known.moved or known.started
    entry = gate.ledger.entry(gate.policy.model, last)
    found = recorded(gate, live, of, last, rows)
    split = Split(Decision("noop", Reason.NO_LIVE), gate.policy, _target(gate, known), of)
    if found is not None:
        split = _shown(gate, live, known, found)
    told = f"it ended at {last.at}" + (f" ({entry.reason}): {entry.text}" if entry else "")
    return replace(split, decision=Decision("noop", Reason.NO_LIVE, told), forecast=None, entry=last)


def _observed(gate: Gate, live: Live, of: Trial) -> tuple[Observed | None, tuple[str, ...]]:
    try:
        return observe(gate, live, of), ()
    except Undetermined as e:
        return None, (f"Its outcomes could not be read: {e.why}.",)


def _stopped(gate: Gate, known: Known, split: Split, found: Observed | None, reason: Reason, why: str) -> Split:
    ended = finish(gate, known, Decision("stopped", reason, why), why, kept(found))
    return replace(split, decision=ended.decision, steps=ended.steps, entry=ended.entry, forecast=None)


def _promoted(gate: Gate, split: Split, why: str) -> Split:
    """The challenger through the same story as every promotion; until it is through, the split goes on."""
    assert split.trial is not None
    subject = Subject(split.trial.model, split.trial.challenger)
    because = why or f"live split: {split.decision.detail}"
    report = story.promote(gate, subject, split.target.name, why=because)
    told: dict[str, Any] = {"report": report, "steps": report.steps, "entry": report.entry or split.entry}
    detail = split.decision.detail if report.moved else report.decision.detail
    decision = replace(report.decision, detail=detail)
    return replace(split, decision=decision, notes=(*split.notes, *report.notes), forecast=None, **told)
