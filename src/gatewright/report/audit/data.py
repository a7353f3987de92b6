"""The report as JSON, with the schema number of every other result."""

from __future__ import annotations

from typing import Any

from gatewright.audit import Account, AuditReport, Event, Grounds, Holder, Line, Tenure
from gatewright.canonical import plain
from gatewright.ledger.entry import Row
from gatewright.policy.model import Rule, Target
from gatewright.quantity import is_finite
from gatewright.report.audit import words
from gatewright.report.data import SCHEMA, event


def document(report: AuditReport) -> dict[str, Any]:
    """Everything that the report shows."""
    asked = report.question
    return {
        "schema": SCHEMA,
        "written": report.written,
        "server": report.address,
        "as_of": asked.moment.at.isoformat() if asked.moment else None,
        "version": asked.version,
        "target": asked.target or None,
        "unbroken": not report.broken and not report.unreadable,
        "models": [_account(report, a) for a in report.accounts],
    }


def _account(report: AuditReport, account: Account) -> dict[str, Any]:
    return {
        "model": account.model,
        "unbroken": not account.breaks and not account.unreadable,
        "signed": account.signed,
        "entries": account.written,
        "entries_by_then": account.entries,
        "head": account.head or None,
        "breaks": [{"entry": b.n, "text": b.text} for b in account.breaks],
        "unreadable": account.unreadable or None,
        "notes": [*account.notes, *words.changed_rules(account)],
        "holders": [_holder(h) for h in account.holders],
        "tenures": [_tenure(t) for t in account.tenures],
        "approvers": [_approvers(account, t, said) for t, said in words.rules(account)],
        "policy": words.rules_from(report, account.policy),
        "events": [_event(e) for e in account.events],
        "lineage": [{"version": one.version, "origins": plain(one.origins)} for one in account.lineages],
    }


def _holder(holder: Holder) -> dict[str, Any]:
    return {
        "target": holder.target,
        "version": holder.version,
        "known": holder.known,
        "since": _row(holder.since),
        "places": plain(holder.places),
        "policy_digest": holder.policy_digest or None,
        "remark": holder.remark or None,
    }


def _tenure(tenure: Tenure) -> dict[str, Any]:
    ends = {"since": _row(tenure.since), "until": _row(tenure.until)}
    return {"target": tenure.target, "version": tenure.version, **ends}


def _row(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else {"entry": row.n, "kind": row.kind, "at": row.at, "by": row.by}


def _approvers(account: Account, target: Target, said: str) -> dict[str, Any]:
    return {
        "target": target.name,
        "rules": [_rule(r) for r in target.approvals],
        "exclude": list(target.exclude),
        "expires_seconds": float(target.expires),
        "rollback": [_rule(r) for r in target.rollback_approvals],
        "override": list(map(str, target.override)),
        "in_words": said,
        "policy_digest": account.policy.digest(target) if account.policy else None,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {"name": rule.name, "need": rule.count, "from": list(map(str, rule.approvers))}


def _event(told: Event) -> dict[str, Any]:
    grounds = _grounds(told.grounds) if told.grounds else None
    return {**event(told.row, told.entry), "grounds": grounds, "wrong": list(told.wrong)}


def _grounds(grounds: Grounds) -> dict[str, Any]:
    return {
        "entry": grounds.n,
        "verdict": grounds.verdict or None,
        "checks": [_line(one) for one in grounds.lines],
        "rules": plain(grounds.rules),
        "words": [{**plain(w), "became": words.became(w)} for w in grounds.agreed],
        "origins": plain(grounds.origins),
    }


def _line(line: Line) -> dict[str, Any]:
    told = {name: _finite(getattr(line, name)) for name in ("value", "bound", "champion", "limit")}
    interval = [_finite(end) for end in line.interval] if line.interval else None
    texts = {name: getattr(line, name) for name in ("check", "status", "severity", "because", "source", "policy_line")}
    return {**texts, **told, "interval": interval, "n": line.n}


def _finite(value: Any) -> Any:
    """A recorded value as JSON has it; what is stored in a shape of its own is left as text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return value if is_finite(value) else None
    return str(value)
