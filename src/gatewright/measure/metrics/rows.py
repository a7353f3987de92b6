"""What metrics are fed with, and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gatewright.statistics import Bounds, Floats, Ints

#: Rows, or units, are dealt into so many groups by a hash of their key; a group is a sampling unit of variances.
GROUPS = 1024


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's predictions of n rows, None where it has none of a kind.

    codes: (n,) classes. scores: (n,) of the positive class, or (n, K). values: (n,) of a regression.
    """

    codes: Ints | None = None
    scores: Floats | None = None
    values: Floats | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch in numbers. models: the candidate, then the champion where there is one.

    codes: (n,) true classes; values: (n,) truth of a regression. slices: column → (n,) codes, below `sizes[column]`.
    groups: (n,) below GROUPS. keys: (n,) random 64 bits of each row.
    """

    models: tuple[Answers, ...]
    groups: Ints
    keys: Any
    codes: Ints | None = None
    values: Floats | None = None
    slices: Mapping[str, Ints] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric by slice, or of all rows where there is one "slice".

    value: (S,), NaN where `why` tells. bounds: from a level to (S,) lower and upper bounds; None for a metric that
    has none. method: how they are computed. n: (S,) rows that the value was computed from.
    """

    value: Floats
    why: str
    method: str = ""
    bounds: Callable[[float], Bounds] | None = None


class State(Protocol):
    """What a family of metrics keeps of the rows it has seen. `column` None means all rows."""

    def update(self, rows: Rows) -> None:
        """Takes in a batch."""

    def merge(self, other: Any, ids: Mapping[str, Ints]) -> None:
        """Takes in what another state has seen; ids: column → this state's code for each slice code of the other."""

    def one(self, metric: str, model: int, column: str | None) -> Estimate:
        """The metric of one model: 0 the candidate, 1 the champion."""

    def pair(self, metric: str, factor: float, column: str | None) -> Estimate:
        """The statistic candidate − factor · champion, on the same rows."""
