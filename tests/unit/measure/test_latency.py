"""Times of calls, and what they prove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gatewright.evidence import Need
from gatewright.measure.holdout.latency import QUANTILES, Times, facts, noise, order_bounds, statistic, take_times
from gatewright.paths import Path
from gatewright.policy.model import Latency

P95 = Path("latency", "p95")


def test_a_percentile_is_a_time_that_was_measured() -> None:
    """The `higher` order statistic, never a mean of two calls."""
    seconds = np.arange(1.0, 101.0)
    assert statistic("p95", seconds, 1) == np.quantile(seconds, 0.95, method="higher") == 96.0
    assert statistic("p50", np.array([1.0, 2.0]), 1) == 2.0
    assert statistic("mean", seconds, 1) == 50.5
    assert statistic("throughput", seconds, 64) == 64 / 50.5


@pytest.mark.parametrize(("key", "quantile", "least"), [(k, q, n) for k, (q, n) in QUANTILES.items()])
def test_the_floor_is_where_the_slowest_call_becomes_an_upper_bound(key: str, quantile: float, least: int) -> None:
    """One call fewer, and no observation bounds the percentile at 95 %."""
    assert order_bounds(least, quantile, 0.95)[1] <= least
    assert order_bounds(least - 1, quantile, 0.95)[1] == least
    assert key[1:] == f"{quantile * 100:g}"


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_ranks_are_the_tightest_that_keep_their_level(n: int, quantile: float, level: float) -> None:
    """Held against scipy's binomial; one rank tighter would break the promise."""
    low, high = order_bounds(n, quantile, level)
    below = stats.binom(n, quantile)
    slack = 1e-9
    if low:
        assert below.sf(low - 1) >= level - slack
    assert low == n or below.sf(low) < level + slack
    if high <= n:
        assert below.cdf(high - 1) >= level - slack
    assert high == 1 or below.cdf(high - 2) < level + slack


@pytest.mark.parametrize("key", ["p50", "p95", "mean", "throughput"])
def test_bounds_are_wrong_as_seldom_as_they_say(key: str) -> None:
    """2,000 runs of 300 log-normal calls: each one-sided 95 % bound misses the truth in about 5 % at most."""
    rng = np.random.default_rng(7)
    times = stats.lognorm(0.5)
    truth = {"p50": times.median(), "p95": times.ppf(0.95), "mean": times.mean(), "throughput": 1 / times.mean()}[key]
    need = [Need(Path("latency", key), level=0.95)]
    drawn = rng.lognormal(0, 0.5, (2000, 300))
    intervals = [next(facts(need, Times(row.tolist()), "")).intervals[0] for row in drawn]
    assert np.mean([i.low <= truth for i in intervals]) >= 0.935
    assert np.mean([i.high >= truth for i in intervals]) >= 0.935


def test_candidate_and_champion_are_called_in_turn_and_the_warm_up_is_dropped() -> None:
    """Who goes first alternates."""
    order: list[tuple[str, int]] = []

    def call(name: str, seconds: float, number: int) -> float:
        order.append((name, number))
        return seconds + number

    times = take_times(
        Latency(requests=3, warmup=2, batch=5), lambda n: call("new", 10, n), lambda n: call("old", 20, n), seed=1
    )
    assert order[:4] == [("new", 0), ("old", 0), ("old", 1), ("new", 1)]
    assert times == Times((12, 13, 14), (22, 23, 24), 5, 1)


def test_a_model_alone_is_timed_too() -> None:
    """The first version has no champion."""
    times = take_times(Latency(requests=2, warmup=0), lambda n: 1.0, None, seed=1)
    assert times == Times((1.0, 1.0), (), 1, 1)
    found = list(facts([Need(Path("latency", "mean"), factor=1.0)], times, "here"))
    assert [f.who for f in found] == ["candidate"]


def test_too_few_calls_are_undetermined_not_slow() -> None:
    """The fact says how many calls it takes."""
    (fact,) = facts([Need(P95)], Times([0.1] * 58), "here")
    assert fact.state == "unreadable"
    assert fact.why == "p95 needs at least 59 calls, and latency.requests is 58"


def test_a_comparison_is_of_paired_calls() -> None:
    """What slows both alike does not blur the difference between them."""
    slow = np.random.default_rng(3).lognormal(0, 1, 300)
    times = Times((slow + 0.5).tolist(), slow.tolist(), seed=11)
    found = {f.who: f for f in facts([Need(Path("latency", "mean"), factor=1.0, level=0.95)], times, "here")}
    assert set(found) == {"candidate", "champion", "pair"}
    interval = found["pair"].intervals[0]
    assert interval.low == pytest.approx(0.5)
    assert interval.high == pytest.approx(0.5)


def test_the_same_times_give_the_same_bounds() -> None:
    """To the bit: the seed is part of what was asked."""
    mine, theirs = np.random.default_rng(5).lognormal(0, 1, (2, 100)).tolist()
    need = [Need(P95, factor=1.1, level=0.95)]
    first, again, other = (list(facts(need, Times(mine, theirs, seed=seed), "")) for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_an_uneven_machine_is_told() -> None:
    """A run whose second half is slower by half says so; an even one does not."""
    even = [0.010, 0.011] * 100
    assert noise(Times(even)) == ""
    told = noise(Times([*even, *(1.5 * s for s in even)]))
    assert told.startswith("the machine was too noisy to tell small differences of speed")
    assert "median call took between 10.5 ms and 15.8 ms" in told
