"""Numbers as people write, compare and read them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quantity import compare, decimal, is_finite, parse_quantity, show

finite = st.floats(-1e12, 1e12)


@pytest.mark.parametrize(
    ("text", "value", "dimension", "style"),
    [
        ("95%", "0.95", "number", "percent"), ("0.5", "0.5", "number", "plain"), (" 7 ", "7", "number", "plain"),
        ("100ms", "0.1", "time", "unit"), ("3 us", "0.000003", "time", "unit"), ("7d", "604800", "time", "unit"),
        ("2GiB", "2147483648", "bytes", "unit"), ("2GB", "2000000000", "bytes", "unit"),
        ("-.5e-1", "-0.05", "number", "plain"), ("+3h", "10800", "time", "unit"), ("0e5", "0", "number", "plain"),
    ],
)  # fmt: skip
def test_a_quantity_is_read_in_base_units(text: str, value: str, dimension: str, style: str) -> None:
    """Seconds, bytes, plain numbers; the spelling is kept."""
    quantity = parse_quantity(text)
    assert (quantity.value, quantity.dimension, quantity.style) == (Decimal(value), dimension, style)
    assert str(quantity) == text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '"" is not a number'), ("nan", '"nan" is not a number'), ("inf", '"inf" is not a number'),
        ("1,5", '"1,5" is not a number'), ("٣", '"٣" is not a number'), ("5 fortnights", 'unknown unit "fortnights"'),
        ("1e400", "1e400 is out of range"), ("1e-400", "1e-400 is out of range"),
        ("1e99999999999999999999", "1e99999999999999999999 is out of range"), ("-1e300", "-1e300 is out of range"),
        ("1" * 41, f'"{"1" * 10}…" has more than 40 digits'),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_a_reason(text: str, said: str) -> None:
    """Always a ValueError, whatever the decimal module thinks of it."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        parse_quantity(text)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 1.7976931348623157e308, Decimal("NaN"), Decimal("sNaN"), 10**400, None, "1", True],
)
def test_what_cannot_be_compared_is_not_finite(value: object) -> None:
    """The store's stand-in for infinity, numbers beyond a float, flags and texts included."""
    assert not is_finite(value)


@pytest.mark.parametrize("value", [0, -1.5, Decimal("0.1"), 1e300, 10**30])
def test_a_number_is_finite(value: object) -> None:
    """Whole, binary or decimal."""
    assert is_finite(value)


def test_a_float_is_the_decimal_that_it_is_written_as() -> None:
    """0.1 is a tenth; a subclass of float spells itself otherwise and is still its number."""

    class Odd(float):
        def __repr__(self) -> str:
            return "odd(0.1)"

    assert decimal(0.1) == decimal(Odd(0.1)) == Decimal("0.1")
    assert decimal(10**30) == Decimal(10) ** 30


@pytest.mark.parametrize(
    ("value", "op", "bound", "holds"),
    [
        (0.85, ">=", Decimal("0.80") + Decimal("0.05"), True), (0.84, ">=", Decimal("0.80") * Decimal("1.05"), True),
        (0.8499, ">=", Decimal("0.85"), False), (0.1 + 0.2, "==", Decimal("0.3"), True),
        (0.3, ">", Decimal("0.3"), False), (0.1 + 0.2, ">", Decimal("0.3"), False), (0.3, "!=", 0.3, False),
        (1e12 + 1, "<=", Decimal("1e12"), True), (1e12 + 1e4, "<=", Decimal("1e12"), False),
    ],
)  # fmt: skip
def test_bounds_hold_within_the_stated_tolerance(value: float, op: str, bound: Decimal, holds: bool) -> None:
    """1e-9 · max(1, |bound|), counted in decimals."""
    assert compare(value, op, bound) is holds


@given(finite, finite)
def test_of_two_numbers_one_is_more_or_less_or_they_are_equal(value: float, bound: float) -> None:
    """Exactly one of the three."""
    assert [compare(value, op, bound) for op in (">", "==", "<")].count(True) == 1


@given(finite, finite)
def test_inclusive_operators_are_the_strict_ones_or_equality(value: float, bound: float) -> None:
    """And the negated ones their opposites."""
    same = compare(value, "==", bound)
    assert compare(value, ">=", bound) is (compare(value, ">", bound) or same)
    assert compare(value, "<=", bound) is (compare(value, "<", bound) or same)
    assert compare(value, "!=", bound) is not same


@pytest.mark.parametrize(
    ("value", "dimension", "style", "shown"),
    [
        (0.95321, "number", "plain", "0.9532"), (0.95321, "number", "percent", "95.32 %"), (12, "number", "plain",
        "12"),
        (-0.002, "number", "plain", "−0.002"), (12345678.0, "number", "plain", "12 345 678"), (9999.6, "number",
        "plain", "10 000"),
        (0.0834, "time", "unit", "83.4 ms"), (0.9996, "time", "unit", "1 s"), (0.0009996, "time", "unit", "1 ms"),
        (1e-9, "time", "unit", "0.001 µs"), (90, "time", "unit", "1.5 min"), (86400 * 999.6, "time", "unit",
        "1 000 d"),
        (0, "time", "unit", "0 µs"), (1.5e9, "bytes", "unit", "1.5 GB"), (999.6, "bytes", "unit", "1 kB"),
        (0, "bytes", "unit", "0 B"),
        (math.nan, "number", "plain", "nan"),
    ],
)  # fmt: skip
def test_a_value_is_shown_with_few_digits_and_a_unit_that_reads_well(
    value: float, dimension: str, style: str, shown: str
) -> None:
    """A value that rounds up to the next unit is shown in it."""
    assert show(value, dimension, style) == shown  # type: ignore[arg-type]


def test_a_difference_is_shown_with_its_sign() -> None:
    """Plus or minus, never nothing."""
    assert show(0.01, signed=True) == "+0.01" and show(-0.01, signed=True) == "−0.01"


@given(st.floats(1e-6, 1e14))
def test_no_duration_or_size_is_shown_in_powers_of_ten(value: float) -> None:
    """People do not read 1e+03 ms."""
    assert "e+" not in show(value, "time") and "e+" not in show(value, "bytes")
