"""What live A/B promises, kept on simulated months: how often it errs when nothing differs, and laws of its parts."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.live.assignment import PARTS, arm_of
from gatewright.live.judgement import Judgement, judge
from gatewright.live.looks import DAY, Arm, Look, look_times
from gatewright.live.moments import Moments
from gatewright.live.sequential import critical_values, mixture, one_sided, sample_ratio_p, two_sided
from gatewright.policy.model import Live, LiveMetric, Outcomes

DAYS = 28
MONTHS = 1000
ALPHA = 0.05
#: three standard errors of a share of ALPHA among MONTHS
NOISE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / MONTHS)

PLAIN = Live(
    {"champion": Decimal("0.9"), "challenger": Decimal("0.1")},
    "user",
    Outcomes("o"),
    LiveMetric("sales"),
    min_runtime=Decimal(86400),
)


def months(rates: tuple[float, float], a_day: int = 1000, share: float = 0.1, count: int = MONTHS) -> Any:
    """(count, DAYS, 2 arms, units and successes so far) of simulated traffic."""
    import numpy as np

    rng = np.random.default_rng(20240601)
    challengers = rng.binomial(a_day, share, (count, DAYS))
    units = np.stack([a_day - challengers, challengers], axis=-1)
    successes = rng.binomial(units, rates)
    return np.stack([units.cumsum(axis=1), successes.cumsum(axis=1)], axis=-1)


def look(day: int, arms: Any, metrics: tuple[str, ...] = ("sales",)) -> Look:
    """One night's view; every metric has the same outcomes."""
    made = [Arm(int(n), dict.fromkeys(metrics, Moments.of_proportion(int(s), int(n)))) for n, s in arms]
    return Look(day * DAY, made[0], made[1])


def ended(live: Live, month: Any) -> Judgement:
    """How a month ends that is looked at every night until it is over."""
    looks: list[Look] = []
    found = judge(live, looks, 0.0)
    for day in range(1, DAYS + 1):
        looks.append(look(day, month[day - 1]))
        found = judge(live, looks, day * DAY, tuned_for=10_000)
        if found.over:
            break
    return found


def test_equal_versions_are_told_apart_no_more_often_than_the_policy_accepts() -> None:
    """A thousand months of A against A, looked at every night, one arm a tenth of the traffic."""
    states = [ended(PLAIN, month).state for month in months((0.05, 0.05))]
    assert states.count("superior") + states.count("harm") <= (ALPHA + NOISE) * MONTHS
    assert states.count("invalid") <= 0.001 * MONTHS + 3
    assert states.count("timed_out") >= 0.9 * MONTHS


def test_naive_looks_would_err_many_times_as_often() -> None:
    """The same months by the fixed test's 1.96: the simulation can fail what deserves it."""
    import numpy as np

    z = statistics(months((0.05, 0.05)))
    assert (np.abs(z) > 1.96).any(axis=1).mean() > 3 * ALPHA


def test_planned_looks_err_no_more_often_than_they_may() -> None:
    """Both sides together, with the critical values of 28 nights."""
    import numpy as np

    nights = [d / DAYS for d in range(1, DAYS + 1)]
    limits = np.array(critical_values(ALPHA / 2, nights, nights))
    wrong = (np.abs(statistics(months((0.05, 0.05)))) > limits).any(axis=1).mean()
    assert wrong <= ALPHA + NOISE


def test_planned_looks_through_the_whole_judgement_err_no_more_often_than_they_may() -> None:
    """Weekly looks, so that 300 months stay affordable: information as it comes, spending by the calendar."""
    live = replace(PLAIN, method="group_sequential")
    wrong = 0
    for month in months((0.05, 0.05), count=300):
        looks = [look(d, month[d - 1]) for d in (7, 14, 21, 28)]
        wrong += any(judge(live, looks[:k], looks[k - 1].at).state in ("superior", "harm") for k in (1, 2, 3, 4))
    assert wrong <= (ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 300)) * 300


def amounts(count: int) -> Any:
    """(count, DAYS, 2 arms, moments so far) of equal arms whose units spend unequal amounts, a few of them much."""
    import numpy as np

    rng = np.random.default_rng(3)
    made = np.empty((count, DAYS, 2, 7))
    for arm, units in enumerate((900, 100)):
        y = rng.lognormal(0, 1, (count, DAYS, units))
        ones = np.full((count, DAYS), float(units))
        made[:, :, arm] = np.stack([ones, y.sum(-1), (y * y).sum(-1), ones, ones, y.sum(-1), ones], axis=-1)
    return made.cumsum(axis=1)


def ratios(count: int) -> Any:
    """The same of clicks per view, where each unit has views and a liking of its own: its rows depend on each other."""
    import numpy as np

    rng = np.random.default_rng(4)
    made = np.empty((count, DAYS, 2, 7))
    for arm, units in enumerate((900, 100)):
        size = (count, DAYS, units)
        x = 1.0 + rng.poisson(4, size)
        y = rng.binomial(x.astype(int), rng.beta(1, 4, size)).astype(float)
        sums = [np.full((count, DAYS), float(units)), y.sum(-1), (y * y).sum(-1), x.sum(-1), (x * x).sum(-1)]
        made[:, :, arm] = np.stack([*sums, (x * y).sum(-1), (y != 0).sum(-1)], axis=-1)
    return made.cumsum(axis=1)


@pytest.mark.parametrize("kind", [amounts, ratios])
@pytest.mark.parametrize(
    ("method", "days"), [("always_valid", range(1, DAYS + 1)), ("group_sequential", (7, 14, 21, 28))]
)
def test_amounts_and_ratios_are_told_apart_no_more_often_either(kind: Any, method: Any, days: Any) -> None:
    """Two hundred months of A against A through the whole judgement, by either method."""
    live, count, wrong = replace(PLAIN, method=method), 200, 0
    for month in kind(count):
        looks: list[Look] = []
        for day in days:
            arms = [Arm(m[0], {"sales": Moments(*map(float, m))}) for m in month[day - 1]]
            looks.append(Look(day * DAY, arms[0], arms[1]))
            if judge(live, looks, day * DAY, tuned_for=10_000).state in ("superior", "harm"):
                wrong += 1
                break
    assert wrong <= (ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / count)) * count


def statistics(counted: Any) -> Any:
    """Standardised differences, (months, days)."""
    import numpy as np

    units, successes = counted[..., 0], counted[..., 1]
    rate = successes / units
    variance = (rate * (1 - rate) / units).sum(axis=-1)
    return (rate[..., 1] - rate[..., 0]) / np.sqrt(np.maximum(variance, 1e-12))


@pytest.mark.parametrize(("rate", "state"), [(0.065, "superior"), (0.035, "harm")])
def test_a_difference_that_matters_is_found_within_the_month(rate: float, state: str) -> None:
    """5,000 units a day, a difference of 1.5 points: the test is not only silent."""
    states = [ended(PLAIN, month).state for month in months((0.05, rate), a_day=5000, count=100)]
    assert states.count(state) >= 95  # type: ignore[arg-type]


def test_many_guardrails_together_stop_equal_versions_no_more_often_than_the_policy_accepts() -> None:
    """Five independent ones; Holm pays for all."""
    import numpy as np

    names = [f"g{i}" for i in range(5)]
    every = ["sales", *names]
    guards = tuple(LiveMetric(n, better="lower", require="non_inferior") for n in names)
    live = replace(PLAIN, guardrails=guards)
    rng = np.random.default_rng(5)
    stopped, count = 0, 300
    units = np.array([900, 100])
    for _ in range(count):
        successes = rng.binomial(units, 0.05, (DAYS, 6, 2)).cumsum(axis=0)
        for day in range(1, DAYS + 1):
            arms = [
                Arm(u * day, {n: Moments.of_proportion(int(s), u * day) for n, s in zip(every, row, strict=True)})
                for u, row in zip((900, 100), successes[day - 1].T, strict=True)
            ]
            found = judge(live, [Look(day * DAY, arms[0], arms[1])], day * DAY, 10_000)
            if found.state == "harm":
                stopped += any(e.standing == "worse" for e in found.effects[1:])
                break
    assert stopped <= (ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / count)) * count


def test_a_split_that_holds_is_hardly_ever_called_broken() -> None:
    """A thousand months, asked every night: at most one in a thousand, and three for chance."""
    broken = sum(
        any(sample_ratio_p((int(a), int(b)), (0.9, 0.1)) < 0.001 for a, b in month[:, :, 0])
        for month in months((0.05, 0.05))
    )
    assert broken <= 4


def test_a_router_that_loses_a_tenth_of_one_arm_is_found() -> None:
    """5,000 a day: within the month, nearly always, and before it has told a difference."""
    found = 0
    for month in months((0.05, 0.05), a_day=5000, share=0.1 * 0.9, count=100):
        found += ended(PLAIN, month).state == "invalid"
    assert found >= 95


@given(st.text(max_size=40), st.text(max_size=16), st.integers(0, PARTS), st.integers(0, PARTS))
def test_raising_a_share_takes_nobody_away_from_the_challenger(unit: str, salt: str, a: int, b: int) -> None:
    """Whoever is the challenger's at some share is so at every larger one."""
    if arm_of(unit, salt, min(a, b)) == "challenger":
        assert arm_of(unit, salt, max(a, b)) == "challenger"


@given(st.floats(1e-6, 1e3), st.floats(100, 1e9), st.floats(0.001, 0.4), st.floats(0.001, 0.4), st.floats(100, 1e7))
def test_less_risk_never_narrows_a_bound(error: float, units: float, a: float, b: float, tuned: float) -> None:
    """And the bound of one side is never wider than that of both at the same risk."""
    rho = mixture(0.05, tuned)
    narrow, wide = one_sided(error, units, max(a, b), rho), one_sided(error, units, min(a, b), rho)
    assert narrow <= wide * (1 + 1e-12)
    assert two_sided(error, units, max(a, b), rho) <= two_sided(error, units, min(a, b), rho) * (1 + 1e-12)


@given(
    st.lists(st.floats(0.05, 1.0), min_size=1, max_size=8, unique=True),
    st.floats(0.005, 0.1),
)
def test_critical_values_are_at_least_the_fixed_tests(times: list[float], alpha: float) -> None:
    """Looking more often never makes a look easier to pass."""
    from statistics import NormalDist

    ordered = [t for i, t in enumerate(sorted(times)) if i == 0 or t >= sorted(times)[i - 1] * 1.02]
    found = critical_values(alpha, ordered, ordered)
    assert all(v >= NormalDist().inv_cdf(1 - alpha) - 1e-6 for v in found)


moments = st.builds(lambda n, p: Moments.of_proportion(round(n * p), n), st.integers(200, 10**6), st.floats(0.01, 0.99))


@given(moments, moments, st.sampled_from(["always_valid", "group_sequential"]), st.floats(0.1, 40))
def test_turning_the_direction_turns_the_verdict(a: Moments, b: Moments, method: Any, days: float) -> None:
    """What is a benefit where more is better is harm where less is; the numbers shown are the same."""
    live = replace(PLAIN, method=method, min_units=100, min_runtime=Decimal(0))
    turned = replace(live, primary=replace(live.primary, better="lower"))
    arms = [Arm(n, {"sales": m}) for n, m in ((9000, a), (1000, b))]
    looks = [Look(days * DAY, arms[0], arms[1])]
    one, other = judge(live, looks, days * DAY), judge(turned, looks, days * DAY)
    opposite = {"superior": "harm", "harm": "superior"}
    assert other.state == opposite.get(one.state, one.state)
    assert [e.interval for e in one.effects] == [e.interval for e in other.effects]


@given(st.floats(0, 400), st.floats(0, 400), st.floats(1, 365))
def test_looks_already_taken_stay_when_time_goes_on(a: float, b: float, longest: float) -> None:
    """Planned looks of today are those of tomorrow, and no more than sixty."""
    live = replace(PLAIN, method="group_sequential", max_runtime=Decimal(str(round(longest * DAY))))
    earlier, later = look_times(live, min(a, b) * DAY), look_times(live, max(a, b) * DAY)
    assert later[: len(earlier)] == earlier and len(later) <= 61
    assert all(x < y for x, y in pairwise(later))
