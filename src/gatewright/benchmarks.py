"""One benchmark for a version, a champion, a holdout and the policy's questions: measured once, then read back.

Noise would void every approval if it were measured anew at each step. So the record is an entry of the ledger, and what
a check reads is what the entry holds, also in the run that wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gatewright.canonical import canonical, digest_of, plain
from gatewright.case import Case, Gate
from gatewright.decision import Decision, Reason
from gatewright.evidence import Evidence, Fact, needs
from gatewright.ledger.entry import Kind, Row
from gatewright.measure.holdout.benchmark import FAMILIES, Benchmark, Order, unreadable
from gatewright.measure.holdout.files import FILES, digest_now
from gatewright.paths import Path
from gatewright.problem import Undetermined
from gatewright.quantity import Interval, is_finite
from gatewright.record import append, draft

FILE = "benchmark.json"
KIND: Kind = "benchmarked"


@dataclass(frozen=True, slots=True)
class Measured:
    """The facts of a benchmark, with remarks; both empty where no check asks for one.

    scored: the digest of the candidate's files as this very run has scored them, "" where it read a record.
    """

    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    scored: str = ""


def benchmarked(gate: Gate, case: Case, *, anew: bool = False) -> Measured:
    """The recorded benchmark; measured, and recorded, where there is none or a new one is asked for.

    A benchmark that fails is no record: its facts are unreadable, which says nothing about the model.
    """
    order = _order(gate, case)
    if not order.needs:
        return Measured()
    key = _key(order)
    seen = gate.ledger.rows(gate.policy.model)
    found = None if anew else _recorded(gate, key, seen)
    if found is not None:
        return found
    try:
        made = gate.score(order, gate.registry, gate.progress)
    except Undetermined as error:
        return Measured(unreadable(order.needs, f"{error.what}: {error.why}"), (error.fix,))
    return _record(gate, case, key, made, seen)


def replaced(gate: Gate, case: Case, evidence: Evidence, scored: str) -> Decision | None:
    """Why a move is not to be made: the candidate's files are not those that the benchmark's numbers are of.

    The files are fetched again, unless this very run has `scored` them. Raises Undetermined where they cannot be.
    """
    was = _files(evidence.facts)
    if not was and all(f.state == "unreadable" for f in evidence.facts if f.path.family in FAMILIES):
        return None
    if not scored:
        gate.progress(f"fetching {case.candidate}", 0, 0)
    now = scored or digest_now(case.candidate, gate.registry)
    if now == was:
        return None
    detail = (
        f"the files of {case.candidate} are not those that were scored: {was[:19] or 'unknown'} then, {now[:19]} now"
    )
    return Decision("error", Reason.CANDIDATE_CHANGED, f"{detail}; --rebenchmark scores them as they are")


def _files(facts: Iterable[Fact]) -> str:
    """The digest of the candidate's files that a benchmark scored."""
    return next((str(f.value) for f in facts if f.path == FILES and f.who == "candidate"), "")


def _order(gate: Gate, case: Case) -> Order:
    asked = tuple(n for n in needs(case.target.checks) if n.path.family in FAMILIES)
    same = case.champion is not None and case.champion == case.candidate
    order = Order(gate.policy, asked, case.candidate, None if same else case.champion, 0)
    return replace(order, seed=int(_key(order)[:12], 16))


def _key(order: Order) -> str:
    """Names a benchmark: what was measured, on what, and which questions it answers."""
    versions = [v and {"model": v.model, "number": v.number, "source": v.source} for v in _versions(order)]
    policy = order.policy
    asked = sorted(digest_of(plain(n)) for n in order.needs)
    blocks = {"holdout": policy.holdout and plain(policy.holdout), "latency": policy.latency and plain(policy.latency)}
    return digest_of({"schema": 1, "versions": versions, "needs": asked, **blocks})


def _versions(order: Order) -> tuple[Any, ...]:
    return (order.candidate, order.champion)


def _recorded(gate: Gate, key: str, rows: tuple[Row, ...], after: int = -1) -> Measured | None:
    """The newest record of a benchmark, of those after an entry's number.

    One that does not say which files it is of counts as not there: there is nothing to hold the files against.
    """
    model = gate.policy.model
    for row in reversed(rows):
        if row.kind != KIND or row.n <= after:
            continue
        entry = gate.ledger.entry(model, row)
        if entry is None or entry.details.get("key") != key:
            continue
        content = gate.ledger.attachment(model, row, FILE)
        if content is None:
            raise Undetermined(
                f"the benchmark of entry {row.n} could not be read",
                f"{FILE} is gone",
                "Run gatewright audit verify; --rebenchmark measures anew.",
            )
        found = _read(content)
        if _files(found.facts):
            return found
    return None


def _record(gate: Gate, case: Case, key: str, made: Benchmark, seen: tuple[Row, ...]) -> Measured:
    """Writes the record, unless another run has recorded the same meanwhile; what counts is what stands there."""
    content = _content(made)
    last = seen[-1].n if seen else -1
    details = {"key": key, "data": made.data, "sha256": made.sha256, "rows": made.rows}
    entry = draft(gate, KIND, case, text=f"{made.rows} rows of {made.data}", details=details)

    def build(rows: tuple[Row, ...]) -> Any:
        return None if _recorded(gate, key, rows, last) else entry

    append(gate, build, {FILE: content})
    found = _recorded(gate, key, gate.ledger.rows(gate.policy.model), last) or _read(content)
    return replace(found, scored=_files(made.facts))


def _content(made: Benchmark) -> bytes:
    facts = [plain(replace(f, intervals=tuple(i for i in f.intervals if _bounded(i)))) for f in made.facts]
    return canonical({"schema": 1, "facts": facts, "notes": list(made.notes)}).encode()


def _bounded(interval: Interval) -> bool:
    return is_finite(interval.low) and is_finite(interval.high)


def _read(content: bytes) -> Measured:
    found = json.loads(content)
    return Measured(tuple(_fact(f) for f in found["facts"]), tuple(map(str, found["notes"])))


def _fact(found: Mapping[str, Any]) -> Fact:
    intervals = tuple(Interval(**i) for i in found.get("intervals", ()))
    return Fact(**{**found, "path": Path(**found["path"]), "intervals": intervals})
