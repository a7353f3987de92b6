"""Whether an experiment can end in a decision at all, and when it may be expected to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from gatewright.live.judgement import FEWEST, bounds
from gatewright.live.looks import DAY, Look, look_times
from gatewright.live.moments import Moments
from gatewright.live.sequential import TUNED_FOR, critical_values, mixture, one_sided, units_until
from gatewright.policy.model import Live
from gatewright.quantity import show

#: how surely a plan must find the effect that it is made for
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known before the start; None is unknown.

    units_a_day: new units of both arms together. deviation: the standard deviation of one unit's primary outcome, as
    the champion's history shows it.
    """

    units_a_day: float | None = None
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """refusals: why it cannot finish, each a sentence with a remedy; () if it can, as far as is known.

    units: of both arms, until the effect is found with a power of 80 %; seconds: until then, at the expected traffic.
    tuned_for: where the confidence sequence is to be narrowest.
    """

    refusals: tuple[str, ...]
    units: float | None = None
    seconds: float | None = None
    tuned_for: float = TUNED_FOR


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a running experiment decides if its primary goes on as it did; infinite where it would not.

    units: of both arms, in all. seconds: since the start.
    """

    units: float
    seconds: float


def deviation_of(history: Moments) -> float | None:
    """The standard deviation of one unit's outcome; None where the history tells none."""
    squared = history.variance * history.units
    return math.sqrt(squared) if math.isfinite(squared) and squared > 0 else None


def plan(live: Live, expected: Expected) -> Plan:
    """Refuses what the traffic cannot decide by `max_runtime`; what no traffic could, the policy's reader refuses."""
    effect = float(live.primary.effect if live.primary.require == "superior" else live.primary.margin) or None
    counted = float(live.max_runtime) - float(live.label_maturity)
    obtained = None if expected.units_a_day is None else expected.units_a_day * max(counted, 0) / DAY
    needed = _needed(live, expected.deviation, effect, obtained)
    found = (_too_little(live, obtained), _too_fine(live, needed, obtained, effect))
    seconds = None
    if needed is not None and expected.units_a_day:
        seconds = needed / expected.units_a_day * DAY + float(live.label_maturity)
        seconds = max(seconds, float(live.min_runtime) + float(live.label_maturity))
    tuned = min((u for u in (needed, obtained) if u and math.isfinite(u)), default=TUNED_FOR)
    return Plan(tuple(filter(None, found)), needed, seconds, max(tuned, 2 * FEWEST))


def forecast(live: Live, looks: Sequence[Look], elapsed: float, tuned_for: float = TUNED_FOR) -> Forecast | None:
    """When the primary's bound would leave what it is held against; None while there are no bounds."""
    found = bounds(live, live.primary, looks, tuned_for)
    counted = elapsed - float(live.label_maturity)
    if found is None or counted <= 0:
        return None
    better = found.difference.value if live.primary.better == "higher" else -found.difference.value
    pace = found.difference.units / counted
    units = _until(live, found.difference.spread, abs(better + found.margin), 0.0, tuned_for, pace)
    seconds = max(units / pace + float(live.label_maturity), elapsed)
    if better > -found.margin:
        seconds = max(seconds, float(live.min_runtime) + float(live.label_maturity))
    return Forecast(units, seconds)


# -- units that it takes -----------------------------------------------------------------------------------------


def _needed(live: Live, deviation: float | None, effect: float | None, obtained: float | None) -> float | None:
    if deviation is None or effect is None:
        return None
    spread = deviation * math.sqrt(sum(1 / float(share) for share in live.split.values()))
    pace = None if obtained is None else obtained / float(live.max_runtime)
    # Tuned to where it will be read, which in turn is where it was tuned for: two rounds settle it.
    units, tuned = math.inf, float(TUNED_FOR)
    for _ in range(3):
        units = _until(live, spread, effect, NormalDist().inv_cdf(POWER), tuned, pace)
        tuned = min(max(units, 2.0 * FEWEST), 1e12)
    return units


def _until(live: Live, spread: float, distance: float, reserve: float, tuned: float, pace: float | None) -> float:
    """The units at which bounds reach no farther than `distance`, with `reserve` standard errors to spare."""
    risk, rho = float(live.alpha) / 2, mixture(float(live.alpha), tuned)

    def sequence(units: float) -> float:
        return one_sided(spread / math.sqrt(units), units, risk, rho) + reserve * spread / math.sqrt(units)

    if live.method == "always_valid":
        return units_until(sequence, distance)
    times = look_times(live, float(live.max_runtime))
    shares = [t / times[-1] for t in times]
    values = critical_values(risk, shares, shares)
    if pace is None:
        return units_until(lambda units: (values[-1] + reserve) * spread / math.sqrt(units), distance)
    reached = (
        pace * t for t, v in zip(times, values, strict=True) if _width(spread, pace * t, v + reserve) <= distance
    )
    return next(reached, math.inf)


def _width(spread: float, units: float, errors: float) -> float:
    return errors * spread / math.sqrt(units) if units > 0 else math.inf


# -- why not -----------------------------------------------------------------------------------------------------


def _too_little(live: Live, obtained: float | None) -> str:
    if obtained is None:
        return ""
    arm = min(live.split, key=lambda a: live.split[a])
    need, had = max(live.min_units, FEWEST), obtained * float(live.split[arm])
    if had >= need:
        return ""
    return (
        f"the {arm} would see {show(math.floor(had))} units with an outcome before it ends, and needs {show(need)}: "
        "give it a larger share or a longer max_runtime"
    )


def _too_fine(live: Live, needed: float | None, obtained: float | None, effect: float | None) -> str:
    if needed is None or obtained is None or effect is None or needed <= obtained:
        return ""
    wanted = show(math.ceil(needed)) if math.isfinite(needed) else "more than there will be"
    return (
        f"to find a difference of {show(effect)} in {live.primary.name} takes {wanted} units, and "
        f"{show(math.floor(obtained))} are expected before it ends: ask for less, share more evenly, or allow more time"
    )
