"""What an experiment has come to: a pure function of its policy and of the outcomes so far.

The order of questions is fixed. Does the split hold? If not, nothing of the outcomes is shown: they compare different
people. Is anything clearly worse? That may end it at once. Is the challenger shown to be better, and has a full cycle
passed? Has the time run out? Else it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from gatewright.live.looks import Look
from gatewright.live.moments import Difference, Moments, difference
from gatewright.live.sequential import (
    LEAST_NEWS,
    TUNED_FOR,
    critical_values,
    holm,
    mixture,
    one_sided,
    sample_ratio_p,
)
from gatewright.policy.model import Live, LiveMetric
from gatewright.quantity import Interval, show

State = Literal["running", "superior", "harm", "timed_out", "invalid"]
Standing = Literal["better", "within", "worse", "open", "unknown"]

#: below this the split is not what it was meant to be; so rare by chance that nobody has to wonder
MISMATCH = 0.001

#: more than this share of the units seen in both arms, and the router does not hold units to one
MOST_MIXED = 0.01

#: an asymptotic bound needs at least so many units in each arm,
FEWEST = 100
#: and of those whose outcome is not zero as many are to be expected in the smaller arm: of flags, of any other values.
#: With fewer, the smaller arm's own variance is too uncertain: 1 % buyers, 10 % of the traffic and 100 units make two
#: equal versions differ in 16 of 100 months.
FEWEST_FLAGS, FEWEST_VALUES = 25, 100


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric: both arms' values, and their difference with bounds that hold at every look.

    difference: challenger − champion, as measured, whatever is better. interval: each bound at its own one-sided level.
    standing: the challenger is better; not worse by more than the margin; worse; not known yet; or not measured.
    """

    metric: LiveMetric
    champion: float
    challenger: float
    difference: Difference
    interval: Interval
    standing: Standing
    because: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the experiment has come to. effects: empty where the sample ratio forbids to look at any.

    ratio_p: how well the arms fit the split; ready: whether there is enough to decide by.
    """

    state: State
    because: str
    champion_units: float
    challenger_units: float
    ratio_p: float
    effects: tuple[Effect, ...] = ()
    mixed: float = 0

    @property
    def over(self) -> bool:
        return self.state != "running"


def judge(live: Live, looks: Sequence[Look], elapsed: float, tuned_for: float = TUNED_FOR) -> Judgement:
    """The state of an experiment that began `elapsed` seconds ago.

    looks: at the times of `look_times`, ascending; a confidence sequence is read off the last one alone. tuned_for: the
    units at which its bounds are to be narrowest, fixed when the experiment starts.
    """
    now = looks[-1] if looks else Look(0.0)
    found = Judgement("running", "", now.champion.exposed, now.challenger.exposed, _ratio_p(live, now), mixed=now.mixed)
    spoiled = _spoiled(live, now, found.ratio_p)
    if spoiled:
        return replace(found, state="invalid", because=spoiled)
    every = [bounds(live, m, looks, tuned_for) for m in live.metrics]
    harmed = _harmed(live, every)
    effects = tuple(
        _effect(live, m, now, b, i in harmed) for i, (m, b) in enumerate(zip(live.metrics, every, strict=True))
    )
    undecided = [e.because for e, b in zip(effects, every, strict=True) if b is None or not _suffices(live, b)]
    state, because = _state(live, effects, undecided, elapsed)
    return replace(found, state=state, because=because, effects=effects)


def course(live: Live, looks: Sequence[Look], tuned_for: float = TUNED_FOR) -> tuple[Judgement, ...]:
    """How it stood at every look: what a picture of both arms over time shows."""
    return tuple(judge(live, looks[: k + 1], look.at, tuned_for) for k, look in enumerate(looks))


# -- is it a fair comparison at all? -----------------------------------------------------------------------------


def _ratio_p(live: Live, look: Look) -> float:
    return sample_ratio_p((look.champion.exposed, look.challenger.exposed), _shares(live))


def _shares(live: Live) -> tuple[float, float]:
    return float(live.split["champion"]), float(live.split["challenger"])


def _spoiled(live: Live, look: Look, ratio_p: float) -> str:
    """Why the arms cannot be compared; "" if they can."""
    champion, challenger = look.champion.exposed, look.challenger.exposed
    total = champion + challenger
    if ratio_p < MISMATCH:
        came, meant = (show(share, style="percent") for share in (challenger / total, _shares(live)[1]))
        return (
            f"the challenger has {show(challenger)} of {show(total)} units, {came} where {meant} were meant: by chance "
            f"that happens in less than one experiment in {show(1 / MISMATCH)}"
        )
    if look.mixed > MOST_MIXED * (total + look.mixed) and look.mixed >= 10:
        return f"{show(look.mixed)} units saw both versions: the router does not hold each of them to one"
    for metric in live.metrics:
        gap = _lost(live, metric, look)
        if gap:
            return gap
    return ""


def _lost(live: Live, metric: LiveMetric, look: Look) -> str:
    """Whether outcomes are missing from one arm more than from the other."""
    counts = tuple(moments.units for moments in look.moments(metric.name))
    if sample_ratio_p(counts, _shares(live)) >= MISMATCH:
        return ""
    return (
        f"outcomes of {metric.name} are there for {show(counts[0])} units of the champion and {show(counts[1])} of the "
        "challenger, which does not fit the split: they are lost more often in one arm"
    )


# -- bounds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bounds:
    """One metric's difference with bounds at any level. `reach`: risk of one side → how far its bound is."""

    metric: LiveMetric
    difference: Difference
    reach: Callable[[float], float]
    method: str

    def interval(self, risk: float) -> Interval:
        """Both bounds, each of which errs at `risk`, at however many looks."""
        step, value = self.reach(risk), self.difference.value
        return Interval(value - step, value + step, 1 - risk, self.method)

    def towards_better(self, risk: float) -> tuple[float, float]:
        """The same bounds with the sign that makes more better."""
        interval = self.interval(risk)
        if self.metric.better == "higher":
            return interval.low, interval.high
        return -interval.high, -interval.low

    @property
    def margin(self) -> float:
        """How much worse is accepted."""
        return float(self.metric.margin) if self.metric.require == "non_inferior" else 0.0

    def worse(self, risk: float) -> bool:
        """Clearly worse than is accepted."""
        return self.towards_better(risk)[1] < -self.margin

    def shown(self, risk: float) -> bool:
        """Shown to be what the policy asks for: better, or not worse than is accepted."""
        low, _ = self.towards_better(risk)
        return low >= -self.margin if self.metric.require == "non_inferior" else low > 0


def bounds(live: Live, metric: LiveMetric, looks: Sequence[Look], tuned_for: float = TUNED_FOR) -> Bounds | None:
    """What one metric shows at the last look; None while an arm has too few outcomes, or they bound nothing."""
    return bounds_between(live, metric, looks, tuned_for, 1.0)


def bounds_between(
    live: Live, metric: LiveMetric, looks: Sequence[Look], tuned_for: float, factor: float
) -> Bounds | None:
    """The same of challenger − factor · champion."""
    found = _measured(live, metric, looks[-1], factor) if looks else None
    if found is None:
        return None
    if live.method == "group_sequential":
        values = _critical(live, metric, looks, factor)
        return Bounds(metric, found, lambda risk: values(risk) * found.error, "group-sequential, O'Brien–Fleming type")
    rho = mixture(float(live.alpha), tuned_for)
    return Bounds(
        metric, found, lambda risk: one_sided(found.error, found.units, risk, rho), "asymptotic confidence sequence"
    )


def _measured(live: Live, metric: LiveMetric, look: Look, factor: float) -> Difference | None:
    champion, challenger = look.moments(metric.name)
    if wants(live, champion, challenger):
        return None
    found = difference(challenger, champion, factor)
    return found if math.isfinite(found.value) and math.isfinite(found.error) and found.error > 0 else None


def _critical(live: Live, metric: LiveMetric, looks: Sequence[Look], factor: float) -> Callable[[float], float]:
    """Risk of one side → how many standard errors the last look must exceed. A look that brings no news is none."""
    times: list[float] = []
    information: list[float] = []
    for look in looks:
        seen = _measured(live, metric, look, factor)
        if seen and (not information or seen.error**-2 >= information[-1] * (1 + LEAST_NEWS)):
            times.append(min(look.at / float(live.max_runtime), 1.0))
            information.append(seen.error**-2)
    return lru_cache(lambda risk: critical_values(risk, times, information)[-1])


# -- what it comes to --------------------------------------------------------------------------------------------


def _risk(live: Live) -> float:
    """Of either side of a metric's interval, so that both together err at alpha."""
    return float(live.alpha) / 2


def _harmed(live: Live, every: Sequence[Bounds | None]) -> frozenset[int]:
    """Which metrics are clearly worse: the primary by its own test, guardrails by Holm's procedure over all of them.

    Either errs at half of alpha, so that whatever is called worse shows so in the interval that people see.
    """
    primary, guardrails = every[0], every[1:]
    found = {0} if primary is not None and primary.worse(_risk(live)) else set()
    claims = [b.worse if b is not None else _never for b in guardrails]
    return frozenset(found | {i + 1 for i in holm(claims, _risk(live))})


def _never(risk: float) -> bool:
    return False


def _effect(live: Live, metric: LiveMetric, now: Look, found: Bounds | None, harmed: bool) -> Effect:
    champion, challenger = now.moments(metric.name)
    risk = _risk(live)
    if found is None:
        blank, nothing = Interval(math.nan, math.nan, 1 - risk, ""), Difference(math.nan, math.nan, 0)
        because = f"{metric.name}: {wants(live, champion, challenger) or 'its outcomes do not vary so far'}"
        return Effect(metric, champion.value, challenger.value, nothing, blank, "unknown", because)
    interval, (low, _) = found.interval(risk), found.towards_better(risk)
    standing: Standing = "worse" if harmed else "better" if low > 0 else "within" if found.shown(risk) else "open"
    because = _sentence(metric, found.margin, interval, standing, champion.are_flags and challenger.are_flags)
    return Effect(metric, champion.value, challenger.value, found.difference, interval, standing, because)


def wants(live: Live, champion: Moments, challenger: Moments) -> str:
    """What one metric's outcomes lack to be judged by; "" where they suffice.

    Events are expected from both arms together: an arm that shows none at all where the other has many is judged.
    """
    fewest, need = min(champion.units, challenger.units), max(live.min_units, FEWEST)
    if fewest < need:
        return f"each arm needs {show(need)} units with an outcome, the smaller one has {show(fewest)}"
    both = champion + challenger
    due, need = both.tells / both.units * fewest, FEWEST_FLAGS if both.are_flags else FEWEST_VALUES
    if due < need:
        kind = "of the rarer outcome" if both.are_flags else "whose outcome is not zero"
        return f"the smaller arm needs {show(need)} units {kind}, as both arms go it has {show(math.floor(due))}"
    return ""


def _sentence(metric: LiveMetric, margin: float, interval: Interval, standing: Standing, flags: bool) -> str:
    """What is known of a metric; of shares (flags) in points."""

    def told(value: float, signed: bool = True) -> str:
        said = show(value, style="percent" if flags else "plain", signed=signed)
        return said.replace(" %", " points")

    words = {
        "better": "is better",
        "within": f"is not worse by more than {told(margin, False)}" if margin else "is not worse",
        "worse": f"is worse by more than {told(margin, False)}" if margin else "is worse",
        "open": "is not decided yet",
    }
    low, high = told(interval.low), told(interval.high)
    low = low.removesuffix(" points")
    return f"{metric.name} {words[standing]}: challenger − champion lies between {low} and {high}"


def _suffices(live: Live, found: Bounds) -> bool:
    """Whether a metric lets the challenger win.

    A guardrail with a margin must be shown to stay within it; all have to, so that no correction is owed. One
    without, of which only a benefit would be proof, must not be clearly worse, and whatever is has ended it before.
    """
    guards = found.metric is not live.primary
    return found.shown(_risk(live)) or (guards and not found.metric.margin)


def _state(live: Live, effects: Sequence[Effect], undecided: Sequence[str], elapsed: float) -> tuple[State, str]:
    worse = [e.because for e in effects if e.standing == "worse"]
    left = float(live.min_runtime) + float(live.label_maturity) - elapsed
    if worse:
        return "harm", "; ".join(worse)
    if not undecided and left <= 0:
        return "superior", effects[0].because
    if elapsed >= float(live.max_runtime):
        because = "; ".join(undecided) or "outcomes of the shortest runtime are not due yet"
        return "timed_out", f"{show(elapsed, 'time')} are over: {because}"
    if not undecided:
        return "running", f"{effects[0].because}; a benefit is not called for another {show(left, 'time')}"
    return "running", "; ".join(undecided)
