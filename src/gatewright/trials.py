"""A live split in registry and ledger: begun and ended under the same lock as a move, finished by whoever comes next.

The ledger says whether a split runs; the registry's labels (the alias and the tags) follow it. A move of its target
ends a split, whatever moved: its champion is one no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatewright.canonical import plain
from gatewright.case import Case, Gate, find, read, survey
from gatewright.decision import Decision, Reason
from gatewright.ladder import Holding, Models, way
from gatewright.ledger.entry import MOVED, Entry, Row
from gatewright.live.trial import Trial, next_label, shown, trial_of
from gatewright.move import Following, abort, climb, end, lock, settle, who_moves
from gatewright.policy.model import Place, Target
from gatewright.problem import Undetermined
from gatewright.record import draft, stamp
from gatewright.subject import Step, Subject, Version

#: what a stopped split had come to, stored with the entry that stops it
OUTCOMES = "outcomes.json"

#: under which an intent tells that it begins or ends a split
_LIVE = "live"


@dataclass(frozen=True, slots=True)
class Known:
    """The newest split of a model, as the rows of its ledger have it.

    started: the entry that began it. stopped: the one that ended it. moved: the move that took its target; then it is
    over, whether `stopped` says so yet or not.
    """

    started: Row
    stopped: Row | None = None
    moved: Row | None = None

    @property
    def runs(self) -> bool:
        return self.stopped is None and self.moved is None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the start or the end of a split went: what was decided, the calls that were made, and the entry."""

    decision: Decision
    steps: tuple[Step, ...] = ()
    entry: Row | None = None


def newest(rows: Sequence[Row]) -> Known | None:
    """The split that was begun last; None if there never was one."""
    started = next((r for r in reversed(rows) if r.kind == "live_started"), None)
    if started is None:
        return None
    later = [r for r in rows if r.n > started.n]
    stopped = next((r for r in later if r.kind == "live_stopped"), None)
    moved = next((r for r in later if r.target == started.target and r.kind in MOVED), None)
    return Known(started, stopped, moved)


def trial(gate: Gate, known: Known) -> Trial:
    """The split as it was begun; Undetermined where the ledger does not tell."""
    entry = gate.ledger.entry(gate.policy.model, known.started)
    try:
        return trial_of(entry.details if entry else {})
    except ValueError as e:
        raise Undetermined(
            f"what the split of {gate.policy.model} was cannot be told",
            f"entry {known.started.n} of the ledger: {e}",
            f"Run gatewright audit verify {gate.policy.model}.",
        ) from e


def begin(gate: Gate, case: Case, begun: Trial, decision: Decision, why: str, kept: Mapping[str, bytes]) -> Ended:
    """Labels both versions and records the split; nothing, if anything has changed since it was judged.

    kept: what is stored with the entry.
    """
    intent = lock(gate, _intent(gate, case, begun, {"starts": True}, decision.reason, why), kept)
    if intent is None:
        return Ended(Decision("error", Reason.LOCK_HELD, who_moves(gate)))
    try:
        models, held = survey(gate, case.target)
        now = find(gate, Subject(case.candidate.model, case.candidate.number), models)
        known = newest(gate.ledger.rows(gate.policy.model))
    except Exception:
        abort(gate, intent, case, "what it was decided on could not be read again")
        raise
    changed = _changed(case, held, now, known)
    if changed is not None:
        return Ended(changed, (), abort(gate, intent, case, changed.detail, changed.reason))
    steps, after = climb(gate, intent, case, models, _towards(gate, begun))
    closing = _started(gate, intent, case, begun, decision.reason, why, after)
    return Ended(decision, steps, end(gate, intent, closing))


def _changed(case: Case, held: Holding, now: Version, known: Known | None) -> Decision | None:
    if held.version != case.holding.version:
        return Decision("error", Reason.CHAMPION_CHANGED, "another version holds the target by now")
    if now != case.candidate:
        return Decision("error", Reason.CANDIDATE_CHANGED, "the registry shows the challenger otherwise by now")
    if known is not None and known.stopped is None:
        return Decision("error", Reason.LIVE_RUNNING, "another run has just begun a split")
    return None


def finish(gate: Gate, known: Known, decision: Decision, why: str, kept: Mapping[str, bytes]) -> Ended:
    """Takes the labels away and records that the split is over, and why."""
    over = trial(gate, known)
    case = _case(gate, known, over)
    told = {"starts": False, "entry": known.started.n}
    intent = lock(gate, _intent(gate, case, over, told, decision.reason, why), kept)
    if intent is None:
        return Ended(Decision("error", Reason.LOCK_HELD, who_moves(gate)))
    now = newest(gate.ledger.rows(gate.policy.model))
    if now is None or now.started.n != known.started.n or now.stopped is not None:
        because = "another run has just stopped it"
        return Ended(Decision("noop", Reason.NO_LIVE, because), (), abort(gate, intent, case, because, Reason.NO_LIVE))
    steps, after = climb(gate, intent, case, read(gate, case.target), _towards(gate, None))
    closing = _stopped(gate, intent, case, over, decision.reason, why, after)
    return Ended(decision, steps, end(gate, intent, closing))


def tidy(gate: Gate) -> Row | None:
    """Takes away what is left of a split whose target has moved; the entry that says so, None if nothing was left."""
    rows = gate.ledger.rows(gate.policy.model)
    known = newest(rows)
    if known is None or known.stopped is not None or known.moved is None:
        return None
    won = known.moved.version == known.started.version
    reason = Reason.LIVE_SUPERIOR if won and known.moved.kind == "promoted" else Reason.CHAMPION_CHANGED
    what = f"v{known.moved.version} took {known.moved.target} (entry {known.moved.n})"
    read_last = next((r for r in reversed(rows) if r.kind == "live_read" and r.n > known.started.n), None)
    content = gate.ledger.attachment(gate.policy.model, read_last, OUTCOMES) if read_last else None
    return finish(gate, known, Decision("stopped", reason), what, {OUTCOMES: content} if content else {}).entry


def settled(gate: Gate) -> tuple[str, ...]:
    """Finishes what a run that died had begun, be it a move or a split; says what it did."""
    notes = settle(gate, {_LIVE: _resume})
    return (*notes, "Took away the labels of a split that was over.") if tidy(gate) else notes


def _resume(gate: Gate, intent: Row, case: Case, entry: Entry) -> str:
    """A start that had changed nothing is aborted, every other start and every end is carried through."""
    told = entry.details[_LIVE]
    found, starts = trial_of(told), bool(told.get("starts"))
    what = f"an unfinished {'start' if starts else 'end'} of a split (begun by {entry.actor.login}, {entry.at})"
    models = read(gate, case.target)
    if starts and plain(shown(models.get(gate.policy.model))) == plain(entry.before):
        abort(gate, intent, case, "the run that began it died before it changed anything")
        return f"Found {what}: it had changed nothing, so it was aborted."
    _, after = climb(gate, intent, case, models, _towards(gate, found if starts else None))
    why = " · ".join(filter(None, (str(told.get("why", "")), f"finished for {entry.actor.login}")))
    made = _started if starts else _stopped
    end(gate, intent, made(gate, intent, case, found, Reason.of(entry.reason), why, after))
    return f"Found {what}: it was finished."


# -- entries -----------------------------------------------------------------------------------------------------


def _case(gate: Gate, known: Known, over: Trial) -> Case:
    """The case that the entries of a split are about, also where policy or registry do not have it any more."""
    name = known.started.target
    target = gate.policy.target(name) or Target(name, (), Place("ledger", known.started.n, 1))
    models = read(gate, target)
    model = models.get(over.model)
    tried = model.version(over.challenger) if model else None
    return Case(target, tried or Version(over.model, over.challenger), Holding(number=over.champion), models)


def _towards(gate: Gate, running: Trial | None) -> Following:
    return lambda models: next_label(models, gate.policy.model, running)


def _intent(gate: Gate, case: Case, of: Trial, told: Mapping[str, Any], reason: Reason, why: str) -> Entry:
    details = {"target": way(case.target), _LIVE: {**of.details(), **told, "why": why}}
    before = shown(case.models.get(gate.policy.model))
    return draft(gate, "intended", case, reason=str(reason), text=why, before=before, details=details)


def _started(gate: Gate, intent: Row, case: Case, of: Trial, reason: Reason, why: str, after: Models) -> Entry:
    fields = {"after": shown(after.get(gate.policy.model)), "replaces": of.champion, "closes": intent.n}
    return draft(gate, "live_started", case, reason=str(reason), text=why, details=of.details(), **fields)


def _stopped(gate: Gate, intent: Row, case: Case, of: Trial, reason: Reason, why: str, after: Models) -> Entry:
    fields = {"after": shown(after.get(gate.policy.model)), "closes": intent.n}
    details = {**of.details(), "stopped": stamp(gate.now())}
    return draft(gate, "live_stopped", case, reason=str(reason), text=why, details=details, **fields)
