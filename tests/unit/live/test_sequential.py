"""Sequential tests against published tables and worked examples."""

from __future__ import annotations

import math

import pytest

from gatewright.live.moments import Moments, difference
from gatewright.live.sequential import (
    always_valid_p,
    critical_values,
    holm,
    mixture,
    one_sided,
    sample_ratio_p,
    spent,
    two_sided,
    units_until,
)

CHAMPION = Moments.of_proportion(4500, 90_000)


@pytest.mark.parametrize(
    ("challenger", "low", "high", "p"),
    [
        (500, -0.00767, 0.00767, 1.0),
        (560, -0.00205, 0.01405, 0.583),
        (590, 0.00077, 0.01723, 0.01685),
        (640, 0.00548, 0.02252, 4.10e-6),
        (400, -0.01697, -0.00303, 1.45e-4),
    ],
)
def test_a_confidence_sequence_agrees_with_worked_examples(challenger: int, low: float, high: float, p: float) -> None:
    """5 % of 90,000 against a tenth as many, tuned for 5,000 units; the fixed test calls the second one (z = 2.49)."""
    found = difference(Moments.of_proportion(challenger, 10_000), CHAMPION)
    rho = mixture(0.05, 5000)
    reach = two_sided(found.error, found.units, 0.05, rho)
    assert (found.value - reach, found.value + reach) == pytest.approx((low, high), abs=1e-5)
    assert always_valid_p(found.value, found.error, found.units, rho) == pytest.approx(p, rel=5e-3)


def test_ten_times_the_units_find_a_smaller_difference() -> None:
    """5 % of 900,000 against 5.6 % of 100,000, which a tenth of them could not tell apart."""
    found = difference(Moments.of_proportion(5600, 100_000), Moments.of_proportion(45_000, 900_000))
    reach = two_sided(found.error, found.units, 0.05, mixture(0.05, 5000))
    assert (found.value - reach, found.value + reach) == pytest.approx((0.00321, 0.00879), abs=1e-5)


def test_one_side_agrees_with_the_formula_worked_by_hand() -> None:
    """At n = 5,000, ρ² = (−2 ln 0.05 + ln(−2 ln 0.05 + 1))/5000, ln(1 + √k/0.05), at a standard error of one."""
    rho2 = (5.991465 + math.log(6.991465)) / 5000
    k = 5000 * rho2 + 1
    by_hand = math.sqrt(2 * k / (5000 * rho2) * math.log(1 + math.sqrt(k) / 0.05))
    assert by_hand == pytest.approx(3.04136, abs=1e-5)
    assert one_sided(1, 5000, 0.025, mixture(0.05, 5000)) == pytest.approx(by_hand, rel=1e-6)


def test_a_small_experiment_has_a_wide_sequence() -> None:
    """5 % of 9,000 against 62 of 1,000."""
    found = difference(Moments.of_proportion(62, 1000), Moments.of_proportion(450, 9000))
    reach = two_sided(found.error, found.units, 0.05, mixture(0.05, 5000))
    assert (found.value - reach, found.value + reach) == pytest.approx(
        (-0.01238, 0.03638), abs=2e-5
    )  # n where we have n − 1


def test_the_p_is_the_level_at_which_zero_leaves_the_sequence() -> None:
    """The two are one test, told in two ways."""
    rho = mixture(0.05, 5000)
    p = always_valid_p(0.02, 0.005, 30_000, rho)
    assert two_sided(0.005, 30_000, p, rho) == pytest.approx(0.02)


def test_a_difference_of_nothing_without_error_is_no_evidence() -> None:
    """Two constants are equal or they are not."""
    assert always_valid_p(0.0, 0.0, 10, 0.1) == 1.0
    assert always_valid_p(0.1, 0.0, 10, 0.1) == 0.0


def test_one_side_at_half_the_risk_is_close_to_both_sides() -> None:
    """ln(1 + √k/α) instead of ln(√k/α): one side costs a twentieth more than its half of both."""
    rho = mixture(0.05, 5000)
    for units in (200, 5000, 200_000):
        one, two = one_sided(1, units, 0.025, rho), two_sided(1, units, 0.05, rho)
        assert two <= one <= 1.05 * two


@pytest.mark.parametrize(
    ("times", "limits"),
    [
        ((1 / 2, 1), (2.9626, 1.9686)),
        ((1 / 3, 2 / 3, 1), (3.7103, 2.5114, 1.9930)),
        ((0.25, 0.5, 0.75, 1), (4.3326, 2.9631, 2.3590, 2.0141)),
        ((0.2, 0.4, 0.6, 0.8, 1), (4.8769, 3.3570, 2.6803, 2.2898, 2.0310)),
        ((0.3, 0.6, 1), (3.9286, 2.6700, 1.9810)),
    ],
)
def test_critical_values_agree_with_published_tables(times: tuple[float, ...], limits: tuple[float, ...]) -> None:
    """Lan–DeMets spending of O'Brien–Fleming type, α = 5 % for both sides."""
    assert critical_values(0.025, times, times) == pytest.approx(limits, abs=1e-4)


def test_only_ratios_of_information_matter() -> None:
    """Whether an experiment counts in thousands or in billions."""
    times = (0.3, 0.6, 1.0)
    assert critical_values(0.025, times, (3e9, 6e9, 1e10)) == pytest.approx(critical_values(0.025, times, times))


def test_a_look_without_news_is_refused() -> None:
    """What knows no more than the look before cannot be one."""
    with pytest.raises(ValueError, match="know more"):
        critical_values(0.025, (0.5, 1), (10, 10))


def test_all_risk_is_spent_at_the_end_and_none_at_the_start() -> None:
    """And at a quarter of the time hardly any."""
    assert spent(0.025, 0) == 0
    assert spent(0.025, 1) == spent(0.025, 2) == pytest.approx(0.025)
    assert spent(0.025, 0.25) == pytest.approx(7.4e-6, rel=0.01)


def test_holm_stops_at_the_first_claim_that_fails() -> None:
    """Of 0.01, 0.02, 0.04 at 5 % together: the second one is held against 2.5 %, the third against 5 %."""
    ps = (0.02, 0.01, 0.04, 0.9)

    def claims(*ps: float) -> list[object]:
        return [lambda risk, p=p: p <= risk for p in ps]

    assert holm(claims(*ps[:3]), 0.05) == {0, 1, 2}  # type: ignore[arg-type]
    assert holm(claims(*ps), 0.05) == {1}  # type: ignore[arg-type]
    assert holm([], 0.05) == frozenset()


def test_the_sample_ratio_test_agrees_with_its_formula() -> None:
    """By hand, for one unit in the arm of a tenth: the prior expects just that, so nothing is learnt."""
    assert sample_ratio_p((0, 1), (0.9, 0.1)) == pytest.approx(1.0)
    assert sample_ratio_p((9000, 1000), (0.9, 0.1)) == 1.0
    two = (900 + 1) * 900 / (1001 * 1000) / 0.9**2
    assert sample_ratio_p((2, 0), (0.9, 0.1)) == pytest.approx(min(1.0, 1 / two))


def test_the_sample_ratio_test_finds_what_the_fixed_one_finds_a_little_later() -> None:
    """11.3 % where 10 % were meant, of 10,150: χ² is 19, and even all looks together call it."""
    assert sample_ratio_p((9000, 1150), (0.9, 0.1)) < 0.001
    assert sample_ratio_p((900, 115), (0.9, 0.1)) > 0.1


def test_units_until_a_width_is_reached() -> None:
    """1/√n comes down to a tenth at a hundred, and never to nothing."""
    assert units_until(lambda n: 1 / math.sqrt(n), 0.1) == pytest.approx(100, rel=1e-3)
    assert units_until(lambda n: 1 / math.sqrt(n), 0.0) == math.inf
    assert units_until(lambda n: 1 / math.sqrt(n), 1e-9) == math.inf
