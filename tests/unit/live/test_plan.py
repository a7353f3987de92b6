"""Whether an experiment can end at all, and when."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from gatewright.live.looks import DAY, Arm, Look
from gatewright.live.moments import Moments
from gatewright.live.plan import Expected, deviation_of, forecast, plan
from gatewright.policy.model import Live, LiveMetric, Outcomes

PLAN = Live(
    {"champion": Decimal("0.9"), "challenger": Decimal("0.1")},
    "user",
    Outcomes("o"),
    LiveMetric("bought", effect=Decimal("0.01")),
)
BUYS = math.sqrt(0.05 * 0.95)


def test_a_plan_with_traffic_enough_says_how_long_it_takes() -> None:
    """A point at 5 %, with 10,000 users a day of whom a tenth see the challenger."""
    found = plan(PLAN, Expected(10_000, BUYS))
    assert found.refusals == () and found.units is not None and found.seconds is not None
    assert 50_000 < found.units < 120_000
    assert found.seconds == pytest.approx(max(found.units / 10_000, 7) * DAY)
    assert found.tuned_for == found.units


def test_an_even_split_takes_far_fewer_units() -> None:
    """A tenth against the rest costs 2.8 times as many."""
    even = replace(PLAN, split={"champion": Decimal("0.5"), "challenger": Decimal("0.5")})
    one, other = (plan(live, Expected(10_000, BUYS)).units for live in (PLAN, even))
    assert one is not None and other is not None and one / other == pytest.approx(2.78, rel=0.02)


@pytest.mark.parametrize("method", ["always_valid", "group_sequential"])
def test_an_effect_that_cannot_be_found_in_time_is_refused(method: str) -> None:
    """With what it would take, and what there is."""
    live = replace(PLAN, method=method)  # type: ignore[arg-type]
    (refusal,) = plan(live, Expected(500, BUYS)).refusals
    assert "to find a difference of 0.01 in bought takes" in refusal and "14 000 are expected" in refusal.replace(
        "\xa0", " "
    )


def test_the_margin_is_what_a_primary_that_must_not_be_worse_looks_for() -> None:
    """As another one looks for its effect."""
    primary = LiveMetric("bought", require="non_inferior", margin=Decimal("0.01"))
    same, found = plan(PLAN, Expected(10_000, BUYS)), plan(replace(PLAN, primary=primary), Expected(10_000, BUYS))
    assert (found.refusals, found.units) == ((), same.units)


def test_an_arm_that_sees_nobody_is_refused() -> None:
    """Thirty visitors a day leave the challenger three."""
    refusals = plan(PLAN, Expected(30, None)).refusals
    assert any("the challenger would see 84 units" in r for r in refusals)


def test_without_expectations_nothing_is_refused() -> None:
    """The sequence is then tuned to a usual size."""
    found = plan(PLAN, Expected())
    assert (found.refusals, found.units, found.tuned_for) == ((), None, 5000)


def test_a_history_tells_the_deviation_of_one_unit() -> None:
    """Of a yes or no, √(p(1 − p)); of constants, none."""
    assert deviation_of(Moments.of_proportion(500, 10_000)) == pytest.approx(BUYS, rel=1e-3)
    assert deviation_of(Moments.of_proportion(0, 100)) is None
    assert deviation_of(Moments()) is None


def look(day: float, rate: float) -> Look:
    """As of a day, with 9,000 and 1,000 users each day."""
    arms = [
        Arm(n * day, {"bought": Moments.of_proportion(round(n * day * r), n * day)})
        for n, r in ((9000, 0.05), (1000, rate))
    ]
    return Look(day * DAY, arms[0], arms[1])


def test_a_forecast_says_when_the_bounds_will_leave_zero_if_it_goes_on() -> None:
    """Sooner with a larger difference, never with none, and a benefit not before the shortest runtime."""
    far = forecast(PLAN, [look(3, 0.058)], 3 * DAY, 100_000)
    near = forecast(PLAN, [look(3, 0.08)], 3 * DAY, 100_000)
    harm = forecast(PLAN, [look(1, 0.03)], 1 * DAY, 100_000)
    none = forecast(PLAN, [look(3, 0.05)], 3 * DAY, 100_000)
    assert far is not None and near is not None and none is not None and harm is not None
    assert far.seconds > near.seconds == 7 * DAY
    assert harm.seconds < 7 * DAY
    assert none.units == math.inf
    assert forecast(PLAN, [Look(DAY)], DAY) is None
