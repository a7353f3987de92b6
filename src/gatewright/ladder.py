"""Who holds a target, and the next step that brings a version there: pure functions of what the registry shows.

Nothing here remembers a plan. A move is: ask for the next step, perform it, read the registry again, until no step is
left. So an interrupted move is finished by the very code that began it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatewright.policy.model import Place, Target
from gatewright.subject import Model, Step, Version

#: registered models by name; a name that is absent was looked for and not found
Models = Mapping[str, Model]

#: under which a version that was taken back from a target says so; the target's name follows
MARK = "gatewright.rolled_back."

_COPIED_FROM = re.compile(r"models:/(?P<model>[^/@]+)/(?P<version>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a target now.

    version: the holder where it lives (the copy, for `copy_to`), None if there is none. number: its number in the
    policy's own model, None if that is not known. conflict: why no single holder can be named, "" if one can.
    """

    version: Version | None = None
    number: int | None = None
    conflict: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The version that a rollback takes a target from, where it lives, and what its tag is to say.

    alone: nobody comes in its place; it is archived, and that is all.
    """

    model: str
    version: int
    mark: str
    alone: bool = False


def home(target: Target, model: str) -> str:
    """The registered model in which the target's stage and alias live."""
    return target.copy_to or model


def holding(target: Target, model: str, models: Models) -> Holding:
    """Reads the holder from alias and stage; they must agree, and where one holder is meant there must be one."""
    where = models.get(home(target, model))
    if where is None or not where.versions:
        return Holding()
    staged = where.staged(target.stage) if target.stage else ()
    pointed = where.version(where.aliases.get(target.alias, -1)) if target.alias else None
    conflict = _conflict(target, where, staged, pointed)
    if conflict:
        return Holding(conflict=conflict)
    by_copy_alone = not (target.stage or target.alias)
    holder = where.versions[-1] if by_copy_alone else pointed or (staged[-1] if staged else None)
    return Holding(holder, None if holder is None else number_in(model, holder))


def _conflict(target: Target, where: Model, staged: tuple[Version, ...], pointed: Version | None) -> str:
    numbers = " and ".join(f"v{v.number}" for v in staged)
    if target.stage and target.archive_existing and len(staged) > 1:
        return f"{numbers} of {where.name} are all in stage {target.stage}, where one is meant"
    if pointed and staged and pointed not in staged:
        return f"alias {target.alias} of {where.name} names v{pointed.number}, but stage {target.stage} holds {numbers}"
    return ""


def number_in(model: str, version: Version) -> int | None:
    """The number that a version, or the version it was copied from, has in `model`."""
    if version.model == model:
        return version.number
    match = _COPIED_FROM.fullmatch(version.source)
    return int(match["version"]) if match and match["model"] == model else None


def next_step(target: Target, candidate: Version, models: Models, leaving: Leaving | None = None) -> Step | None:
    """The one call that brings `candidate` nearer to the target; None when it holds the target.

    With `leaving`, a rollback: then that version is archived, if it still shares the stage, and marked. With one that
    leaves alone, nobody arrives.
    """
    if leaving is not None and leaving.alone:
        return _archive(target, models, leaving)
    place = _copy_of(target, candidate, models) if target.copy_to else candidate
    if place is None:
        return Step("copy", candidate.model, candidate.number, target.copy_to)
    return _arrive(target, place, models) or (None if leaving is None else _leave(target, place, models, leaving))


def _arrive(target: Target, place: Version, models: Models) -> Step | None:
    where = models[place.model]
    place = where.version(place.number) or place
    if target.stage and not _staged_well(target, place, where):
        return Step("stage", place.model, place.number, target.stage, target.archive_existing)
    if target.alias and where.aliases.get(target.alias) != place.number:
        return Step("alias", place.model, place.number, target.alias)
    return None


def _leave(target: Target, place: Version, models: Models, leaving: Leaving) -> Step | None:
    """What is still to be done about the version that was taken back; nothing, if somebody deleted it."""
    where = models.get(leaving.model)
    faulty = where.version(leaving.version) if where else None
    if where is None or faulty is None:
        return None
    for version in where.staged(target.stage) if target.stage else ():
        # In a shared stage without an alias the newest is the holder, so whatever is newer has to go as well.
        newest_holds = not target.alias and version.number > place.number
        if version.number != place.number and (version.number == faulty.number or newest_holds):
            return Step("stage", leaving.model, version.number, "Archived")
    if faulty.tags.get(MARK + target.name) == leaving.mark:
        return None
    return Step("tag", leaving.model, faulty.number, leaving.mark, key=MARK + target.name)


def _archive(target: Target, models: Models, leaving: Leaving) -> Step | None:
    where = models.get(leaving.model)
    version = where.version(leaving.version) if where else None
    there = version is not None and _in(target, version)
    return Step("stage", leaving.model, leaving.version, "Archived") if there else None


def _copy_of(target: Target, candidate: Version, models: Models) -> Version | None:
    """The copy that may serve: any, if a stage or alias tells it apart; else only the newest version of all."""
    where = models.get(target.copy_to)
    versions = where.versions if where else ()
    if not (target.stage or target.alias):
        versions = versions[-1:]
    copies = [v for v in versions if number_in(candidate.model, v) == candidate.number]
    return copies[-1] if copies else None


def _staged_well(target: Target, place: Version, where: Model) -> bool:
    staged = where.staged(target.stage)
    alone = len(staged) == 1 or not target.archive_existing
    return any(v.number == place.number for v in staged) and alone


def holds(target: Target, version: Version, models: Models) -> bool:
    """Whether nothing is left to do for `version` to hold the target."""
    return next_step(target, version, models) is None


def loses(target: Target, candidate: Version, models: Models, targets: Sequence[Target]) -> str:
    """The higher target whose stage `candidate` would leave by entering this one's, "" if there is none.

    A version has one stage. targets: the whole ladder.
    """
    where = models.get(home(target, candidate.model))
    place = _copy_of(target, candidate, models) if target.copy_to else candidate
    there = where.version(place.number) if where and place else None
    above = targets[[t.name for t in targets].index(target.name) + 1 :] if target.stage and there else ()
    lost = (t.name for t in above if there and t.stage and home(t, candidate.model) == there.model and _in(t, there))
    return next(lost, "")


def _in(target: Target, version: Version) -> bool:
    return version.stage.lower() == target.stage.lower()


def plan(
    target: Target, candidate: Version, models: Models, leaving: Leaving | None = None
) -> Iterator[tuple[Step, Models]]:
    """Every step still to do, each with the registry as it will show after it."""
    while (step := next_step(target, candidate, models, leaving)) is not None:
        models = perform(step, models)
        yield step, models


def perform(step: Step, models: Models) -> Models:
    """What the registry shows after a step."""
    where = models[step.model]
    if step.kind == "alias":
        return {**models, step.model: replace(where, aliases={**where.aliases, step.value: step.version})}
    if step.kind == "stage":
        versions = tuple(_restaged(step, v) for v in where.versions)
        return {**models, step.model: replace(where, versions=versions)}
    if step.kind == "unalias":
        others = {a: n for a, n in where.aliases.items() if (a, n) != (step.value, step.version)}
        return {**models, step.model: replace(where, aliases=others)}
    if step.kind in ("tag", "untag"):
        versions = tuple(_tagged(step, v) for v in where.versions)
        return {**models, step.model: replace(where, versions=versions)}
    destination = models.get(step.value) or Model(step.value)
    original = where.version(step.version)
    if original is None:
        raise ValueError(f"{step.model}/{step.version} is not there to be copied")
    number = destination.versions[-1].number + 1 if destination.versions else 1
    copy = replace(original, model=step.value, number=number, stage="None", source=step.source)
    return {**models, step.value: replace(destination, versions=(*destination.versions, copy))}


def _restaged(step: Step, version: Version) -> Version:
    if version.number == step.version:
        return replace(version, stage=step.value)
    if step.archive and version.stage.lower() == step.value.lower():
        return replace(version, stage="Archived")
    return version


def _tagged(step: Step, version: Version) -> Version:
    if version.number != step.version:
        return version
    others = {key: value for key, value in version.tags.items() if key != step.key}
    return replace(version, tags=others if step.kind == "untag" else {**others, step.key: step.value})


def snapshot(target: Target, candidate: Version, models: Models) -> dict[str, Any]:
    """What the registry shows of a target, for the ledger: who is in the stage, where the alias points.

    Numbers are those of the target's home model; `candidate` is the candidate's own stage.
    """
    where = models.get(home(target, candidate.model))
    seen: dict[str, Any] = {"model": home(target, candidate.model)}
    own = models[candidate.model].version(candidate.number)
    seen["candidate"] = {"version": candidate.number, "stage": own.stage if own else "gone"}
    if target.stage:
        seen["stage"] = {target.stage: [v.number for v in where.staged(target.stage)] if where else []}
    if target.alias:
        seen["alias"] = {target.alias: where.aliases.get(target.alias) if where else None}
    if target.copy_to:
        newest = where.versions[-1] if where and where.versions else None
        seen["newest"] = {"version": newest.number, "source": newest.source} if newest else None
    return seen


def way(target: Target) -> dict[str, Any]:
    """How a target is held, for the ledger to remember."""
    return {key: getattr(target, key) for key in _WAY}


def remembered(way: Mapping[str, Any], entry: int) -> Target:
    """The target that an entry remembers, whatever the policy says now; raises ValueError if it is none."""
    told = {key: way[key] for key in _WAY if key in way}
    if not told.get("name") or any(type(told[key]) is not kind for key, kind in _WAY.items() if key in told):
        raise ValueError(f"entry {entry} does not say what its target was")
    return Target(checks=(), place=Place("ledger", entry, 1), **told)


_WAY: Mapping[str, type] = {"name": str, "stage": str, "archive_existing": bool, "alias": str, "copy_to": str}
