"""One experiment: what the ledger keeps of it, and how the registry shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from gatewright.canonical import canonical, plain
from gatewright.live.assignment import PARTS
from gatewright.live.judgement import Judgement
from gatewright.live.looks import Arm, Look
from gatewright.live.moments import Moments
from gatewright.live.sequential import TUNED_FOR
from gatewright.subject import Model, Step, Version

#: the alias of the version that is tried
ALIAS = "challenger"
#: tags of both versions while a split runs: the share in hundredths of a percent, and the salt of the assignment
WEIGHT = "gatewright.live.parts"
SALT = "gatewright.live.salt"


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment as the ledger knows it: who runs against whom, since when, and how it was planned.

    champion, challenger: version numbers of `model`. started: UTC. parts: the challenger's share in hundredths of a
    percent. salt: that of the assignment. tuned_for: see `sequential.mixture`.
    """

    model: str
    champion: int
    challenger: int
    started: datetime
    parts: int = 0
    salt: str = ""
    tuned_for: float = TUNED_FOR

    def elapsed(self, now: datetime) -> float:
        """Seconds since the start."""
        return (now - self.started).total_seconds()

    def details(self) -> dict[str, Any]:
        """What its ledger entry says of it."""
        return {**plain_trial(self), "started": self.started.isoformat()}


@dataclass(frozen=True, slots=True)
class Course:
    """A split as it stands, or stood when it was stopped. elapsed: seconds since its start; notes: for people."""

    trial: Trial
    looks: tuple[Look, ...]
    elapsed: float
    judgement: Judgement
    notes: tuple[str, ...] = ()


def plain_trial(trial: Trial) -> dict[str, Any]:
    """Its fields but the time, as they are written."""
    names = ("model", "champion", "challenger", "parts", "salt", "tuned_for")
    return {name: getattr(trial, name) for name in names}


def trial_of(details: Mapping[str, Any]) -> Trial:
    """The experiment that an entry tells of; ValueError where it does not."""
    try:
        started = datetime.fromisoformat(str(details["started"])).astimezone(timezone.utc)
        numbers = {k: int(details[k]) for k in ("champion", "challenger", "parts")}
        tuned = float(details["tuned_for"])
        return Trial(str(details["model"]), started=started, salt=str(details["salt"]), tuned_for=tuned, **numbers)
    except (KeyError, TypeError, ValueError) as e:
        raise ValueError(f"this entry tells of no experiment: {e}") from e


# -- what was seen, as it is kept --------------------------------------------------------------------------------


def written(looks: Sequence[Look], elapsed: float) -> bytes:
    """What was seen, as the ledger keeps it: whoever reads it comes to the same judgement, to the last digit."""
    return canonical({"schema": 1, "elapsed": elapsed, "looks": [plain(look) for look in looks]}).encode()


def read(content: bytes) -> tuple[tuple[Look, ...], float]:
    """The looks, and the seconds since the start, of what `written` wrote."""
    found = json.loads(content)
    looks = (
        Look(look["at"], _arm(look["champion"]), _arm(look["challenger"]), look["mixed"]) for look in found["looks"]
    )
    return tuple(looks), float(found["elapsed"])


def _arm(found: Mapping[str, Any]) -> Arm:
    return Arm(found["exposed"], {name: Moments(**m) for name, m in found["metrics"].items()})


# -- what the registry shows -------------------------------------------------------------------------------------


def next_label(models: Mapping[str, Model], name: str, trial: Trial | None) -> Step | None:
    """The one call that brings the registry nearer to what the ledger says; None where it says the same.

    models: the policy's own, which is called `name`, and those into which it is copied. trial: the one that runs, None
    if none does. As with a move, there is no plan to remember: whoever was interrupted is finished by asking again.
    """
    steps = (step for model in models.values() for step in _labels(model, name, trial))
    return next(steps, None)


def _labels(model: Model, name: str, trial: Trial | None) -> Iterator[Step]:
    # Tags before the alias when a split begins, and the alias before the tags when it ends: whoever sees the alias
    # sees its share. A copy took its tags along, and is no arm of anything.
    own = model.name == name
    told = labels(trial) if own and trial is not None else {}
    tried = model.aliases.get(ALIAS) if own else None
    if tried is not None and (trial is None or tried != trial.challenger):
        yield Step("unalias", model.name, tried, ALIAS)
    for version in model.versions:
        yield from _tags(version, told.get(version.number, {}))
    if own and trial is not None and tried != trial.challenger and model.version(trial.challenger) is not None:
        yield Step("alias", model.name, trial.challenger, ALIAS)


def _tags(version: Version, wanted: Mapping[str, str]) -> Iterator[Step]:
    for key in (SALT, WEIGHT):
        if key in version.tags and key not in wanted:
            yield Step("untag", version.model, version.number, "", key=key)
        elif key in wanted and version.tags.get(key) != wanted[key]:
            yield Step("tag", version.model, version.number, wanted[key], key=key)


def labels(trial: Trial) -> dict[int, dict[str, str]]:
    """Version → the tags that it has while the split runs."""
    shares = {trial.champion: PARTS - trial.parts, trial.challenger: trial.parts}
    return {number: {WEIGHT: str(parts), SALT: trial.salt} for number, parts in shares.items()}


def shown(model: Model | None) -> dict[str, Any]:
    """What the registry shows of a split, for the ledger."""
    if model is None:
        return {}
    tagged = {str(v.number): v.tags[WEIGHT] for v in model.versions if WEIGHT in v.tags}
    return {"model": model.name, "alias": {ALIAS: model.aliases.get(ALIAS)}, "parts": tagged}
