"""The facts that checks read: gathered once, frozen, with one digest for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gatewright.canonical import digest_of, plain
from gatewright.paths import Path
from gatewright.policy.model import Aggregate, Champion, Check
from gatewright.quantity import Interval

Scalar = float | int | str | bool
Who = Literal["candidate", "champion", "pair"]
State = Literal["known", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class Need:
    """What one check wants to know: a path, perhaps by the slices of a column, perhaps against the champion.

    factor: the pair statistic is candidate − factor × champion; None if the champion is not asked for.
    level: the confidence of the bounds that are wanted (0.95); None for plain values. With `column` the collector
    adds the bounds that Holm's correction over the deciding slices asks for (see statistics.holm_levels).
    """

    path: Path
    column: str | None = None
    aggregate: Aggregate | None = None
    factor: float | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured value, or why there is none.

    who: the candidate, the champion, or for `pair` the statistic candidate − factor × champion on the same rows.
    state: `missing` was looked for and is not there; `unreadable` could not be looked for, or is not a number.
    column, slice: which slice of the data, None for all of it. decides: false for a slice too small to decide.
    aggregate: `gap by` or `ratio by` where the value sums up a column's slices.
    intervals: bounds, one interval a level. source: where it was read. at: when that was written, ms since 1970.
    stands_for: what the digest covers where the value itself moves with the clock (an age stands for a date).
    """

    who: Who
    path: Path
    state: State
    value: Scalar | None = None
    why: str = ""
    source: str = ""
    at: int | None = None
    n: int | None = None
    intervals: tuple[Interval, ...] = ()
    factor: float | None = None
    column: str | None = None
    slice: str | None = None
    aggregate: Aggregate | None = None
    decides: bool = True
    stands_for: Scalar | None = None

    def bounds(self, level: float) -> Interval | None:
        """The interval at a confidence level, if it was asked for."""
        return next((i for i in self.intervals if abs(i.level - level) < 1e-12), None)

    def identity(self) -> dict[str, object]:
        """What the digest covers: everything but the clock and the wording."""
        lasting = replace(self, at=None, why="", value=self.value if self.stands_for is None else self.stands_for)
        return {k: v for k, v in plain(lasting).items() if v is not None and v != ""}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found out for one candidate and target.

    subject: what was judged (model, version, run, source, model id, artifact digest, target, champion).
    policy_digest: the rules that asked. notes: remarks for people, outside the digest (sandbox layers, noise).
    """

    subject: Mapping[str, Scalar | None]
    policy_digest: str
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """The sha256 that approvals bind to: same evidence, same digest, whenever and wherever it was read."""
        facts = sorted((f.identity() for f in self.facts), key=digest_of)
        return digest_of({"schema": 1, "subject": self.subject, "policy": self.policy_digest, "facts": facts})

    @property
    def against_itself(self) -> bool:
        """Whether the champion is the candidate: comparing the two would prove nothing."""
        rival = (self.subject.get("champion_model", self.subject.get("model")), self.subject.get("champion"))
        return rival == (self.subject.get("model"), self.subject.get("version"))

    def one(
        self,
        who: Who,
        path: Path,
        *,
        factor: float | None = None,
        column: str | None = None,
        aggregate: Aggregate | None = None,
    ) -> Fact | None:
        """The fact over all rows, or the one that sums up a column's slices."""
        wanted = (who, path, factor, column, aggregate)
        return next((f for f in self.facts if f.slice is None and _key(f) == wanted), None)

    def slices(self, who: Who, path: Path, column: str, *, factor: float | None = None) -> tuple[Fact, ...]:
        """The facts of every slice of a column, in the order they were gathered."""
        wanted = (who, path, factor, column, None)
        return tuple(f for f in self.facts if f.slice is not None and _key(f) == wanted)


def _key(fact: Fact) -> tuple[Who, Path, float | None, str | None, Aggregate | None]:
    return (fact.who, fact.path, fact.factor, fact.column, fact.aggregate)


def needs(checks: Iterable[Check]) -> tuple[Need, ...]:
    """What a list of checks asks for, each thing once, in their order."""
    asked = (
        Need(
            c.path,
            c.column,
            c.aggregate,
            float(c.operand.factor) if isinstance(c.operand, Champion) else None,
            None if c.level is None else float(c.level),
        )
        for c in checks
    )
    return tuple(dict.fromkeys(asked))
