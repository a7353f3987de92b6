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
from gatewright.subject import Model, Step

#: the alias of the version that is tried, and the tag that tells each arm's share, in hundredths of a percent
ALIAS = "challenger"
WEIGHT = "gatewright.live.parts"


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


def next_label(model: Model, trial: Trial | None) -> Step | None:
    """The one call that brings the registry nearer to what the ledger says; None where it says the same.

    trial: the one that runs, None if none does. As with a move, there is no plan to remember: whoever was interrupted
    is finished by asking again.
    """
    return next(_labels(model, trial), None)


def _labels(model: Model, trial: Trial | None) -> Iterator[Step]:
    shares = {} if trial is None else {trial.challenger: trial.parts, trial.champion: PARTS - trial.parts}
    # Weights before the alias when it begins, and the alias before the weights when it ends: whoever sees the alias
    # sees its share.
    ending = model.aliases.get(ALIAS)
    if ending is not None and (trial is None or ending != trial.challenger):
        yield Step("unalias", model.name, ending, ALIAS)
    for version in model.versions:
        wanted = str(shares[version.number]) if version.number in shares else "0"
        if version.tags.get(WEIGHT, "0") != wanted:
            yield Step("tag", model.name, version.number, wanted, key=WEIGHT)
    if trial is not None and ending != trial.challenger:
        yield Step("alias", model.name, trial.challenger, ALIAS)
