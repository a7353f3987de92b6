"""Sums and counts that come out the same, to the last bit, however the rows were ordered, cut and merged."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gatewright.measure.metrics.rows import GROUPS, Rows

if TYPE_CHECKING:
    from gatewright.statistics import Floats, Ints

_DIGIT = 32

#: a batch's sum of digits stays below 2**53, where whole floats are exact
_MOST_ROWS = 1 << 20

#: more cells than this are kept as a sorted list of those that occur
_DENSE = 1 << 21


class Sums:
    """Exact sums of floats by slice and group of rows.

    Each value is cut into digits of 32 bits at fixed places, by truncation, so that a value's digits do not depend
    on its neighbours; digits are summed as whole numbers. Memory: 8 bytes a digit place in use, slice and group.
    Values of one magnitude use three places. After J. Demmel, H. D. Nguyen (2015), IEEE Transactions on Computers 64,
    2060–2070, without their limit to the leading bins.

    shift: values are counted in units of 2**-shift before they are cut. lowest: the lowest place that is kept, where
    a bound of the values is known; None keeps every bit.
    """

    def __init__(self, shift: int = 0, lowest: int | None = None) -> None:
        self.shift, self.lowest = shift, lowest
        self.overflow = False
        self._digits: dict[int, Any] = {}

    def add(self, values: Floats, codes: Ints, size: int) -> None:
        """codes: (n,) below size. A value that is not finite spoils the sum: see `overflow`."""
        import numpy as np

        for start in range(0, len(values), _MOST_ROWS):
            part = slice(start, start + _MOST_ROWS)
            rest = _times_two_to(values[part], self.shift)
            top = float(np.abs(rest).max())
            if not np.isfinite(top):
                self.overflow = True
                return
            self._cut(rest, codes[part], size, top)

    def _cut(self, rest: Any, codes: Ints, size: int, top: float) -> None:
        import numpy as np

        place = int(np.frexp(top)[1] - 1) // _DIGIT if top else 0
        while top and (self.lowest is None or place >= self.lowest) and place * _DIGIT > -1100:
            exponent = place * _DIGIT
            digit = np.trunc(_times_two_to(rest, -exponent))
            self._add(place, np.bincount(codes, digit, size).astype(np.int64))
            if place == self.lowest:
                return
            rest -= _times_two_to(digit, exponent)
            top = float(np.abs(rest).max())
            place -= 1

    def _add(self, place: int, counted: Any) -> None:
        held = self._digits.get(place)
        if held is None:
            self._digits[place] = counted
        elif len(held) < len(counted):
            counted[: len(held)] += held
            self._digits[place] = counted
        else:
            held[: len(counted)] += counted

    def merge(self, other: Sums, ids: Ints) -> None:
        """ids: this object's slice for each slice of the other."""
        import numpy as np

        self.overflow |= other.overflow
        size = (int(ids.max()) + 1 if len(ids) else 1) * GROUPS
        for place, held in other._digits.items():
            moved = np.zeros(size, np.int64)
            slices = len(held) // GROUPS
            moved.reshape(-1, GROUPS)[ids[:slices]] = held.reshape(-1, GROUPS)
            self._add(place, moved)

    def table(self, slices: int) -> Floats:
        """(slices, GROUPS) sums."""
        return self._floats({p: _sized(d, slices) for p, d in self._digits.items()}, (slices, GROUPS))

    def totals(self, slices: int) -> Floats:
        """(slices,) sums over the groups, rounded once."""
        return self._floats({p: _sized(d, slices).sum(axis=1) for p, d in self._digits.items()}, (slices,))

    def exact(self, slice_: int) -> Fraction:
        """One slice's sum without any rounding."""
        units = {p: Fraction(2) ** (p * _DIGIT - self.shift) for p in self._digits}
        return sum((int(_sized(d, slice_ + 1)[slice_].sum()) * units[p] for p, d in self._digits.items()), Fraction(0))

    def over_all(self) -> Sums:
        """The same sums with all slices put together."""
        import numpy as np

        found = Sums(self.shift, self.lowest)
        found.overflow = self.overflow
        found._digits = {p: np.sum(d.reshape(-1, GROUPS), axis=0) for p, d in self._digits.items()}
        return found

    def _floats(self, digits: Mapping[int, Any], shape: tuple[int, ...]) -> Floats:
        """Adds the digits up from the lowest, carrying, so that the leading float holds nearly all of the sum."""
        import numpy as np

        if self.overflow:
            return np.full(shape, np.nan)
        total, carry = np.zeros(shape), np.zeros(shape, np.int64)
        previous: int | None = None
        for place in sorted(digits):
            if previous is not None and place != previous + 1:
                total += np.ldexp(carry.astype(float), previous * _DIGIT + _DIGIT - self.shift)
                carry = np.zeros(shape, np.int64)
            whole = digits[place] + carry
            carry = np.sign(whole) * (np.abs(whole) >> _DIGIT)
            left = (whole - (carry << _DIGIT)).astype(float)
            total += np.ldexp(left, place * _DIGIT - self.shift)
            previous = place
        if previous is not None:
            total += np.ldexp(carry.astype(float), previous * _DIGIT + _DIGIT - self.shift)
        return total


def _times_two_to(values: Floats, exponent: int) -> Floats:
    import numpy as np

    if abs(exponent) < 1000:
        return values * 2.0**exponent
    return np.asarray(np.ldexp(values, exponent))


def _sized(held: Any, slices: int) -> Any:
    import numpy as np

    table = held.reshape(-1, GROUPS)[:slices]
    if len(table) == slices:
        return table
    return np.concatenate((table, np.zeros((slices - len(table), GROUPS), np.int64)))


class Counts:
    """How often each code occurs. Memory: 8 bytes a possible code up to 2**21 of them, then 16 a code that occurs."""

    def __init__(self) -> None:
        self._dense: Any = None
        self._sparse: Any = None

    def add(self, codes: Ints, size: int) -> None:
        """codes: (n,) below size, which may grow from call to call."""
        import numpy as np

        if size <= _DENSE and self._sparse is None:
            counted = np.bincount(codes, minlength=size)
            if self._dense is not None:
                counted[: len(self._dense)] += self._dense
            self._dense = counted
        else:
            self.put(*np.unique(codes, return_counts=True))

    def put(self, codes: Ints, counts: Ints) -> None:
        """Adds counts of codes."""
        import numpy as np

        mine, held = self.items()
        both, where = np.unique(np.concatenate((mine, codes)), return_inverse=True)
        summed = np.zeros(len(both), np.int64)
        np.add.at(summed, where, np.concatenate((held, counts)))
        self._dense, self._sparse = None, (both, summed)

    def items(self) -> tuple[Ints, Ints]:
        """(codes that occur, in their order, and how often)."""
        import numpy as np

        if self._sparse is not None:
            return self._sparse[0], self._sparse[1]
        if self._dense is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        codes = np.flatnonzero(self._dense)
        return codes, self._dense[codes]


def places(rows: Rows, column: str | None) -> tuple[Ints, int]:
    """((n,) slice codes of a column, how many there are); all rows are one slice where `column` is None."""
    import numpy as np

    if column is None:
        return np.zeros(len(rows), np.int64), 1
    return rows.slices[column], rows.sizes[column]
