"""Reading for an auditor: ledgers proved, entries with what is stored beside them, and where versions come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gatewright import audit
from gatewright.audit import DECIDED, ORIGINS, Account, AuditReport, Event, Grounds, Lineage, Origin, Question
from gatewright.connection.together import side_by_side
from gatewright.ledger import Ledger
from gatewright.ledger.entry import MOVED, Break, Entry, Row
from gatewright.ledger.envelope import Keys
from gatewright.measure import lineage
from gatewright.measure.reading import Once, Reading
from gatewright.paths import Path
from gatewright.policy.model import Policy
from gatewright.problem import Undetermined, UsageError
from gatewright.record import stamp
from gatewright.registry import Registry

_FILES = ("verdict.json", "evidence.json", "approvals.json")


@dataclass(frozen=True, slots=True)
class Archive:
    """Where an auditor's questions are looked up.

    policies: those of today, by model; no_policy: what to say of a model without one. now: the time in UTC. keys:
    public keys that must prove every entry, if any.
    """

    ledger: Ledger
    registry: Registry
    now: datetime
    policies: Mapping[str, Policy] = field(default_factory=dict)
    keys: Keys | None = None
    no_policy: str = "No policy was read, so who may approve is not known."


def compile_report(archive: Archive, model: str | None, question: Question) -> AuditReport:
    """The report on one model, or on every ledger there is.

    Raises UsageError where there is nothing that the question could be about. Of many ledgers one that cannot be read
    has an account that says why; of one alone, that is Undetermined.
    """
    known = archive.ledger.models() if model is None else ()
    if model is None:
        accounts = tuple(side_by_side(lambda one: _attempt(archive, one, question), known))
    else:
        accounts = (_account(archive, model, question),)
        if not accounts[0].entries and not accounts[0].breaks and model not in archive.policies:
            _must_be_known(archive, model)
    return AuditReport(question, accounts, stamp(archive.now), archive.ledger.address, archive.no_policy)


def _must_be_known(archive: Archive, model: str) -> None:
    """Refuses a model of which nobody has heard, and not one whose ledger is merely younger than the moment."""
    if not archive.ledger.rows(model):
        known = archive.ledger.models()
        some = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
        hint = f"there is one of {some}" if known else "no model has one there"
        raise UsageError(f'there is no ledger of "{model}" at {archive.ledger.address}', hint)


def _attempt(archive: Archive, model: str, question: Question) -> Account:
    try:
        return _account(archive, model, question)
    except Undetermined as e:
        return Account(model, unreadable=f"{e.what}: {e.why}. {e.fix}", policy=archive.policies.get(model))


def _account(archive: Archive, model: str, question: Question) -> Account:
    found = archive.ledger.verify(model, archive.keys)
    breaks, notes = tuple(b for b in found if not b.note), tuple(str(b) for b in found if b.note)
    begun = Account(model, breaks=breaks, notes=notes, policy=archive.policies.get(model))
    begun = replace(begun, signed=archive.keys is not None and not breaks)
    try:
        rows = archive.ledger.rows(model)
    except Undetermined:
        if breaks:
            return begun
        raise
    return _told(archive, begun, rows, question)


def _told(archive: Archive, begun: Account, rows: tuple[Row, ...], question: Question) -> Account:
    """The account of a chain that can be read, whether or not it can be believed."""
    then, shown = audit.until(rows, question.moment), audit.chosen(rows, question)
    asked = tuple(t for t in audit.targets(rows, begun.policy) if question.target in ("", t))
    moves = [r for r in then if r.kind in MOVED]
    bodies = _bodies(archive.ledger, begun, (*shown, *moves, *_behind(shown, rows)))
    events = _events(archive.ledger, begun, rows, question, bodies)
    return replace(
        begun,
        entries=len(then),
        written=len(rows),
        head=then[-1].digest if then else "",
        notes=(*begun.notes, *audit.clock_notes(rows, question.moment), *_future(archive, question)),
        holders=audit.holders(rows, question.moment, asked, bodies),
        tenures=audit.tenures(then, asked),
        events=events,
        lineages=tuple(_lineages(archive, begun.model, events)),
    )


def _future(archive: Archive, question: Question) -> Iterator[str]:
    if question.moment is not None and question.moment.at > archive.now:
        yield f"{question.moment.text} has not passed yet: this is what is known now"


def _behind(shown: Sequence[Row], rows: Sequence[Row]) -> Iterator[Row]:
    """Entries that hold the grounds of others: the intents that moves end, and benchmarks."""
    for row in shown:
        if row.kind in DECIDED:
            yield audit.founder(row, rows)
            benchmark = audit.benchmark_of(row, rows)
            if benchmark is not None:
                yield benchmark


def _bodies(ledger: Ledger, account: Account, rows: Sequence[Row]) -> dict[int, Entry | None]:
    wanted = list({r.n: r for r in rows}.values())
    if not wanted:
        return {}
    if not account.breaks:
        found: Sequence[Entry | None] = ledger.entries(account.model, wanted)
    else:
        found = side_by_side(lambda row: _if_readable(ledger, account, row), wanted)
    return {r.n: entry for r, entry in zip(wanted, found, strict=True)}


def _if_readable(ledger: Ledger, account: Account, row: Row) -> Entry | None:
    """A body; None where it cannot be read and the proof of the chain says as much of that very entry."""
    try:
        return ledger.entry(account.model, row)
    except Undetermined:
        if any(b.n == row.n for b in account.breaks):
            return None
        raise


def _events(
    ledger: Ledger, account: Account, rows: Sequence[Row], question: Question, bodies: Mapping[int, Entry | None]
) -> tuple[Event, ...]:
    """What happened; of a question about one version, the grounds of what was decided about that one alone."""
    wrong, shown = _by_number(account.breaks), audit.chosen(rows, question)
    decided = [r for r in shown if r.kind in DECIDED and question.version in (None, r.version)]
    found = side_by_side(lambda row: _grounds(ledger, account.model, row, rows, bodies), decided)
    rested = {r.n: grounds for r, grounds in zip(decided, found, strict=True)}
    return tuple(Event(r, bodies.get(r.n), rested.get(r.n), wrong.get(r.n, ())) for r in shown)


def _by_number(breaks: Sequence[Break]) -> dict[int, tuple[str, ...]]:
    return {b.n: tuple(other.text for other in breaks if other.n == b.n) for b in breaks}


def _grounds(
    ledger: Ledger, model: str, row: Row, rows: Sequence[Row], bodies: Mapping[int, Entry | None]
) -> Grounds | None:
    begun = audit.founder(row, rows)
    entry = bodies.get(begun.n)
    names = [name for name in _FILES if entry is not None and name in entry.attachments]
    documents = {name: _json(ledger.attachment(model, begun, name)) for name in names}
    benchmark = audit.benchmark_of(row, rows)
    return audit.grounds(begun.n, documents, bodies.get(benchmark.n) if benchmark else None)


def _json(content: bytes | None) -> Any:
    """What was stored; None where it is gone or no JSON, which the proof of the chain tells of."""
    try:
        return None if content is None else json.loads(content)
    except ValueError:
        return None


def _lineages(archive: Archive, model: str, events: Sequence[Event]) -> Iterator[Lineage]:
    """Where each version that was moved comes from: by the ledger's word, and MLflow's where that has none."""
    once = Once(archive.registry)
    moved = {e.row.version: e for e in events if e.row.kind in MOVED and e.row.version is not None and e.grounds}
    for number, event in sorted(moved.items()):
        told = event.grounds.origins if event.grounds else ()
        missing = [path for path, what in ORIGINS.items() if not any(o.what == what for o in told)]
        yield Lineage(number, (*told, *(_now(archive, once, model, number, missing) if missing else ())))


def _now(archive: Archive, once: Once, model: str, number: int, missing: Sequence[str]) -> Iterator[Origin]:
    """What MLflow shows today of a version's origin."""
    told = "MLflow today, not the ledger"
    try:
        version = once.version(model, number)
        if version is None:
            yield Origin("version", "it is no longer in the registry", told, False)
            return
        for path in missing:
            family, key = path.split(".")
            fact = lineage.collect(Path(family, key), Reading("candidate", version, once, archive.now))
            by = f"{told}: {fact.source}" if fact.source else told
            known = fact.state == "known"
            yield Origin(ORIGINS[path], str(fact.value) if known else fact.why, by, known)
    except Undetermined as e:
        yield Origin("origin", f"{e.what}: {e.why}", told, False)
