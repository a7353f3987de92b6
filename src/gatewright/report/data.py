"""The result for scripts: JSON with a schema number. Keys are only ever added within one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatewright.approvals import Standing
from gatewright.canonical import plain
from gatewright.decision import Reason
from gatewright.drift import Archival, Drift
from gatewright.ledger.entry import Entry, Row
from gatewright.live.assignment import PARTS
from gatewright.live.judgement import Effect, Judgement
from gatewright.problem import GatewrightError, PolicyError, Undetermined, UsageError
from gatewright.quantity import Interval, is_finite
from gatewright.report.model import Adoption, Audit, Failure, History, Inspection, Report, Rung, Shown, Split, Status
from gatewright.verdict import Result, SliceResult

SCHEMA = 1


def document(thing: Shown) -> dict[str, Any]:
    """Everything a surface shows, as plain JSON values; what is not a finite number is null."""
    return {"schema": SCHEMA, **_DOCUMENTS[type(thing)](thing)}


def _report(report: Report) -> dict[str, Any]:
    evidence, verdict = report.evidence, report.verdict
    return {
        "decision": report.decision.kind,
        "reason": str(report.decision.reason),
        "detail": report.decision.detail,
        "verdict": verdict.outcome if verdict else None,
        "model": report.candidate.model,
        "version": report.candidate.number,
        "target": report.target.name,
        "champion": report.holding.number,
        "previous_version": report.holding.number if report.moved else None,
        "evidence_digest": evidence.digest if evidence else None,
        "policy_digest": report.policy_digest,
        "checks": [_check(r) for r in verdict.results] if verdict else [],
        "approvals": _approvals(report.standing),
        "ledger": _row(report.entry),
        "steps": [str(s) for s in report.steps],
        "notes": [*report.notes, *(evidence.notes if evidence else ())],
        "why": report.why or None,
        "overridden": list(report.against),
        "expires": report.expires or None,
        "error": None,
    }


def _check(result: Result) -> dict[str, Any]:
    interval = result.interval
    told = {
        "check": result.check.text,
        "name": result.check.name or None,
        "status": result.status,
        "severity": result.check.severity,
        "value": _value(result.value),
        "bound": _value(result.bound),
        "champion": _value(result.champion),
        "interval": _interval(interval),
        "n": result.n,
        "method": interval.method if interval else None,
        "source": result.source or None,
        "because": result.because,
        "policy_line": str(result.check.place),
    }
    return {**told, "slices": [_slice(s) for s in result.slices]} if result.slices else told


def _slice(part: SliceResult) -> dict[str, Any]:
    return {
        "slice": part.slice,
        "rows": part.rows,
        "value": _value(part.value),
        "champion": _value(part.champion),
        "interval": _interval(part.interval),
        "status": part.status,
    }


def _interval(interval: Interval | None) -> list[Any] | None:
    return None if interval is None else [_value(interval.low), _value(interval.high)]


def _value(value: object) -> Any:
    if isinstance(value, (bool, str)) or value is None:
        return value
    return value if is_finite(value) else None


def _approvals(standing: Standing) -> dict[str, Any]:
    return {
        "rules": [{"name": r.rule.name, "need": r.rule.count, "have": r.have} for r in standing.rules],
        "counted": [plain(c) for c in standing.counted],
        "not_counted": [plain(c) for c in standing.not_counted],
    }


def _row(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else {"entry": row.n, "digest": row.digest}


def _split(split: Split) -> dict[str, Any]:
    """The keys of a report, of the challenger's evaluation or promotion where there was one, and the split's own."""
    trial, report = split.trial, split.report
    told = _report(report) if report is not None else _blank()
    return {
        **told,
        "decision": split.decision.kind,
        "reason": str(split.decision.reason),
        "detail": split.decision.detail,
        "model": split.policy.model,
        "version": trial.challenger if trial else told["version"],
        "target": split.target.name,
        "champion": trial.champion if trial else told["champion"],
        "policy_digest": split.policy.digest(split.target),
        "ledger": _row(split.entry),
        "steps": [str(s) for s in split.steps],
        "notes": list(split.notes),
        "why": split.why or None,
        "live": _live(split),
    }


def _blank() -> dict[str, Any]:
    nothing = ("verdict", "version", "champion", "previous_version", "evidence_digest", "error")
    return {**dict.fromkeys(nothing), "checks": [], "approvals": _approvals(Standing()), "overridden": []}


def _live(split: Split) -> dict[str, Any]:
    trial, found, soon = split.trial, split.judgement, split.forecast
    units = (found.champion_units, found.challenger_units) if found else (None, None)
    arms = (
        (
            ("champion", trial.champion, PARTS - trial.parts, units[0]),
            ("challenger", trial.challenger, trial.parts, units[1]),
        )
        if trial
        else ()
    )
    return {
        "state": found.state if found else None,
        "started": trial.started.isoformat() if trial else None,
        "salt": trial.salt if trial else None,
        "elapsed": split.elapsed if found else None,
        "arms": [{"arm": arm, "version": v, "share": p / PARTS, "units": u} for arm, v, p, u in arms],
        "sample_ratio_p": found.ratio_p if found else None,
        "mixed": found.mixed if found else None,
        "metrics": [_effect(e) for e in found.effects] if found else [],
        "expected": {"units": _value(soon.units), "seconds": _value(soon.seconds)} if soon else None,
        "course": [_seen(look.at, j) for look, j in zip(split.looks, split.course, strict=True)] if found else [],
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "metric": effect.metric.name,
        "standing": effect.standing,
        "champion": _value(effect.champion),
        "challenger": _value(effect.challenger),
        "difference": _value(effect.difference.value),
        "interval": _interval(effect.interval),
        "level": effect.interval.level,
        "method": effect.interval.method or None,
        "because": effect.because,
    }


def _seen(at: float, found: Judgement) -> dict[str, Any]:
    """One look; of a split that did not hold then, nothing but the units."""
    units = {"champion": found.champion_units, "challenger": found.challenger_units}
    keys = ("metric", "champion", "challenger", "difference", "interval")
    metrics = [{k: told[k] for k in keys} for told in map(_effect, found.effects)]
    return {"elapsed": at, "state": found.state, "units": units, "metrics": metrics}


def _failure(failure: Failure) -> dict[str, Any]:
    error = failure.error
    problems = [str(p) for p in error.problems] if isinstance(error, PolicyError) else []
    subject = failure.subject
    return {
        "decision": "error",
        "reason": str(_reason(error)),
        "detail": str(error),
        "verdict": None,
        "model": subject.model if subject else failure.model or None,
        "version": subject.version if subject else None,
        "target": failure.target or None,
        "champion": None,
        "previous_version": None,
        "evidence_digest": None,
        "policy_digest": None,
        "checks": [],
        "approvals": _approvals(Standing()),
        "ledger": None,
        "steps": [],
        "notes": [],
        "why": None,
        "overridden": [],
        "expires": None,
        "error": {"message": str(error), "problems": problems},
    }


def _reason(error: GatewrightError) -> Reason:
    if isinstance(error, (UsageError, Undetermined)):
        return next(r for r in Reason if r.code == error.reason)
    return Reason.POLICY_ERROR if isinstance(error, PolicyError) else Reason.UNDETERMINED


def _status(status: Status) -> dict[str, Any]:
    return {
        "model": status.model,
        "targets": [_rung(r) for r in status.rungs],
        "requests": [
            {"version": r.row.version, "target": r.row.target, "expires": r.expires, **_approvals(r.standing)}
            for r in status.requests
        ],
        "lock": _entry(status.lock) if status.lock else None,
        "notes": list(status.notes),
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "target": rung.target.name,
        "version": rung.holding.number,
        "conflict": rung.holding.conflict or None,
        "recorded": _row(rung.recorded),
    }


def _history(history: History) -> dict[str, Any]:
    return {
        "model": history.model,
        "events": [event(row, e) for row, e in history.events],
    }


def event(row: Row, entry: Entry | None) -> dict[str, Any]:
    """One entry of a ledger; of one whose body is gone, what its line says."""
    return {"entry": row.n, "digest": row.digest, **(_entry(entry) if entry else {})}


def _entry(entry: Entry) -> dict[str, Any]:
    return {k: v for k, v in plain(entry).items() if k not in ("n", "nonce")}


def _audit(audit: Audit) -> dict[str, Any]:
    return {
        "model": audit.model,
        "entries": audit.entries,
        "unbroken": not audit.breaks,
        "signed": audit.signed,
        "head": audit.head or None,
        "breaks": [{"entry": b.n, "text": b.text} for b in audit.breaks],
        "notes": list(audit.notes),
    }


def _inspection(found: Inspection) -> dict[str, Any]:
    return {
        "models": [_drift(d) for d in found.drifts],
        "findings": found.findings,
        "undetermined": len(found.undetermined),
        "archived": [_archival(a) for a in found.archivals],
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "model": drift.model,
        "policy": drift.governed,
        "findings": plain(drift.findings),
        "unread": plain(drift.unread),
        "ledger": _row(drift.entry),
    }


def _archival(one: Archival) -> dict[str, Any]:
    return {
        "model": one.finding.model,
        "version": one.finding.version,
        "target": one.finding.target,
        "decision": one.decision.kind,
        "reason": str(one.decision.reason),
        "detail": one.decision.detail,
        "ledger": _row(one.entry),
    }


def _adoption(adoption: Adoption) -> dict[str, Any]:
    return {
        "decision": adoption.decision.kind,
        "reason": str(adoption.decision.reason),
        "detail": adoption.decision.detail,
        "model": adoption.model,
        "targets": [{"target": t.target, "version": t.version, "before": list(t.was)} for t in adoption.taken],
        "ledger": [_row(r) for r in adoption.rows],
        "why": adoption.why or None,
        "notes": list(adoption.notes),
    }


_DOCUMENTS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    Report: _report,
    Split: _split,
    Failure: _failure,
    Status: _status,
    History: _history,
    Audit: _audit,
    Inspection: _inspection,
    Adoption: _adoption,
}
