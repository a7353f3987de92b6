"""What an experiment has come to, question by question."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from gatewright.live.judgement import FEWEST_FLAGS, bounds, course, judge, wants
from gatewright.live.looks import DAY, Arm, Look, look_times
from gatewright.live.moments import Moments
from gatewright.policy.model import Live, LiveMetric, Outcomes

PLAN = Live(
    {"champion": Decimal("0.9"), "challenger": Decimal("0.1")},
    "user",
    Outcomes("o"),
    LiveMetric("bought"),
    (LiveMetric("seconds", better="lower", require="non_inferior", margin=Decimal("0.05")),),
)


def look(
    day: float, rates: tuple[float, float] = (0.05, 0.05), seconds: float = 0.2, a_day: int = 10_000, share: float = 0.1
) -> Look:
    """Ten thousand users a day, one in ten of them the challenger's; seconds: that a call of the challenger takes."""
    tried = round(a_day * day * share)
    arms = []
    for units, rate, took in ((round(a_day * day) - tried, rates[0], 0.2), (tried, rates[1], seconds)):
        flags = Moments.of_proportion(round(units * rate), units)
        arms.append(
            Arm(units, {"bought": flags, "seconds": Moments.of_values(units, took * units, (took**2 + 0.01) * units)})
        )
    return Look(day * DAY, arms[0], arms[1])


def test_a_benefit_is_called_after_the_shortest_runtime_and_not_before() -> None:
    """And it says how long that is."""
    better = (0.05, 0.08)
    early = judge(PLAN, [look(3, better)], 3 * DAY)
    assert early.state == "running" and "is not called for another 4 d" in early.because
    assert judge(PLAN, [look(7, better)], 7 * DAY).state == "superior"


def test_late_outcomes_lengthen_the_wait_for_a_benefit() -> None:
    """A full cycle of outcomes has to be due, and not only of exposures."""
    live = replace(PLAN, label_maturity=Decimal(2 * 86400))
    assert judge(live, [look(8, (0.05, 0.08))], 8 * DAY).state == "running"
    assert judge(live, [look(9, (0.05, 0.08))], 9 * DAY).state == "superior"


def test_harm_to_the_primary_ends_it_at_once() -> None:
    """On the second day."""
    found = judge(PLAN, [look(2, (0.05, 0.02))], 2 * DAY)
    assert found.state == "harm" and "bought is worse" in found.because


def test_harm_to_a_guardrail_ends_it_whatever_the_primary_says() -> None:
    """By more than its margin; within the margin it does not."""
    found = judge(PLAN, [look(8, (0.05, 0.08), seconds=0.3)], 8 * DAY)
    assert found.state == "harm" and "seconds is worse by more than 0.05" in found.because
    assert judge(PLAN, [look(8, (0.05, 0.08), seconds=0.24)], 8 * DAY).state == "superior"


def test_a_guardrail_that_is_not_shown_to_stay_within_its_margin_holds_a_benefit_back() -> None:
    """At its very margin nothing is shown."""
    found = judge(PLAN, [look(8, (0.05, 0.08), seconds=0.25)], 8 * DAY)
    assert found.state == "running" and found.because.startswith("seconds is not decided yet")


def test_a_guardrail_without_a_margin_only_has_to_avoid_being_worse() -> None:
    """Nothing could ever show that two equal things are not worse by zero."""
    live = replace(PLAN, guardrails=(replace(PLAN.guardrails[0], margin=Decimal(0)),))
    assert judge(live, [look(8, (0.05, 0.08))], 8 * DAY).state == "superior"


def test_what_is_called_worse_lies_beyond_the_margin_in_the_interval_that_is_shown() -> None:
    """Also with several guardrails, whose levels Holm's procedure chooses."""
    live = replace(PLAN, guardrails=tuple(replace(PLAN.guardrails[0], name=f"g{i}", column="s") for i in range(4)))
    for took in (0.252, 0.255, 0.26, 0.3):
        seen = look(5, seconds=took)
        arms = [
            replace(a, metrics={**a.metrics, **{f"g{i}": a.metrics["seconds"] for i in range(4)}})
            for a in (seen.champion, seen.challenger)
        ]
        for effect in judge(live, [replace(seen, champion=arms[0], challenger=arms[1])], 5 * DAY).effects[1:]:
            assert effect.standing != "worse" or effect.interval.low > 0.05


def test_time_ends_it_and_keeps_what_was_undecided() -> None:
    """The sentence says what was."""
    found = judge(PLAN, [look(28)], 28 * DAY)
    assert found.state == "timed_out" and "bought is not decided yet" in found.because


def test_nothing_is_shown_of_arms_that_do_not_fit_the_split() -> None:
    """However large the effect."""
    found = judge(PLAN, [look(5, (0.05, 0.5), share=0.13)], 5 * DAY)
    assert (found.state, found.effects) == ("invalid", ()) and "13 % where 10 % were meant" in found.because


def test_outcomes_that_are_lost_in_one_arm_spoil_it_too() -> None:
    """Though the exposures fit."""
    seen = look(5)
    lost = replace(seen.challenger, metrics={**seen.challenger.metrics, "bought": Moments.of_proportion(150, 3000)})
    found = judge(PLAN, [replace(seen, challenger=lost)], 5 * DAY)
    assert found.state == "invalid" and "lost more often in one arm" in found.because


def test_outcomes_that_one_arm_lacks_altogether_spoil_it() -> None:
    """Nobody logs what came of the challenger: that is no reason to wait for a month."""
    seen = look(5)
    mute = replace(seen.challenger, metrics={"bought": seen.challenger.metrics["bought"]})
    found = judge(PLAN, [replace(seen, challenger=mute)], 5 * DAY)
    assert (
        found.state == "invalid" and "seconds are there for 45 000 units of the champion and 0 of the" in found.because
    )


def test_a_router_that_holds_nobody_to_one_version_spoils_it() -> None:
    """One in a hundred at most."""
    assert judge(PLAN, [replace(look(5), mixed=400.0)], 5 * DAY).state == "running"
    found = judge(PLAN, [replace(look(5), mixed=600.0)], 5 * DAY)
    assert found.state == "invalid" and "saw both versions" in found.because


def test_rare_outcomes_wait_until_the_smaller_arm_expects_enough_of_them() -> None:
    """25 buyers for a yes or no; the arm that has none at all is judged by what the other lets expect."""
    few, many = look(1, (0.01, 0.0)), look(4, (0.01, 0.0))
    assert "needs 25 units of the rarer outcome" in wants(PLAN, *few.moments("bought"))
    assert wants(PLAN, *many.moments("bought")) == ""
    assert judge(PLAN, [many], 4 * DAY).state == "harm"
    assert FEWEST_FLAGS == 25


def test_amounts_wait_for_more() -> None:
    """A hundred that differ from zero."""
    champion, challenger = (Moments.of_values(n, n * 3.0, n * 90.0, n * 0.05) for n in (9000, 1000))
    assert "needs 100 units whose outcome is not zero, as both arms go it has 50" in wants(PLAN, champion, challenger)


def test_outcomes_that_never_vary_bound_nothing() -> None:
    """All of them bought: that there is no difference yet does not show that there is none."""
    found = judge(PLAN, [look(8, (1.0, 1.0))], 8 * DAY)
    assert (found.state, found.effects[0].standing) == ("running", "unknown")


def test_a_challenger_that_always_fails_where_the_champion_never_does_is_harm() -> None:
    """Neither arm varies, and yet they differ: both as one sample do vary."""
    found = judge(PLAN, [look(2, (1.0, 0.0))], 2 * DAY)
    assert found.state == "harm" and "bought is worse" in found.because
    slow = judge(PLAN, [replace(look(2), challenger=_constant(2000, 0.9), champion=_constant(18_000, 0.2))], 2 * DAY)
    assert slow.state == "harm" and "seconds is worse" in slow.because


def _constant(units: int, seconds: float) -> Arm:
    bought = Moments.of_proportion(round(units * 0.05), units)
    return Arm(units, {"bought": bought, "seconds": Moments.of_values(units, seconds * units, seconds**2 * units)})


def test_an_experiment_without_traffic_goes_on() -> None:
    """Nothing is known, and nothing is broken."""
    found = judge(PLAN, [Look(DAY)], DAY)
    assert (found.state, found.ratio_p) == ("running", 1.0)
    assert "needs 100 units" in found.because
    assert judge(PLAN, [], 0.0).state == "running"


def test_the_course_is_every_look_as_it_was_judged_then() -> None:
    """What a picture shows of day three is what was told on day three."""
    looks = [look(d, (0.05, 0.08)) for d in (1, 3, 8)]
    found = course(PLAN, looks)
    assert [f.state for f in found] == ["running", "running", "superior"]
    assert found[1] == judge(PLAN, looks[:2], 3 * DAY)


@pytest.mark.parametrize("method", ["always_valid", "group_sequential"])
def test_bounds_at_a_level_hold_the_estimate(method: str) -> None:
    """And a surer bound is a farther one."""
    live = replace(PLAN, method=method)  # type: ignore[arg-type]
    looks = [look(d, (0.05, 0.06)) for d in range(1, 10)]
    found = bounds(live, live.primary, looks)
    assert found is not None
    near, far = found.interval(0.05), found.interval(0.005)
    assert far.low < near.low < found.difference.value < near.high < far.high


def test_planned_looks_say_less_at_first_and_more_at_the_end() -> None:
    """Against a confidence sequence on the same outcomes."""

    def width(method: str, days: int) -> float:
        live = replace(PLAN, method=method)  # type: ignore[arg-type]
        found = bounds(live, live.primary, [look(d) for d in range(1, days + 1)], 280_000)
        assert found is not None
        interval = found.interval(0.025)
        return interval.high - interval.low

    assert width("group_sequential", 2) > width("always_valid", 2)
    assert width("group_sequential", 28) < width("always_valid", 28)


def test_looks_are_daily_and_end_with_the_longest_runtime() -> None:
    """With a confidence sequence also right now."""
    planned = replace(PLAN, method="group_sequential")
    assert look_times(planned, 2.5 * DAY) == (DAY, 2 * DAY)
    assert look_times(PLAN, 2.5 * DAY) == (DAY, 2 * DAY, 2.5 * DAY)
    assert look_times(planned, 99 * DAY)[-1] == 28 * DAY
    assert len(look_times(replace(planned, max_runtime=Decimal(365 * 86400)), math.inf)) == 60
