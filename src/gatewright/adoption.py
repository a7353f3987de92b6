"""Taking what is there under the gate: who holds each target is recorded as the registry shows it; nothing moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gatewright import ladder
from gatewright.canonical import plain
from gatewright.case import Gate, read, survey
from gatewright.decision import Decision, Reason
from gatewright.drift import Adoption, Taken, recorded, shared, standing
from gatewright.ledger.entry import MOVED, Entry, Row, open_intent
from gatewright.measure.quoting import storable
from gatewright.move import settle
from gatewright.policy.model import Target
from gatewright.problem import Undetermined, UsageError
from gatewright.record import TRIES, stamp


def adopt(gate: Gate, why: str = "") -> Adoption:
    """Records who holds each target where the ledger has nobody or somebody else; the latter owes a reason.

    Raises Undetermined where a target has two holders: somebody has to say first who is meant.
    """
    why, notes = storable(why), settle(gate)
    written: list[Row] = []
    for _ in range(TRIES):
        ended = _try(gate, why, written)
        if ended is not None:
            return replace(ended, notes=notes)
    raise Undetermined(
        f"who holds what of {gate.policy.model} could not be recorded",
        "others write to its ledger all the time",
        "Run the same command again.",
    )


def _try(gate: Gate, why: str, written: list[Row]) -> Adoption | None:
    """One attempt; None if somebody wrote to the ledger meanwhile, so that what was read may be old.

    written: gains the entries that this and earlier attempts have appended.
    """
    model = gate.policy.model
    rows = gate.ledger.rows(model)
    if open_intent(rows) is not None:
        return Adoption(Decision("error", Reason.LOCK_HELD), model, why=why)
    models = _models(gate)
    taken = tuple(differences(gate.policy.targets, model, models, rows))
    known = [t.target for t in taken if any(r.target == t.target and r.kind in MOVED for r in rows)]
    if not taken and not written:
        return Adoption(Decision("noop", Reason.ALREADY_PROMOTED, "the ledger has who holds what"), model, why=why)
    if known and not why and not written:
        named = ", ".join(dict.fromkeys(known))
        return Adoption(Decision("refused", Reason.REASON_OWED, f"the ledger has another in {named}"), model, taken)
    if not _write(gate, taken, models, rows, why, written):
        return None
    return Adoption(Decision("adopted", Reason.ADOPTED), model, taken, tuple(written), why)


def _models(gate: Gate) -> ladder.Models:
    """The registry, in which each target must have one holder at most."""
    for target in gate.policy.targets:
        survey(gate, target)
    models = read(gate, *gate.policy.targets)
    if gate.policy.model not in models:
        hint = "check the name, and --tracking-uri or MLFLOW_TRACKING_URI"
        text = f'{gate.registry.address} has no registered model "{gate.policy.model}"'
        raise UsageError(text, hint, "wrong_version")
    return models


def differences(targets: Sequence[Target], model: str, models: ladder.Models, rows: Sequence[Row]) -> Iterator[Taken]:
    """What the ledger has to take down so that it agrees with the registry, the highest target first.

    A version that enters a stage leaves that of another target, in the ledger's reckoning too: so what a higher
    target takes, a lower one need not give up in words of its own.
    """
    said = list(rows)
    for target in reversed(targets):
        now = [s.number for s in standing(target, model, models)]
        if None in now:
            raise Undetermined(
                f"who holds {target.name} of {model} cannot be told",
                f"{ladder.home(target, model)} holds a version that is no copy of a version of {model}",
                f"Register it as a version of {model} and promote that, or delete the copy.",
            )
        was = recorded(targets, model, said).get(target.name)
        for taken in _taken(target, [n for n in now if n is not None], was):
            said.append(_as_row(taken))
            yield taken


def _taken(target: Target, now: Sequence[int], was: Mapping[int, Row] | None) -> Iterator[Taken]:
    """Where the target has lost somebody it is emptied first; whoever is in it then, and was not, is named."""
    before = tuple(was or ())
    held = before if shared(target) else before[-1:]
    if was is None and not now:
        return
    gone = [v for v in held if v not in now]
    if gone and (shared(target) or not now):
        yield Taken(target.name, None, before)
        held = ()
    turned = bool(target.alias) and bool(now) and bool(held) and held[-1] != now[-1]
    for version in now:
        if version not in held or (turned and version == now[-1]):
            yield Taken(target.name, version, before)


def _as_row(taken: Taken) -> Row:
    return Row(0, "", "adopted", taken.version, taken.target)


def _write(
    gate: Gate, taken: Sequence[Taken], models: ladder.Models, rows: tuple[Row, ...], why: str, written: list[Row]
) -> bool:
    """One entry for each, right behind what was read or its own predecessor; False if another came between."""
    last = rows[-1:]
    for one in taken:
        row = gate.ledger.append(_entry(gate, one, models, last, why), {})
        if row is None:
            return False
        written.append(row)
        last = (row,)
    return True


def _entry(gate: Gate, taken: Taken, models: ladder.Models, last: Sequence[Row], why: str) -> Entry:
    model, target = gate.policy.model, gate.policy.target(taken.target)
    assert target is not None
    return Entry(
        n=last[-1].n + 1 if last else 1,
        previous=last[-1].digest if last else "",
        kind="adopted",
        at=stamp(gate.now()),
        actor=gate.actor,
        model=model,
        version=taken.version,
        target=taken.target,
        reason=str(Reason.ADOPTED),
        text=why,
        policy_digest=gate.policy.digest(target),
        before={"versions": list(taken.was)},
        after=_shown(target, model, models),
        replaces=taken.was[-1] if taken.was and taken.was[-1] != taken.version else None,
        details={"target": ladder.way(target)},
        nonce=gate.nonce(),
    )


def _shown(target: Target, model: str, models: ladder.Models) -> dict[str, Any]:
    """What the registry shows of the target's home: the stages and aliases, as far as there are any."""
    where = models.get(ladder.home(target, model))
    if where is None:
        return {"model": ladder.home(target, model)}
    stages = {str(v.number): v.stage for v in where.versions if v.stage != "None"}
    return {"model": where.name, "stages": stages, "aliases": plain(where.aliases)}
