"""Numbers as people write and read them, `95%`, `100ms`, `2GiB`; compared as decimals, within a tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, localcontext
from typing import Literal

Dimension = Literal["number", "time", "bytes"]
Style = Literal["plain", "percent", "unit"]

#: unit → (dimension, how many seconds or bytes one of it is)
UNITS: Mapping[str, tuple[Dimension, Decimal]] = {
    "us": ("time", Decimal("1e-6")),
    "ms": ("time", Decimal("1e-3")),
    "s": ("time", Decimal(1)),
    "m": ("time", Decimal(60)),
    "h": ("time", Decimal(3600)),
    "d": ("time", Decimal(86400)),
    "B": ("bytes", Decimal(1)),
    "KB": ("bytes", Decimal(10) ** 3),
    "MB": ("bytes", Decimal(10) ** 6),
    "GB": ("bytes", Decimal(10) ** 9),
    "KiB": ("bytes", Decimal(2) ** 10),
    "MiB": ("bytes", Decimal(2) ** 20),
    "GiB": ("bytes", Decimal(2) ** 30),
}

#: A tracking server's SQL store writes an infinite metric as the largest double; that is no number either.
SENTINEL_INFINITY = 1.797e308

#: a number in a policy is at most this large, so that no unit makes it infinite
LARGEST = 1e290

#: more digits than this are no measurement
MAX_DIGITS = 40

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(%|[A-Za-z]+)?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as the policy wrote it. `value` is in seconds, bytes or plain numbers, `text` the spelling."""

    value: Decimal
    dimension: Dimension
    style: Style
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Interval:
    """Two one-sided confidence bounds, each at `level`: either alone is wrong at most `1 - level` of the time."""

    low: float
    high: float
    level: float
    method: str


def parse_quantity(text: str) -> Quantity:
    """Reads a number with an optional `%` or unit; raises ValueError that says what is wrong with it."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a number')
    number, unit = _decimal_of(match[1]), match[2]
    if unit is None:
        return Quantity(number, "number", "plain", text.strip())
    if unit == "%":
        return Quantity(number / 100, "number", "percent", text.strip())
    if unit not in UNITS:
        raise ValueError(f'unknown unit "{unit}"')
    dimension, size = UNITS[unit]
    return Quantity(number * size, dimension, "unit", text.strip())


def _decimal_of(digits: str) -> Decimal:
    """A number that a float can hold too: a bound of 1e400 would be infinite to whatever measures."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f'"{digits[:10]}…" has more than {MAX_DIGITS} digits')
    try:
        exact = Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{digits} is out of range") from None
    if abs(float(digits)) > LARGEST or (exact and not float(digits)):
        raise ValueError(f"{digits} is out of range")
    return exact if exact else Decimal(0)


def is_finite(value: object) -> bool:
    """Whether `value` is a number that a check may compare: no NaN, infinity, sentinel for one, or bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return False
    return math.isfinite(number) and abs(number) < SENTINEL_INFINITY


def decimal(value: float | int | Decimal) -> Decimal:
    """The decimal that a float's shortest representation spells, so that 0.1 + 0.2 surprises nobody."""
    if isinstance(value, Decimal):
        return value
    return Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))


def tolerance(bound: Decimal) -> Decimal:
    """How close counts as equal: 1e-9 · max(1, |bound|)."""
    return Decimal("1e-9") * max(Decimal(1), abs(bound))


def compare(value: float | Decimal, op: str, bound: float | Decimal) -> bool:
    """Whether `value op bound` holds; `>=`, `<=`, `==` hold within the tolerance; `>`, `<`, `!=` do not."""
    with localcontext() as ctx:
        ctx.prec = 60
        v, b = decimal(value), decimal(bound)
        near = abs(v - b) <= tolerance(b)
    return {
        ">": v > b and not near,
        "<": v < b and not near,
        ">=": v > b or near,
        "<=": v < b or near,
        "==": near,
        "!=": not near,
    }[op]


def show(
    value: float | Decimal, dimension: Dimension = "number", style: Style = "plain", *, signed: bool = False
) -> str:
    """A value for people: four significant digits, `%` where the policy wrote `%`, a unit that reads well.

    signed: it is a difference, of which three digits tell enough.
    """
    if not is_finite(value):
        return str(value)
    number = float(value)
    minus = "−" if number < 0 else ("" if not signed else "+" if number else "±")
    size, digits = abs(number), 3 if signed else 4
    if dimension == "time":
        return minus + _scaled(size, (("d", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3), ("µs", 1e-6)))
    if dimension == "bytes":
        return minus + _scaled(size, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)))
    if style == "percent":
        return f"{minus}{_digits(size * 100, digits)} %"
    return minus + _digits(size, digits)


def _scaled(size: float, scale: tuple[tuple[str, float], ...]) -> str:
    """The largest unit of which there is at least one, once rounded; the smallest for what is smaller still."""
    unit, one = next(((u, o) for u, o in scale if float(f"{size / o:.3g}") >= 1), scale[-1])
    return f"{_digits(size / one, 3)} {unit}"


def _digits(size: float, digits: int) -> str:
    rounded = float(f"{size:.{digits}g}")
    if 10**digits <= rounded < 1e15:
        return f"{size:,.0f}".replace(",", " ")
    return f"{size:.{digits}g}"
