"""What is kept of an arm's outcomes: sums over units, which add up over days, files and processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

#: what is left of sums of squares that is no more than their rounding, as a share of them
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the units of one arm, for one metric. The unit is what traffic is split by, so it is what counts.

    y: a unit's outcome, summed over its rows. x: what it is counted per: the number of its rows, or the sum of the
    column that the policy's `per` names. The metric is Σy/Σx. A metric with one row a unit has x = 1 throughout.
    events: units whose outcome is not zero.
    """

    units: float = 0.0
    y: float = 0.0
    yy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    events: float = 0.0

    @classmethod
    def of_proportion(cls, successes: float, units: float) -> Moments:
        """Those of units that succeed or do not."""
        return cls(units, successes, successes, units, units, successes, successes)

    @classmethod
    def of_values(cls, units: float, total: float, squares: float, events: float | None = None) -> Moments:
        """Those of units with one value each: their count, sum and sum of squares; events: how many are not zero."""
        return cls(units, total, squares, units, units, total, units if events is None else events)

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def are_flags(self) -> bool:
        """Whether each unit's outcome is 0 or 1: its square is itself."""
        return self.y == self.yy == self.events and self.units == self.x == self.xx

    @property
    def tells(self) -> float:
        """How many units tell anything: of flags the rarer kind, else those that are not zero."""
        return min(self.events, self.units - self.events) if self.are_flags else self.events

    @property
    def value(self) -> float:
        """The metric: Σy/Σx, NaN where there is nothing to divide by."""
        return self.y / self.x if self.x > 0 else math.nan

    @property
    def variance(self) -> float:
        """The variance of `value`; NaN below two units.

        The delta method on means by unit: (s_yy − 2 r s_xy + r² s_xx)/(n x̄²) with r = Σy/Σx. With x = 1 it is Welch's
        s²/n, for a proportion p(1 − p)/(n − 1). Rows of one unit may depend on each other as they like.
        A. Deng, U. Knoblich, J. Lu (2018), Applying the delta method in metric analytics, KDD, 233–242;
        B. L. Welch (1938), Biometrika 29, 350–362.
        """
        n, r = self.units, self.value
        if n < 2 or math.isnan(r):
            return math.nan
        # Σ(y − r x) is zero by the choice of r, so that its sum of squares is the deviations' already.
        squares = self.yy - 2 * r * self.xy + r * r * self.xx
        return (squares if squares > _ROUNDING * self.yy else 0.0) * n / (n - 1) / self.x**2


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger minus champion, as measured. error: its standard error. units: those of both arms."""

    value: float
    error: float
    units: float

    @property
    def spread(self) -> float:
        """The standard error that one unit would leave: error · √units, which does not change with traffic."""
        return self.error * math.sqrt(self.units)


def difference(challenger: Moments, champion: Moments, factor: float = 1.0) -> Difference:
    """Challenger − factor · champion, of independent arms: variances add up (Welch: no common one is assumed).

    Of arms that do not vary but differ, as where one always fails and the other never, the variance is that of both as
    one sample: Welch's would be zero, and no test could tell them apart.
    """
    value, both = challenger.value - factor * champion.value, challenger + champion
    squared = challenger.variance + factor**2 * champion.variance
    if squared == 0 and not math.isclose(challenger.value, champion.value, rel_tol=_ROUNDING):
        squared = both.variance * both.units * (1 / challenger.units + factor**2 / champion.units)
    return Difference(value, math.sqrt(squared), both.units)
