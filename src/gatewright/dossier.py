"""Reading for an auditor: ledgers proved, entries with what is stored beside them, and where versions come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gatewright import audit
from gatewright.audit import DECIDED, ORIGINS, Account, AuditReport, Event, Grounds, Lineage, Origin, Question
from gatewright.ledger import Ledger
from gatewright.ledger.entry import MOVED, Break, Proof, Row
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
    if model is None:
        models = archive.ledger.models()
        found = archive.ledger.prove_all(
            models, lambda one, proof: _account(archive, one, proof, question), archive.keys
        )
        accounts = tuple(_readable(archive, m, told) for m, told in zip(models, found, strict=True))
    else:
        accounts = (_account(archive, model, archive.ledger.prove(model, archive.keys), question),)
        _must_be_known(archive, accounts[0])
    return AuditReport(question, accounts, stamp(archive.now), archive.ledger.address, archive.no_policy)


def _must_be_known(archive: Archive, found: Account) -> None:
    """Refuses a model of which neither a ledger nor a policy tells: nobody has heard of it."""
    if not (found.written or found.breaks or found.policy):
        known = archive.ledger.models()
        some = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
        hint = f"there is one of {some}" if known else "no model has one there"
        raise UsageError(f'there is no ledger of "{found.model}" at {archive.ledger.address}', hint)


def _readable(archive: Archive, model: str, told: Account | Undetermined) -> Account:
    if isinstance(told, Undetermined):
        return Account(model, unreadable=f"{told.what}: {told.why}. {told.fix}", policy=archive.policies.get(model))
    return told


def _account(archive: Archive, model: str, proof: Proof, question: Question) -> Account:
    """What there is to tell: of the very bytes that were proved, each read once."""
    policy = archive.policies.get(model)
    rows = proof.rows
    then = audit.until(rows, question.moment)
    asked = tuple(t for t in audit.targets(rows, policy) if question.target in ("", t))
    moves = {r.n: proof.entry(r.n) for r in then if r.kind in MOVED}
    events = _events(proof, rows, question)
    notes = (str(b) for b in proof.breaks if b.note)
    return Account(
        model,
        entries=len(then),
        written=len(rows),
        head=then[-1].digest if then else "",
        breaks=tuple(b for b in proof.breaks if not b.note),
        notes=(*notes, *audit.clock_notes(rows, question.moment), *_future(archive, question)),
        holders=audit.holders(rows, question.moment, asked, moves) if rows else (),
        tenures=audit.tenures(then, asked, moves),
        events=events,
        lineages=tuple(_lineages(archive, model, events)),
        policy=policy,
        signed=archive.keys is not None and proof.whole,
    )


def _future(archive: Archive, question: Question) -> Iterator[str]:
    if question.moment is not None and question.moment.at > archive.now:
        yield f"{question.moment.text} has not passed yet: this is what is known now"


def _events(proof: Proof, rows: tuple[Row, ...], question: Question) -> tuple[Event, ...]:
    """What happened; of a question about one version, the grounds of what was decided about that one alone."""
    wrong = _by_number(proof.breaks)
    return tuple(
        Event(r, proof.entry(r.n), _grounds(proof, rows, r) if _decided(r, question) else None, wrong.get(r.n, ()))
        for r in audit.chosen(rows, question)
    )


def _decided(row: Row, question: Question) -> bool:
    return row.kind in DECIDED and question.version in (None, row.version)


def _by_number(breaks: Sequence[Break]) -> dict[int, tuple[str, ...]]:
    return {b.n: tuple(other.text for other in breaks if other.n == b.n and not other.note) for b in breaks}


def _grounds(proof: Proof, rows: tuple[Row, ...], row: Row) -> Grounds | None:
    begun, benchmark = audit.founder(row, rows), audit.benchmark_of(row, rows)
    documents = {name: _json(proof.files.get((begun.n, name))) for name in _FILES}
    return audit.grounds(begun.n, documents, proof.entry(benchmark.n) if benchmark else None)


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
