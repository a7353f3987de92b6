"""One spelling for every value: what digests are made of."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.canonical import canonical, digest_of

exact = st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v, max_size=4), max_leaves=8)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4), max_leaves=12
)


@dataclass(frozen=True)
class Point:
    """Something with fields."""

    y: float
    x: tuple[int, ...]


def test_keys_are_sorted_and_nothing_is_padded() -> None:
    """Dataclasses are objects, tuples arrays, text stays text."""
    assert canonical({"b": Point(1.5, (1, 2)), "a": "é"}) == '{"a":"é","b":{"x":[1,2],"y":1.5}}'


@pytest.mark.parametrize("one", [1, 1.0, Decimal("1"), Decimal("1.00"), Decimal("1E0")])
def test_a_number_has_one_spelling_whatever_it_is_kept_in(one: object) -> None:
    """Whole floats and decimals are whole numbers."""
    assert canonical(one) == "1"


def test_a_zero_has_no_sign() -> None:
    """Minus zero is zero."""
    assert canonical(-0.0) == canonical(Decimal("-0.0")) == "0"


@pytest.mark.parametrize(("value", "text"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_number_that_is_not_finite_is_a_text(value: float, text: str) -> None:
    """JSON has no spelling for it."""
    assert canonical(value) == f'"{text}"'


def test_a_flag_is_no_number() -> None:
    """True and 1 are different evidence."""
    assert digest_of(True) != digest_of(1)


def test_a_set_has_no_order() -> None:
    """Its members are sorted by their spelling."""
    assert canonical({"b", "a"}) == canonical(frozenset(["a", "b"])) == '["a","b"]'


def test_what_has_no_spelling_is_refused() -> None:
    """Rather than spelled by chance."""
    with pytest.raises(TypeError, match="object has no canonical spelling"):
        canonical(object())


def test_a_digest_is_a_sha256_in_hexadecimal() -> None:
    """Of the UTF-8 bytes of the spelling: `printf '{"a":1}' | sha256sum`."""
    assert digest_of({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_half_a_character_has_a_digest_too() -> None:
    """A registry may hand over a text that UTF-8 cannot spell."""
    assert digest_of("\ud800") != digest_of("\ud801")


@given(values)
def test_a_spelling_read_back_has_the_same_spelling(value: object) -> None:
    """So a stored body can be checked against its digest."""
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(st.text(), leaves, min_size=2))
def test_the_order_of_keys_makes_no_difference(value: dict[str, object]) -> None:
    """Same value, same digest."""
    assert digest_of(value) == digest_of(dict(reversed(value.items())))


@given(exact, exact)
def test_values_that_differ_are_spelled_differently(one: object, other: object) -> None:
    """The digest stands for the value."""
    assert (canonical(one) == canonical(other)) is (one == other)
