"""Sums over units, and what they say of a metric."""

from __future__ import annotations

import math

import pytest

from gatewright.live.moments import Moments, difference


def of(*units: tuple[float, float]) -> Moments:
    """Moments of units that are given as (outcome, what it counts per)."""
    parts = (Moments(1.0, y, y * y, x, x * x, x * y, float(y != 0)) for y, x in units)
    return sum(parts, Moments())


def test_a_mean_has_welchs_variance() -> None:
    """s²/n of 1, 2, 3, 4 is 5/12."""
    found = Moments.of_values(4, 10, 30)
    assert found.value == 2.5
    assert found.variance == pytest.approx(5 / 12)


def test_a_proportion_has_the_binomial_variance() -> None:
    """p(1 − p)/(n − 1)."""
    found = Moments.of_proportion(30, 100)
    assert found.variance == pytest.approx(0.3 * 0.7 / 99)
    assert found == Moments.of_values(100, 30, 30, 30)


def test_a_ratio_has_the_delta_methods_variance() -> None:
    """Clicks per view of three people: by hand from s_yy, s_xy and s_xx."""
    found = of((1, 2), (0, 3), (4, 5))
    r, mean_x = 5 / 10, 10 / 3
    ys, xs = (1, 0, 4), (2, 3, 5)
    my, mx = sum(ys) / 3, sum(xs) / 3
    syy = sum((y - my) ** 2 for y in ys) / 2
    sxx = sum((x - mx) ** 2 for x in xs) / 2
    sxy = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / 2
    assert found.value == r
    assert found.variance == pytest.approx((syy - 2 * r * sxy + r * r * sxx) / (3 * mean_x**2))


def test_many_rows_of_one_unit_are_one_observation() -> None:
    """A hundred equal answers of each of three people tell what one answer of each tells."""
    once, often = of((1, 1), (0, 1), (1, 1)), of((100, 100), (0, 100), (100, 100))
    assert often.value == once.value
    assert often.variance == pytest.approx(once.variance)


def test_parts_add_up_to_the_whole() -> None:
    """Days, files and processes may be summed in any order."""
    assert of((1, 2), (0, 3)) + of((4, 5)) == of((1, 2), (0, 3), (4, 5))


def test_arms_that_do_not_vary_and_differ_are_judged_as_one_sample() -> None:
    """All against none: p(1 − p)·(1/a + 1/b) of both together, and no division by zero."""
    found = difference(Moments.of_proportion(0, 200), Moments.of_proportion(300, 300))
    p, n = 300 / 500, 500
    assert found.error == pytest.approx(math.sqrt(p * (1 - p) * n / (n - 1) * (1 / 200 + 1 / 300)))
    assert difference(Moments.of_proportion(200, 200), Moments.of_proportion(300, 300)).error == 0


@pytest.mark.parametrize("value", [0.1, 0.2, 1e9 / 3, 1e-9 / 7])
def test_what_rounding_leaves_of_a_constant_is_no_variance(value: float) -> None:
    """Sums of a thousand tenths are no exact numbers; what is left of them must not look like certainty."""
    found = of(*[(value, 1.0)] * 1000)
    assert found.variance == 0
    assert difference(found, of(*[(value, 1.0)] * 700)).error == 0


def test_nothing_has_no_value_and_one_unit_no_variance() -> None:
    """NaN, so that no comparison with it holds."""
    assert math.isnan(Moments().value) and math.isnan(Moments().variance)
    assert math.isnan(of((1, 1)).variance)


def test_what_tells_of_flags_is_the_rarer_kind() -> None:
    """995 of 1,000 tell as little as 5 do; of amounts it is those that are not zero."""
    assert Moments.of_proportion(995, 1000).tells == Moments.of_proportion(5, 1000).tells == 5
    assert Moments.of_values(1000, 300, 4000, 20).tells == 20
    assert not Moments.of_values(1000, 300, 4000, 20).are_flags


def test_a_difference_adds_the_variances_up() -> None:
    """And a factor on the champion counts squared."""
    a, b = Moments.of_proportion(60, 100), Moments.of_proportion(50, 100)
    found = difference(a, b, 0.9)
    assert found.value == pytest.approx(0.6 - 0.9 * 0.5)
    assert found.error == pytest.approx(math.sqrt(a.variance + 0.81 * b.variance))
    assert found.units == 200 and found.spread == pytest.approx(found.error * math.sqrt(200))
