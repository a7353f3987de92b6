"""The report as a table for spreadsheets: one row an event, the same columns in every release."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping

from gatewright.audit import Account, AuditReport, Event, Said
from gatewright.report.audit import words
from gatewright.report.escape import sheet

#: column → what stands in it; columns are only ever added, at the end
_COLUMNS: Mapping[str, Callable[[Account, Event], object]] = {
    "model": lambda a, e: a.model,
    "entry": lambda a, e: e.row.n,
    "at": lambda a, e: e.row.at,
    "kind": lambda a, e: e.row.kind,
    "version": lambda a, e: e.row.version,
    "target": lambda a, e: e.row.target,
    "replaces": lambda a, e: e.row.replaces,
    "held_until": words.held_until,
    "who": lambda a, e: e.entry.actor.login if e.entry else e.row.by,
    "who_id": lambda a, e: e.entry.actor.id if e.entry else None,
    "via": lambda a, e: e.entry.actor.via if e.entry else "",
    "page": lambda a, e: e.entry.actor.url if e.entry else "",
    "reason": lambda a, e: e.entry.reason if e.entry else "",
    "text": lambda a, e: e.entry.text if e.entry else "",
    "overridden": lambda a, e: "; ".join(words.against(e)) or ("yes" if words.overridden(e) else ""),
    "verdict": lambda a, e: e.grounds.verdict if e.grounds else "",
    "checks": lambda a, e: "; ".join(map(words.numbers, e.grounds.lines)) if e.grounds else "",
    "approval_rules": lambda a, e: "; ".join(
        f"{q.name}: {q.have} of {q.need}" for q in (e.grounds.rules if e.grounds else ())
    ),
    "approvals_counted": lambda a, e: _said(e, lambda w: w.verb == "approve" and not w.because),
    "approvals_not_counted": lambda a, e: _said(e, lambda w: bool(w.because)),
    "objections": lambda a, e: _said(e, lambda w: w.verb != "approve" and not w.because),
    "git_commit": lambda a, e: _origin(a, e, "git commit"),
    "training_data": lambda a, e: _origin(a, e, "training data"),
    "holdout": lambda a, e: _origin(a, e, "holdout"),
    "run": lambda a, e: _origin(a, e, "run"),
    "source": lambda a, e: _origin(a, e, "source"),
    "evidence_digest": lambda a, e: e.entry.evidence_digest if e.entry else "",
    "policy_digest": lambda a, e: e.entry.policy_digest if e.entry else "",
    "closes": lambda a, e: e.row.closes,
    "digest": lambda a, e: e.row.digest,
    "previous": lambda a, e: e.entry.previous if e.entry else "",
    "proof": lambda a, e: _proof(a, e),
}

COLUMNS = tuple(_COLUMNS)


def rows(report: AuditReport) -> str:
    """The whole table with its head, RFC 4180; a model of which nothing can be shown has a row that says why."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for account in report.accounts:
        for event in account.events:
            writer.writerow([_cell(tell(account, event)) for tell in _COLUMNS.values()])
        if not account.events and words.wrong(account):
            told = {"model": account.model, "proof": f"{words.proof(account)}: {'; '.join(words.wrong(account))}"}
            writer.writerow([_cell(told.get(name)) for name in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else sheet(str(value))


def _said(event: Event, wanted: Callable[[Said], bool]) -> str:
    found = (w for w in (event.grounds.agreed if event.grounds else ()) if wanted(w))
    return "; ".join(f"{w.login} {w.verb}: {words.became(w)}" for w in found)


def _origin(account: Account, event: Event, what: str) -> str:
    """By the word of the event's own grounds; where these say nothing, what is known of the version."""
    return "; ".join(dict.fromkeys(_origins(account, event, what)))


def _origins(account: Account, event: Event, what: str) -> Iterator[str]:
    own = [o.value for o in (event.grounds.origins if event.grounds else ()) if o.what == what]
    known = (o for one in account.lineages if one.version == event.row.version for o in one.origins)
    yield from own or (f"{o.value} ({o.told})" for o in known if o.what == what and o.known and event.grounds)


def _proof(account: Account, event: Event) -> str:
    if event.wrong:
        return f"broken: {'; '.join(event.wrong)}"
    return "the ledger is broken" if account.breaks else "unbroken"
