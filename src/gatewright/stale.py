"""Archiving versions that have stood in a stage for longer than the policy lets them: asked for, and recorded."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.case import Case, Gate, survey
from gatewright.decision import Decision, Reason
from gatewright.drift import Archival, Drift, Finding, Standing, standing
from gatewright.evidence import Evidence, Scalar
from gatewright.ladder import Leaving
from gatewright.move import Order, move, settle
from gatewright.policy.model import Target


def archive_stale(gate: Gate, drift: Drift, *, apply: bool) -> tuple[Archival, ...]:
    """Archives what was found stale, one locked and recorded move each; without `apply`, says what it would do."""
    if apply:
        settle(gate)
    return tuple(_archived(gate, f, apply=apply) for f in drift.findings if f.code == "stale")


def _archived(gate: Gate, finding: Finding, *, apply: bool) -> Archival:
    target = gate.policy.target(finding.target or "")
    why = "it has no stage to leave" if target is None or not target.stage else ""
    if target is not None and target.alias:
        why = f"alias {target.alias} names it too, and would go on naming it: promote another version instead"
    if why or target is None:
        return Archival(finding, Decision("refused", Reason.STALE, why))
    if not apply:
        return Archival(finding, Decision("evaluated", Reason.DRY_RUN, "it would be archived"))
    order = _order(gate, finding, target)
    if order is None:
        return Archival(finding, Decision("noop", Reason.STALE, "it is not there any more"))
    moved = move(gate, order, {}, lambda case: _evidence(gate, case))
    return Archival(finding, moved.decision, moved.entry)


def _order(gate: Gate, finding: Finding, target: Target) -> Order | None:
    models, held = survey(gate, target)
    there = next(_same(finding, standing(target, gate.policy.model, models)), None)
    own = models[gate.policy.model].version(finding.version or 0) if gate.policy.model in models else None
    if there is None or own is None:
        return None
    case = Case(target, own, held, models)
    decision = Decision("archived", Reason.STALE, finding.sentence)
    leaving = Leaving(there.there.model, there.there.number, "", alone=True)
    return Order(case, _evidence(gate, case), decision, "archived", finding.sentence, leaving=leaving)


def _same(finding: Finding, stand: tuple[Standing, ...]) -> Iterator[Standing]:
    return (s for s in stand if s.number is not None and s.number == finding.version)


def _evidence(gate: Gate, case: Case) -> Evidence:
    """What the move rests on: that this version stands in the target, and who else does."""
    stand = standing(case.target, gate.policy.model, case.models)
    held = ", ".join(str(s) for s in stand)
    subject: dict[str, Scalar | None] = {
        "model": case.candidate.model,
        "version": case.candidate.number,
        "target": case.target.name,
        "in": held,
    }
    return Evidence(subject, gate.policy.digest(case.target))
