"""What an auditor asks of a ledger: who held what at a moment, since when, what happened, and on what grounds. Pure.

All is folded from entries as they stand; whether they may be believed is said beside them (`Account.breaks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timezone
from typing import Any

from gatewright.hearing import moment
from gatewright.ledger.entry import MOVED, Break, Entry, Row, holder_after, last_move
from gatewright.policy.model import Policy
from gatewright.problem import UsageError

#: kinds of entries that say how a move or a request to move ended; the auditor's numbers stand with these
DECIDED = frozenset({*MOVED, "requested", "refused"})

_DAY = len("2026-05-03")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time. text: as it was asked for, with what that means. at: the last instant that belongs to it."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the entries about a version, a target, up to a moment; None or "" for all of them."""

    version: int | None = None
    target: str = ""
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is held, as the registry showed it: a `stage`, an `alias`, or the newest `copy`.

    model: the registered model it belongs to. versions: their numbers there, () for nobody.
    """

    kind: str
    name: str
    model: str
    versions: tuple[int, ...]

    def __str__(self) -> str:
        who = ", ".join(f"v{v}" for v in self.versions) or "nobody"
        named = f"{self.kind} {self.name}" if self.name else self.kind
        return f"{named} of {self.model}: {who}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who held a target at the moment that was asked about, by the ledger's word.

    version: None for nobody. known: False where the ledger had said nothing of the target yet. since: the entry that
    made it so. places: what the registry showed after the version had come. remark: what speaks against it, "" if
    nothing. policy_digest: the rules by which it came there.
    """

    target: str
    version: int | None
    known: bool
    since: Row | None = None
    places: tuple[Place, ...] = ()
    remark: str = ""
    policy_digest: str = ""


@dataclass(frozen=True, slots=True)
class Tenure:
    """One version's time in a target, from the entry that brought it to the one that ended it; None: it still lasts."""

    target: str
    version: int
    since: Row
    until: Row | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One check of a recorded verdict, as it was written then."""

    check: str
    status: str
    severity: str = "block"
    value: Any = None
    bound: Any = None
    champion: Any = None
    interval: tuple[float, float] | None = None
    limit: float | None = None
    n: int | None = None
    because: str = ""
    source: str = ""
    policy_line: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One word for or against a move, and what became of it: `counted for` a rule, or not, because of a reason code."""

    login: str
    verb: str
    at: str = ""
    rule: str = ""
    because: str = ""
    detail: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Quorum:
    """One rule of approval as it stood when it was decided."""

    name: str
    need: int
    have: int


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing that a version was made from: its git commit, its data, its run.

    told: who says so. known: False where `value` is why it is not known.
    """

    what: str
    value: str
    told: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Grounds:
    """On what a move, a request or a refusal rested, as stored beside entry `n`.

    verdict: pass, fail, error, inconclusive, "" where nothing was judged. rules, agreed: who had to agree and what was
    said, both empty where nobody had to. origins: what the version was made from and judged on.
    """

    n: int
    verdict: str = ""
    lines: tuple[Line, ...] = ()
    rules: tuple[Quorum, ...] = ()
    agreed: tuple[Said, ...] = ()
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One entry, with its grounds. entry: None where its body is gone. wrong: what a proof of the chain says of it."""

    row: Row
    entry: Entry | None = None
    grounds: Grounds | None = None
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """From data and code to a version that holds, or held, a target."""

    version: int
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """What there is to tell about one model.

    entries: how many the chain has up to the moment; head: the digest of the last of them; written: how many it has
    by now. breaks: why the ledger cannot be believed. unreadable: why nothing can be told at all. policy: that of
    today, None if there is none. signed: public keys were given, and they prove every entry.
    """

    model: str
    entries: int = 0
    written: int = 0
    head: str = ""
    breaks: tuple[Break, ...] = ()
    notes: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()
    tenures: tuple[Tenure, ...] = ()
    events: tuple[Event, ...] = ()
    lineages: tuple[Lineage, ...] = ()
    policy: Policy | None = None
    signed: bool = False
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The answer: an account of each model.

    written: when. address: the server, without credentials. no_policy: why a model without a policy has none, in a
    sentence.
    """

    question: Question
    accounts: tuple[Account, ...]
    written: str
    address: str
    no_policy: str

    @property
    def broken(self) -> tuple[Account, ...]:
        return tuple(a for a in self.accounts if a.breaks)

    @property
    def unreadable(self) -> tuple[Account, ...]:
        return tuple(a for a in self.accounts if a.unreadable)


def parse_moment(text: str) -> Moment:
    """A date, which means the end of that day in UTC, or a time with its zone; UsageError for anything else."""
    try:
        if len(text) == _DAY:
            day = datetime.fromisoformat(text).date()
            return Moment(f"{text} (the end of that day, UTC)", datetime.combine(day, time.max, timezone.utc))
        at = moment(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(
            f'"{text}" is no moment', "write 2026-05-03 (the end of that day, UTC) or 2026-05-03T14:30:00Z"
        )
    at = at.astimezone(timezone.utc)
    return Moment(at.strftime("%Y-%m-%d %H:%M:%S UTC"), at)


def until(rows: Sequence[Row], at: Moment | None) -> tuple[Row, ...]:
    """The chain as it stood at a moment: up to the last entry that was written by then.

    The order of entries is proved, their clocks are not: where one is behind the entry before it, the order decides.
    """
    if at is None:
        return tuple(rows)
    last = max((i for i, r in enumerate(rows) if (t := written_at(r.at)) is not None and t <= at.at), default=-1)
    return tuple(rows[: last + 1])


def written_at(at: str) -> datetime | None:
    """When an entry says that it was written; None where it says nothing of use."""
    try:
        found = moment(at)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def clock_notes(rows: Sequence[Row], at: Moment | None) -> Iterator[str]:
    """Entries before the end of `until` that say that they were written later, or do not say when."""
    for r in until(rows, at):
        found = written_at(r.at)
        if found is None:
            yield f"entry {r.n} does not say when it was written; its place in the chain does"
        elif at is not None and found > at.at:
            yield f"entry {r.n} says {r.at}, but a later entry was written before that; its place in the chain decides"


def targets(rows: Sequence[Row], policy: Policy | None) -> tuple[str, ...]:
    """The targets to tell about: the policy's in the order of its ladder, then those that only the ledger knows."""
    named = (t.name for t in policy.targets) if policy else ()
    return tuple(dict.fromkeys((*named, *(r.target for r in rows if r.target))))


def holders(
    rows: Sequence[Row], at: Moment | None, asked: Sequence[str], bodies: Mapping[int, Entry | None]
) -> tuple[Holder, ...]:
    """Who held each target at a moment. bodies: by number, of those entries that brought somebody to a target."""
    then = until(rows, at)
    newest = {t.target: t for t in _course(then, bodies)}
    return tuple(_holder(target, newest.get(target), then, rows, bodies) for target in asked)


def _holder(
    target: str,
    newest: Tenure | None,
    then: Sequence[Row],
    rows: Sequence[Row],
    bodies: Mapping[int, Entry | None],
) -> Holder:
    """newest: the time in the target that began last, whether it lasts or not."""
    version = newest.version if newest is not None and newest.until is None else None
    move = last_move(then, target)
    came = move if move is not None and version is not None and move.version == version else None
    body = bodies.get(came.n) if came is not None else None
    shown = places(body) if body is not None else ()
    rules = body.policy_digest if body is not None else ""
    left = newest.until if newest is not None else move
    since = came if version is not None else left
    return Holder(target, version, move is not None, since, shown, _doubt(target, version, then, rows), rules)


def _doubt(target: str, version: int | None, then: Sequence[Row], rows: Sequence[Row]) -> str:
    """What the next entry about the holder found there, where that is not what the ledger had said until then."""
    later = next((r for r in rows[len(then) :] if r.target == target and r.kind in MOVED), None)
    adopted = later is not None and later.kind == "adopted"
    found = None if later is None else later.version if adopted else later.replaces
    if later is None or found == version or (found is None and not adopted):
        return ""
    who = "nobody" if found is None else f"v{found}"
    told = f"the next {'look' if adopted else 'move'} (entry {later.n}, {later.at}) found {who} there"
    if version is None:
        return f"{told}; who put it there, and when, the ledger does not know"
    return f"{told}: somebody moved it by other means in between"


def places(entry: Entry) -> tuple[Place, ...]:
    """Where a move or an adoption has its version, as the registry showed it then."""
    after = entry.after
    where = str(after.get("model", entry.model))
    shown = _adopted(entry) if entry.kind == "adopted" else {kind: _mapping(after.get(kind)) for kind in _NAMED}
    found = [
        Place(kind, str(name), where, _numbers(held)) for kind in _NAMED for name, held in sorted(shown[kind].items())
    ]
    newest = _mapping(after.get("newest")).get("version")
    return (*found, *((Place("copy", "", where, _numbers(newest)),) if newest is not None else ()))


#: how a place is named, other than as the newest copy
_NAMED = ("stage", "alias")


def _adopted(entry: Entry) -> dict[str, dict[str, Any]]:
    """Stage and alias of the adopted target, out of all that the registry showed."""
    way, stages = _mapping(entry.details.get("target")), _mapping(entry.after.get("stages"))
    stage, alias = _text(way.get("stage")), _text(way.get("alias"))
    held = [int(v) for v, name in stages.items() if name == stage and v.isdecimal()]
    pointed = _mapping(entry.after.get("aliases")).get(alias)
    return {"stage": {stage: sorted(held)} if stage else {}, "alias": {alias: pointed} if alias else {}}


def _numbers(held: object) -> tuple[int, ...]:
    listed = held if isinstance(held, list) else [held]
    return tuple(v for v in listed if isinstance(v, int))


def tenures(rows: Sequence[Row], asked: Sequence[str], bodies: Mapping[int, Entry | None]) -> tuple[Tenure, ...]:
    """Every version's time in each target, in order. bodies: as for `holders`."""
    told = tuple(_course(rows, bodies))
    return tuple(t for target in asked for t in told if t.target == target)


def _course(rows: Sequence[Row], bodies: Mapping[int, Entry | None]) -> Iterator[Tenure]:
    """Every time in a target, each as it ends, then those that last.

    A version has one stage: with the one of another target, its time in a target that is held by stage alone ends.
    """
    present: dict[str, Tenure] = {}
    for r in rows:
        before = present.get(r.target)
        version = holder_after(r, before.version if before else None)
        if before is not None and before.version != version:
            yield replace(present.pop(r.target), until=r)
        if version is not None and r.target not in present:
            present[r.target] = Tenure(r.target, version, r)
        for left in [t for t in present.values() if _left(t, r, bodies)]:
            yield replace(present.pop(left.target), until=r)
    yield from present.values()


def _left(tenure: Tenure, r: Row, bodies: Mapping[int, Entry | None]) -> bool:
    """Whether a move took the version of another target's tenure out of the stage by which alone it was held."""
    if r.kind not in MOVED or r.target == tenure.target or r.version != tenure.version:
        return False
    came, goes = bodies.get(tenure.since.n), bodies.get(r.n)
    held, new = (places(body) if body is not None else () for body in (came, goes))
    stages = {p.model for p in held if p.kind == "stage"} & {p.model for p in new if p.kind == "stage"}
    return bool(stages) and not any(p.kind == "alias" for p in held)


def chosen(rows: Sequence[Row], question: Question) -> tuple[Row, ...]:
    """The entries that a question is about; one that took a version away is about that version too."""
    return tuple(
        r
        for r in until(rows, question.moment)
        if question.version in (None, r.version, r.replaces) and question.target in ("", r.target)
    )


def founder(row: Row, rows: Sequence[Row]) -> Row:
    """The entry that has the grounds: of a move, the first intent that it ends, for one may take over another."""
    by_number = {r.n: r for r in rows}
    while row.closes is not None and row.kind in (*MOVED, "aborted", "intended"):
        before = by_number.get(row.closes)
        if before is None or before.n >= row.n or before.kind != "intended":
            break
        row = before
    return row


def benchmark_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The newest benchmark of the version and target of an entry that was recorded before it."""
    same = (row.version, row.target)
    return next(
        (r for r in reversed(rows) if r.n < row.n and r.kind == "benchmarked" and (r.version, r.target) == same), None
    )


def grounds(n: int, documents: Mapping[str, Any], benchmark: Entry | None = None) -> Grounds | None:
    """What was stored with entry `n` (file name → JSON value), read with the distrust that anything stored deserves.

    benchmark: the entry of the holdout's benchmark. None where nothing was stored.
    """
    verdict, evidence, agreed = (
        _mapping(documents.get(f"{name}.json")) for name in ("verdict", "evidence", "approvals")
    )
    if not (verdict or evidence or agreed):
        return None
    return Grounds(
        n,
        _text(verdict.get("outcome")),
        tuple(_line(c) for c in _list(verdict.get("checks"))),
        tuple(
            Quorum(_text(r.get("name")), _count(r.get("need")), _count(r.get("have")))
            for r in _list(agreed.get("rules"))
        ),
        tuple(_words(agreed)),
        (*_origins(n, evidence), *_holdout(benchmark)),
    )


def _line(found: Mapping[str, Any]) -> Line:
    words = ("check", "status", "severity", "because", "source", "policy_line")
    value, bound, champion = (found.get(key) for key in ("value", "bound", "champion"))
    bounds = _mapping(found.get("interval"))
    low, high, limit = (_number(x) for x in (bounds.get("low"), bounds.get("high"), found.get("limit")))
    n = found.get("n")
    return Line(
        **{key: _text(found.get(key)) for key in words},
        value=value,
        bound=bound,
        champion=champion,
        interval=None if low is None or high is None else (low, high),
        limit=limit,
        n=n if isinstance(n, int) else None,
    )


def _words(found: Mapping[str, Any]) -> Iterator[Said]:
    """Every word for and against: those that counted first."""
    for c in _list(found.get("counted")):
        spare = "every place was filled already" if c.get("spare") else ""
        yield _said(c, verb="approve", rule=_text(c.get("rule")), detail=spare)
    for verb, name in (("reject", "vetoed_by"), ("hold", "held_by")):
        for o in _list(found.get(name)):
            yield _said(o, verb=verb, detail=_text(o.get("reason")))
    for c in _list(found.get("not_counted")):
        because, detail = _text(c.get("because")), _text(c.get("detail"))
        yield _said(c, verb=_text(c.get("verb")), because=because, detail=detail)


def _said(found: Mapping[str, Any], **told: str) -> Said:
    login, at, comment = (_text(found.get(key)) for key in ("login", "at", "comment"))
    return Said(login=login, at=at, comment=comment, **told)


#: fields of the evidence's subject, and its facts, that tell where a version comes from
_SUBJECT = {"run": "run", "source": "source", "model_id": "logged model", "artifact": "files"}
ORIGINS: Mapping[str, str] = {"lineage.git_commit": "git commit", "lineage.dataset": "training data"}

#: the same, and what the ledger alone can tell
_TOLD: Mapping[str, str] = {**ORIGINS, "benchmark.files": "scored files"}


def _origins(n: int, evidence: Mapping[str, Any]) -> Iterator[Origin]:
    subject = _mapping(evidence.get("subject"))
    for key, what in _SUBJECT.items():
        if subject.get(key) not in (None, "", "absent"):
            yield Origin(what, _text(subject[key]), f"ledger entry {n}")
    for fact in _list(evidence.get("facts")):
        known = fact.get("who") == "candidate" and fact.get("state") == "known"
        asked = _TOLD.get(_text(fact.get("path")))
        if known and asked:
            yield Origin(asked, _text(fact.get("value")), f"ledger entry {n}, {_text(fact.get('source'))}")


def _holdout(benchmark: Entry | None) -> Iterator[Origin]:
    if benchmark is not None:
        sha256, data, rows = (_text(benchmark.details.get(key)) for key in ("sha256", "data", "rows"))
        yield Origin("holdout", f"{rows} rows of {data}, sha256 {sha256}", f"ledger entry {benchmark.n}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
