"""What checks read of a live split: as it stands now, or as the ledger holds it where somebody is to agree to it.

Outcomes come in by the minute, and approvals bind to evidence. So a promotion records what it read as an entry, and
what it, its approvals and its move read from then on is what the entry holds, until the request for it is settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn

from gatewright.case import Case, Gate
from gatewright.evidence import Fact, Need, needs
from gatewright.hearing import moment
from gatewright.ledger.entry import Row, open_intent, open_request
from gatewright.live.judgement import Judgement, judge
from gatewright.live.looks import Look
from gatewright.live.trial import Trial, read, written
from gatewright.measure.live import facts, unreadable
from gatewright.measure.live.table import Seen
from gatewright.policy.model import Live
from gatewright.problem import Undetermined
from gatewright.quantity import show
from gatewright.record import append, draft
from gatewright.trials import OUTCOMES, Known, newest, trial

#: more than this share of units served by the other arm than the assignment says is worth a word
_STRAYED = 0.01


@dataclass(frozen=True, slots=True)
class Observed:
    """A split as it stood `elapsed` seconds after its start. entry: the one that holds it, None where none does."""

    trial: Trial
    looks: tuple[Look, ...]
    elapsed: float
    judgement: Judgement
    notes: tuple[str, ...] = ()
    entry: Row | None = None


def observe(gate: Gate, live: Live, running: Trial) -> Observed:
    """Reads the outcomes as they are now; Undetermined where they cannot be read."""
    now = gate.now()
    seen = gate.outcomes.seen(live, running, now)
    elapsed = running.elapsed(now)
    found = judge(live, seen.looks, elapsed, running.tuned_for)
    return Observed(running, seen.looks, elapsed, found, _remarks(seen))


def recorded(gate: Gate, live: Live, of: Trial, row: Row, rows: Sequence[Row]) -> Observed | None:
    """What the entry at `row`, or the intent that it closes, holds of a split; None where neither holds any."""
    at: Row | None = row
    while at is not None:
        content = gate.ledger.attachment(gate.policy.model, at, OUTCOMES)
        if content is not None:
            looks, elapsed = read(content)
            return Observed(of, looks, elapsed, judge(live, looks, elapsed, of.tuned_for), entry=row)
        at = next((r for r in rows if r.n == at.closes), None) if at.closes is not None else None
    return None


def kept(found: Observed | None) -> dict[str, bytes]:
    """What an entry is to hold of it."""
    return {} if found is None else {OUTCOMES: written(found.looks, found.elapsed)}


def observed(gate: Gate, case: Case, *, record: bool = False) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    """The facts that the checks of a target ask for of a live split, and remarks; () where none asks.

    record: what is read now is recorded, for approvals to bind to.
    """
    live = gate.policy.live
    asked = tuple(n for n in needs(case.target.checks) if n.path.family == "live")
    if live is None or not asked:
        return (), ()
    try:
        found = _found(gate, live, case, record)
    except Undetermined as e:
        return unreadable(asked, f"{e.what}: {e.why}"), (f"Next: {e.fix}",)
    if found is None:
        held = "nobody" if case.holding.number is None else f"v{case.holding.number}"
        return unreadable(asked, f"no live split of v{case.candidate.number} against {held} was begun"), ()
    return _facts(live, found, asked), found.notes


def _facts(live: Live, found: Observed, asked: tuple[Need, ...]) -> tuple[Fact, ...]:
    return facts(live, found.trial, found.looks, found.judgement, asked)


def _found(gate: Gate, live: Live, case: Case, record: bool) -> Observed | None:
    rows = gate.ledger.rows(gate.policy.model)
    known = newest(rows)
    if known is None or (known.started.version, known.started.replaces) != (case.candidate.number, case.holding.number):
        return None
    of = trial(gate, known)
    there = _record(gate, case, known, rows)
    if there is not None:
        return recorded(gate, live, of, there, rows) or _gone(gate, there)
    now = observe(gate, live, of)
    if not record:
        return now
    said = draft(gate, "live_read", case, details=of.details(), text=f"{show(now.elapsed, 'time')} after its start")
    return replace(now, entry=append(gate, lambda _: said, kept(now)))


def _record(gate: Gate, case: Case, known: Known, rows: Sequence[Row]) -> Row | None:
    """The entry that holds what is to be read; None where the outcomes themselves are."""
    if known.stopped is not None:
        return known.stopped
    of = (known.started.version, known.started.target)
    made = next((r for r in reversed(rows) if r.kind == "live_read" and r.n > known.started.n), None)
    if made is None or gate.rebenchmark:
        return None
    intent, request = open_intent(rows), open_request(rows, case.candidate.number, case.target.name)
    asked = request is not None and request.n > made.n and (request.version, request.target) == of
    stands = asked and request is not None and gate.now() < _expires(request, case)
    moving = intent is not None and intent.n > made.n
    return made if stands or moving or known.moved is not None else None


def _expires(request: Row, case: Case) -> datetime:
    return moment(request.at) + timedelta(seconds=float(case.target.expires))


def _gone(gate: Gate, row: Row) -> NoReturn:
    raise Undetermined(
        f"what came of the split of {gate.policy.model} could not be read",
        f"entry {row.n} holds no {OUTCOMES}",
        f"Run gatewright audit verify {gate.policy.model}.",
    )


def _remarks(seen: Seen) -> tuple[str, ...]:
    found = []
    if seen.strayed > _STRAYED:
        share = show(seen.strayed, style="percent")
        found.append(f"{share} of the units were served by the other version than the assignment says.")
    if seen.nameless:
        found.append(f"{show(seen.nameless)} rows name no unit; they count for nothing.")
    if seen.others:
        found.append(f"{show(seen.others)} rows are of other versions; they count for nothing.")
    if seen.ahead:
        found.append(f"{show(seen.ahead)} rows are of the future: clocks run ahead; they do not count yet.")
    if seen.late:
        when = show(seen.late, "time")
        found.append(f"The challenger was first served {when} after the start; what was before that does not count.")
    return tuple(found)
