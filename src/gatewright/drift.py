"""What a registry shows that its ledger did not make, and what has been left standing: pure functions of both.

The ledger's rows are folded into who ought to stand in each target; a finding is where the registry shows another. A
version's own condition (signature, files, run) is looked at as long as it stands in a target.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Literal, get_args

from gatewright.decision import DONE, REFUSED, UNDETERMINED, Decision
from gatewright.ladder import Holding, Models, holding, home, number_in, remembered
from gatewright.ledger.entry import MOVED, Entry, Row, taken_back
from gatewright.policy.explain import span_in_words
from gatewright.policy.model import Policy, Target
from gatewright.subject import Version

Code = Literal[
    "moved_by_hand",
    "unrecorded_holder",
    "two_holders",
    "stage_alias_disagree",
    "unfinished_move",
    "stale",
    "missing_signature",
    "missing_files",
    "local_artifacts",
    "deleted_run",
]
CODES: tuple[Code, ...] = get_args(Code)

#: codes about who holds what: a look in the middle of a move may show them, a second look will not
COMPARED = frozenset(CODES[:5])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the ledger left it, or not as it should be.

    model: the policy's own. version: by its number there, None where it has none or none is meant. target: the
    highest that it concerns. sentence and fix are for people; neither changes from one day to the next by itself.
    """

    code: Code
    model: str
    version: int | None
    target: str | None
    sentence: str
    fix: str

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What makes two findings the same one."""
        return self.code, self.version or 0, self.target or "", self.sentence


@dataclass(frozen=True, slots=True)
class Kept:
    """How a version is kept. None is what could not be read, or was not looked for.

    signed: its signature is stored. place: where its files are, if they lie on one machine. run: what is wrong with
    its run.
    """

    signed: bool | None = None
    files: bool | None = None
    place: str | None = None
    run: Literal["deleted", "gone"] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the registry shows of one model. kept: by (registered model, number), of versions that stand in a target.

    lock: the intent that is open. remembered: targets as the ledger has them, for a model without a policy.
    """

    model: str
    models: Models
    kept: Mapping[tuple[str, int], Kept] = field(default_factory=dict)
    lock: Entry | None = None
    remembered: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that had to be read and could not be: whether it has drifted is not known."""

    what: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found of one model. unread: what was not, so that no finding means nothing there.

    governed: a policy is for it. entry: the ledger entry that records the findings, old or new; None if none does.
    """

    model: str
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    governed: bool = True
    entry: Row | None = None


@dataclass(frozen=True, slots=True)
class Archival:
    """A stale version and what became of it; decision `evaluated`: it would be archived. entry: what records it."""

    finding: Finding
    decision: Decision
    entry: Row | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A version that a target has from now on by the ledger's word, None for nobody. was: whom it had before."""

    target: str
    version: int | None
    was: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """How taking a model under the gate ended. taken: what was recorded, or would have been, in that order."""

    decision: Decision
    model: str
    taken: tuple[Taken, ...] = ()
    rows: tuple[Row, ...] = ()
    why: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A version in a target. number: its number in the policy's own model, None where it is no version of that."""

    number: int | None
    there: Version

    def __str__(self) -> str:
        return str(self.there) if self.number is None else f"v{self.number}"


def find(policy: Policy | None, seen: Seen, rows: Sequence[Row] | None, now: datetime) -> tuple[Finding, ...]:
    """Everything that has drifted, in the order of the codes.

    rows None: the ledger could not be read, or a move is under way, so that who holds what is not asked. A move whose
    lease has run out is a finding itself.
    """
    targets = policy.targets if policy else seen.remembered
    found = [] if rows is None else [*_moves(seen, targets, rows, now), *_torn(seen, targets, rows)]
    found += [*_stale(seen, targets, rows or (), now), *_conditions(seen, targets)]
    return tuple(sorted(found, key=lambda f: (CODES.index(f.code), f.version or 0, f.target or "")))


def exit_code(drifts: Iterable[Drift]) -> int:
    """0: nothing was found; 1: something was; 3: nothing was, but something could not be read."""
    every = tuple(drifts)
    if any(d.findings for d in every):
        return REFUSED
    return UNDETERMINED if any(d.unread for d in every) else DONE


def shared(target: Target) -> bool:
    """Whether several versions may be in the target's stage at once."""
    return bool(target.stage) and not target.archive_existing


def standing(target: Target, model: str, models: Models) -> tuple[Standing, ...]:
    """Every version that stands in a target, the holder last; where there is a conflict, all that take part in it."""
    where = models.get(home(target, model))
    if where is None:
        return ()
    held = holding(target, model, models)
    several = where.staged(target.stage) if target.stage and (shared(target) or held.conflict) else ()
    pointed = where.version(where.aliases.get(target.alias, -1)) if target.alias else None
    found = [v for v in (*several, pointed if held.conflict else held.version) if v is not None]
    distinct = {v.number: v for v in reversed(found)}
    return tuple(Standing(number_in(model, v), v) for v in reversed(distinct.values()))


# -- what the ledger says ----------------------------------------------------------------------------------------


def recorded(targets: Iterable[Target], model: str, rows: Iterable[Row]) -> dict[str, dict[int, Row]]:
    """Target → version → the entry that put it there, the newest last; without the targets of which nothing is said.

    A version has one stage: by entering one it leaves that of another target.
    """
    known = {t.name: t for t in targets}
    found: dict[str, dict[int, Row]] = {}
    for r in rows:
        target = known.get(r.target)
        if target is not None and r.kind == "archived":
            found.get(target.name, {}).pop(r.version or 0, None)
        elif target is not None and r.kind in MOVED:
            _arrived(found, target, r)
            _left([t for t in known.values() if t != target], target, model, found, r)
    return found


def _arrived(found: dict[str, dict[int, Row]], target: Target, r: Row) -> None:
    here = found.setdefault(target.name, {})
    if r.version is None or not shared(target):
        here.clear()
    if r.kind == "rolled_back":
        newer = [v for v in here if v > (r.version or 0)] if not target.alias else []
        for gone in (r.replaces or 0, *newer):
            here.pop(gone, None)
    if r.version is not None:
        here.pop(r.version, None)
        here[r.version] = r


def _left(others: Iterable[Target], target: Target, model: str, found: dict[str, dict[int, Row]], r: Row) -> None:
    for other in others:
        staged = target.stage and other.stage and not other.alias
        if staged and home(other, model) == home(target, model):
            found.get(other.name, {}).pop(r.version or 0, None)


def targets_of(entries: Iterable[Entry | None]) -> tuple[Target, ...]:
    """The targets as the newest entries about each remember them; ValueError where one does not."""
    found: dict[str, Target] = {}
    for entry in entries:
        if entry is not None and "target" in entry.details:
            found.pop(entry.target, None)
            found[entry.target] = remembered(entry.details["target"], entry.n)
    return tuple(found.values())


# -- registry against ledger -------------------------------------------------------------------------------------


def _moves(seen: Seen, targets: Sequence[Target], rows: Sequence[Row], now: datetime) -> Iterator[Finding]:
    if seen.lock is not None:
        yield from _unfinished(seen.lock, now)
        return
    said = recorded(targets, seen.model, rows)
    for target in targets:
        if holding(target, seen.model, seen.models).conflict:
            continue
        stand = standing(target, seen.model, seen.models)
        if target.name in said:
            yield from _compared(seen, target, targets, said[target.name], stand, taken_back(rows, target.name))
        else:
            yield from (_unrecorded(seen.model, target, s) for s in stand)


def _unfinished(lock: Entry, now: datetime) -> Iterator[Finding]:
    ends = _moment(lock.lease)
    if ends is None or ends <= now:
        what = f"a move of v{lock.version} to {lock.target}, begun by {lock.actor.login} at {lock.at}, was never ended"
        fix = "the next promote or rollback of this model finishes or aborts it; adopt does so too"
        yield Finding("unfinished_move", lock.model, lock.version, lock.target, what, fix)


def _unrecorded(model: str, target: Target, stand: Standing) -> Finding:
    sentence = f"{stand} holds {target.name}, and the ledger has never recorded a holder of it"
    return Finding("unrecorded_holder", model, stand.number, target.name, sentence, _take_over(model))


def _compared(
    seen: Seen,
    target: Target,
    targets: Sequence[Target],
    said: Mapping[int, Row],
    stand: Sequence[Standing],
    back: Mapping[int, Row],
) -> Iterator[Finding]:
    meant = list(said) if shared(target) else list(said)[-1:]
    extra = [s for s in stand if s.number not in said]
    gone = [v for v in meant if v not in {s.number for s in stand} and not _higher(seen, target, targets, v)]
    model = seen.model
    for s in extra:
        known = f"the ledger has {_numbers(meant)} in {target.name}{_by(said, meant)}, the registry shows {s}"
        again = back.get(s.number or 0)
        more = f"; {s} was rolled back from there by {again.by} at {again.at}" if again else ""
        yield Finding("moved_by_hand", model, s.number, target.name, known + more, _put_back(model, target, meant))
    for v in gone if not extra or shared(target) else ():
        sentence = f"the ledger has v{v} in {target.name}{_by(said, [v])}, the registry does not show it there"
        yield Finding("moved_by_hand", model, v, target.name, sentence, _put_back(model, target, [v]))
    holder = stand[-1].number if stand and target.alias else None
    if not extra and not gone and meant and holder not in (None, meant[-1]):
        sentence = f"the ledger has v{meant[-1]} hold {target.name}, the registry's alias names v{holder}"
        yield Finding("moved_by_hand", model, holder, target.name, sentence, _put_back(model, target, meant[-1:]))


def _higher(seen: Seen, target: Target, targets: Sequence[Target], version: int) -> bool:
    """Whether a version has left a stage for that of a higher target, where it is looked at anyway."""
    above = targets[targets.index(target) + 1 :]
    staged = (t for t in above if t.stage and target.stage and home(t, seen.model) == home(target, seen.model))
    return any(s.number == version for t in staged for s in standing(t, seen.model, seen.models))


def _by(said: Mapping[int, Row], meant: Sequence[int]) -> str:
    row = said.get(meant[-1]) if meant else None
    return f" (entry {row.n}, {row.by}, {row.at})" if row else ""


def _numbers(versions: Sequence[int]) -> str:
    return " and ".join(f"v{v}" for v in versions) or "nobody"


def _put_back(model: str, target: Target, meant: Sequence[int]) -> str:
    acknowledge = f"if it was meant: gatewright adopt {shlex.quote(model)} --reason …"
    if not meant:
        return f"find out who did it; {acknowledge}"
    return f"to put it back: gatewright promote {shlex.quote(f'{model}/{meant[-1]}')} --to {target.name}; {acknowledge}"


def _take_over(model: str) -> str:
    return f"take what is there under the gate: gatewright adopt {shlex.quote(model)}"


# -- the registry by itself --------------------------------------------------------------------------------------


def _torn(seen: Seen, targets: Iterable[Target], rows: Sequence[Row]) -> Iterator[Finding]:
    """Two holders where one is meant, and stage and alias that name different ones; not in the middle of a move."""
    for target in targets if seen.lock is None else ():
        held = holding(target, seen.model, seen.models)
        staged = _staged(target, seen)
        if held.conflict and len(staged) > 1 and not shared(target):
            fix = f"archive those that do not belong there: {_numbers_of(seen.model, staged)}"
            yield Finding("two_holders", seen.model, None, target.name, held.conflict, fix)
        elif sentence := held.conflict or _half(target, seen, held, rows):
            fix = f"point alias {target.alias} at the version that is meant, and give it stage {target.stage}"
            yield Finding("stage_alias_disagree", seen.model, held.number, target.name, sentence, fix)


def _staged(target: Target, seen: Seen) -> tuple[Version, ...]:
    where = seen.models.get(home(target, seen.model))
    return where.staged(target.stage) if where and target.stage else ()


def _half(target: Target, seen: Seen, held: Holding, rows: Sequence[Row]) -> str:
    """What is missing of a target that is held by stage and alias."""
    where = seen.models.get(home(target, seen.model))
    if where is None or held.version is None or not (target.stage and target.alias):
        return ""
    if target.alias not in where.aliases:
        return f"stage {target.stage} holds v{held.version.number}, but alias {target.alias} names nobody"
    if held.version.stage.lower() != target.stage.lower() and not _went_on(target, held.number, rows):
        return f"alias {target.alias} names v{held.version.number}, but it is in stage {held.version.stage}"
    return ""


def _went_on(target: Target, version: int | None, rows: Sequence[Row]) -> bool:
    """Whether the gate has since moved a version on to another target, or taken it back from there."""
    moves = [r for r in rows if r.kind in MOVED and version in (r.version, r.replaces)]
    here = max((r.n for r in moves if (r.target, r.version) == (target.name, version)), default=-1)
    return any(r.n > here >= 0 and r.target != target.name for r in moves)


def _numbers_of(model: str, versions: Iterable[Version]) -> str:
    return ", ".join(f"{v.model}/{v.number}" if v.model != model else f"v{v.number}" for v in versions)


def _stale(seen: Seen, targets: Sequence[Target], rows: Sequence[Row], now: datetime) -> Iterator[Finding]:
    for n, target in enumerate(targets):
        above = {s.number for t in targets[n + 1 :] for s in standing(t, seen.model, seen.models)}
        for s in standing(target, seen.model, seen.models) if target.stale_after else ():
            since = held_since(target, s, rows)
            if s.number not in above and since and (now - since).total_seconds() > float(target.stale_after or 0):
                allowed = span_in_words(target.stale_after or Decimal(0))
                sentence = f"{s} has been in {target.name} since {since:%Y-%m-%d}, longer than {allowed}"
                yield Finding("stale", seen.model, s.number, target.name, sentence, _freshen(seen.model, target))


def held_since(target: Target, stand: Standing, rows: Iterable[Row]) -> datetime | None:
    """Since when a version stands in a target: by the ledger, else when the registry last changed it."""
    moves = [r for r in rows if (r.target, r.version) == (target.name, stand.number) and r.kind in MOVED]
    if moves and moves[-1].kind != "adopted":
        return _moment(moves[-1].at)
    changed = stand.there.updated or stand.there.created
    return datetime.fromtimestamp(changed / 1000, timezone.utc) if changed else None


def _freshen(model: str, target: Target) -> str:
    if target.stage and not target.alias:
        return f"promote it, or archive it: gatewright drift {shlex.quote(model)} --fix archive-stale --apply"
    return "promote it, or put a newer version in its place"


def _conditions(seen: Seen, targets: Sequence[Target]) -> Iterator[Finding]:
    """What is wrong with the versions that stand in targets, each told once, with the highest of its targets."""
    where: dict[tuple[str, int], tuple[Standing, Target]] = {}
    for target in targets:
        for s in standing(target, seen.model, seen.models):
            where[s.there.model, s.there.number] = s, target
    for key, (s, target) in sorted(where.items()):
        for code, sentence, fix in _faults(s, seen.kept.get(key, Kept())):
            yield Finding(code, seen.model, s.number, target.name, f"{s} in {target.name} {sentence}", fix)


def _faults(stand: Standing, kept: Kept) -> Iterator[tuple[Code, str, str]]:
    if kept.files is False:
        yield "missing_files", "has no MLmodel file where it is stored", "restore the files, or promote another version"
    if kept.signed is False:
        fix = "log the model with signature=infer_signature(inputs, outputs) and promote that version"
        yield "missing_signature", "was logged without a signature", fix
    if kept.place:
        fix = "log models into an experiment whose artifacts lie with the server or in shared storage"
        yield "local_artifacts", f"has its files on one machine: {kept.place}", fix
    if kept.run == "deleted":
        fix = f"mlflow runs restore --run-id {shlex.quote(stand.there.run_id)}"
        yield "deleted_run", f"was made by run {stand.there.run_id}, which is deleted", fix
    if kept.run == "gone":
        fix = "its lineage cannot be shown any more: train and promote a version whose run is kept"
        yield "deleted_run", f"was made by run {stand.there.run_id}, which does not exist any more", fix


def _moment(text: str) -> datetime | None:
    """A time as entries spell it; None if it is none."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except ValueError:
        return None
