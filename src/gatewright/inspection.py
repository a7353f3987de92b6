"""Looking at many models at once: registry and ledger are read together, and what differs is looked at twice.

Between reading a ledger and reading the registry a move may begin and end. So whatever is found by comparing the two
is believed only if a second look, at that model alone, shows the same ledger and the same registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gatewright.canonical import plain
from gatewright.connection.together import chunks, side_by_side
from gatewright.drift import COMPARED, Drift, Kept, Seen, Unread, find, standing, targets_of
from gatewright.ladder import home
from gatewright.ledger import Ledger
from gatewright.ledger.entry import MOVED, Actor, Entry, Row, open_intent
from gatewright.measure.lineage import location, public, scheme
from gatewright.measure.reading import Once, Reading
from gatewright.policy.model import Policy, Target
from gatewright.problem import Undetermined, UsageError
from gatewright.record import append_to, stamp
from gatewright.registry import Registry
from gatewright.subject import Model, Version

#: looks at one model before it is said to change too fast
LOOKS = 4
#: models between two words about how far it is
STRIDE = 32

#: schemes of a registry that nobody else reads: that its files lie beside it is no fault
_PRIVATE = ("sqlite", "file")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is looked over, and by whom; see `Gate` for now, nonce and progress."""

    registry: Registry
    ledger: Ledger
    actor: Actor
    now: Callable[[], datetime]
    nonce: Callable[[], str]
    progress: Callable[[str, int, int], None] = lambda what, done, total: None


@dataclass(frozen=True, slots=True)
class Look:
    """A model as it was found in one moment. targets: of the policy, or as the ledger remembers them."""

    name: str
    policy: Policy | None
    targets: tuple[Target, ...]
    rows: tuple[Row, ...] | Undetermined
    models: Mapping[str, Model] = field(default_factory=dict)

    @property
    def read(self) -> tuple[Row, ...]:
        return () if isinstance(self.rows, Undetermined) else self.rows


def inspect(grounds: Grounds, policies: Sequence[Policy], model: str = "") -> tuple[Drift, ...]:
    """What has drifted of one model, or of every model that has a policy or a ledger, by name."""
    known = {p.model: p for p in policies}
    if model:
        names = [model]
        if model not in known and not grounds.ledger.rows(model):
            raise UsageError(f'neither a policy nor a ledger is about model "{model}"', "check the name and --policy")
    else:
        names = sorted({*known, *grounds.ledger.models()})
    looks, once = _looks(grounds, [(name, known.get(name)) for name in names]), Once(grounds.registry)
    found: list[Drift] = []
    for some in chunks(looks, STRIDE):
        found += side_by_side(lambda look: _drift(grounds, look, once), some)
        if len(looks) > STRIDE:
            grounds.progress("models looked at", len(found), len(looks))
    return tuple(found)


def remember(grounds: Grounds, drift: Drift) -> Drift:
    """Records the findings, if the ledger's last word about them is another; that they are gone is recorded too.

    Where something could not be read, only what is new is: what was not seen need not be gone.
    """

    def build(rows: tuple[Row, ...]) -> Entry | None:
        was, now = _last(grounds, drift.model, rows), {f.key for f in drift.findings}
        return None if now == was or (drift.unread and now <= was) else _entry(grounds, drift)

    if not drift.findings and (drift.unread or drift.entry is None):
        return drift
    try:
        row = append_to(grounds.ledger, drift.model, build)
        rows = grounds.ledger.rows(drift.model) if row is None else ()
    except Undetermined as e:
        return replace(drift, unread=(*drift.unread, Unread(e.what, e.why, e.fix)))
    return replace(drift, entry=(row or _said(rows)) if drift.findings else row)


def _said(rows: Iterable[Row]) -> Row | None:
    """The entry that tells what was found last."""
    return max((r for r in rows if r.kind == "drift"), key=lambda r: r.n, default=None)


def _last(grounds: Grounds, model: str, rows: Iterable[Row]) -> set[tuple[str, int, str, str]]:
    """The findings that were recorded last; none, if their entry is gone."""
    row = _said(rows)
    entry = grounds.ledger.entry(model, row) if row else None
    found = entry.details.get("findings", []) if entry else []
    return {(f.get("code"), f.get("version") or 0, f.get("target") or "", f.get("sentence")) for f in found}


def _entry(grounds: Grounds, drift: Drift) -> Entry:
    return Entry(
        n=0,
        previous="",
        kind="drift",
        at=stamp(grounds.now()),
        actor=grounds.actor,
        model=drift.model,
        reason="drift",
        text="; ".join(f.sentence for f in drift.findings) or "nothing has drifted any more",
        details={"findings": plain(drift.findings), "unread": plain(drift.unread)},
        nonce=grounds.nonce(),
    )


# -- reading -----------------------------------------------------------------------------------------------------


def _looks(grounds: Grounds, wanted: Sequence[tuple[str, Policy | None]]) -> list[Look]:
    """Ledgers first, then the registry: each in as few requests as there can be."""
    indexes = grounds.ledger.indexes([name for name, _ in wanted])
    looks = side_by_side(lambda one: _targets(grounds, *one, indexes[one[0]]), wanted)
    homes = {look.name: [look.name, *(home(t, look.name) for t in look.targets)] for look in looks}
    models = grounds.registry.several(sorted({n for names in homes.values() for n in names}))
    return [replace(look, models={n: models[n] for n in homes[look.name] if n in models}) for look in looks]


def _targets(grounds: Grounds, model: str, policy: Policy | None, rows: tuple[Row, ...] | Undetermined) -> Look:
    """A model's ledger and its targets: those of the policy or, without one, those that the ledger remembers."""
    if policy is not None or isinstance(rows, Undetermined):
        return Look(model, policy, policy.targets if policy else (), rows)
    newest = {r.target: r for r in rows if r.kind in MOVED}
    telling = [rows[r.closes] if r.closes is not None and r.closes < len(rows) else r for r in newest.values()]
    try:
        return Look(model, None, targets_of(grounds.ledger.entries(model, telling)), rows)
    except (Undetermined, ValueError) as e:
        fix = f"Run gatewright audit verify {model}."
        why = Undetermined(f"the targets of {model}, which has no policy, could not be read", str(e), fix)
        return Look(model, None, (), why)


def _drift(grounds: Grounds, look: Look, once: Once) -> Drift:
    """Finds what has drifted of one model; what is found by comparing is looked at again."""
    for _ in range(LOOKS):
        found = _found(grounds, look, once)
        if not any(f.code in COMPARED for f in found.findings):
            return found
        (again,) = _looks(grounds, [(look.name, look.policy)])
        if again == look:
            return found
        look = again
    why = "the ledger or the registry changes while they are looked at"
    unread = Unread(f"whether {look.name} has drifted cannot be told", why, "Run the same command again.")
    return Drift(look.name, (), (unread,), look.policy is not None)


def _found(grounds: Grounds, look: Look, once: Once) -> Drift:
    unread: list[Unread] = []
    rows = None if isinstance(look.rows, Undetermined) else look.rows
    if isinstance(look.rows, Undetermined):
        unread.append(_unread(look.rows))
    try:
        lock = _lock(grounds, look)
    except Undetermined as e:
        lock, rows = None, None
        unread.append(_unread(e))
    stand = {
        (s.there.model, s.there.number): s.there for t in look.targets for s in standing(t, look.name, look.models)
    }
    kept = {key: _kept(grounds, version, once, unread) for key, version in stand.items()}
    seen = Seen(look.name, look.models, kept, lock, look.targets)
    findings = find(look.policy, seen, rows, grounds.now())
    return Drift(look.name, findings, tuple(unread), look.policy is not None, _said(look.read))


def _unread(error: Undetermined) -> Unread:
    return Unread(error.what, error.why, error.fix)


def _lock(grounds: Grounds, look: Look) -> Entry | None:
    """The intent of a run that died; Undetermined while its run may still be at work."""
    row = open_intent(look.read)
    if row is None:
        return None
    what, again = f"who holds what of {look.name} cannot be told", "Run the same command again when that has ended."
    entry = grounds.ledger.entry(look.name, row)
    if entry is None:
        fix = f"Run gatewright audit verify {look.name}."
        raise Undetermined(what, f"a move is under way, and entry {row.n}, which says what it is, is gone", fix)
    if entry.lease > stamp(grounds.now()):
        raise Undetermined(what, f"{entry.actor.login} moves v{entry.version} to {entry.target} right now", again)
    return entry


def _kept(grounds: Grounds, version: Version, once: Once, unread: list[Unread]) -> Kept:
    """How a version is kept, each part by itself: what cannot be read says so and hides nothing else."""
    reading = Reading("champion", version, once, grounds.now())
    found = Kept()
    for part in (_run, _files, _place):
        try:
            found = part(reading, found, grounds)
        except Undetermined as e:
            unread.append(Unread(f"how {version} is kept: {e.what}", e.why, e.fix))
    return found


def _run(reading: Reading, found: Kept, grounds: Grounds) -> Kept:
    if not reading.version.run_id:
        return found
    run = reading.run
    if run is None:
        return replace(found, run="gone")
    return replace(found, run="deleted" if run.deleted else None)


def _files(reading: Reading, found: Kept, grounds: Grounds) -> Kept:
    file = reading.mlmodel
    if file is None:
        return replace(found, files=False)
    if file.fault:
        fix = "Look at the file; if it is broken, promote another version."
        raise Undetermined(f"read the signature of {reading.name}", file.fault, fix)
    return replace(found, files=True, signed=file.fields.get("signature") is not None)


def _place(reading: Reading, found: Kept, grounds: Grounds) -> Kept:
    uri, _ = location(reading)
    alone = scheme(grounds.registry.address) in _PRIVATE
    return replace(found, place=public(uri) if uri and scheme(uri) == "file" and not alone else None)
