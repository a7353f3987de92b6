"""What there is to draw of a result: its interval, the limit, the estimate, and the scale that slices share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gatewright.evidence import Scalar
from gatewright.policy.model import Champion
from gatewright.quantity import Interval, decimal, is_finite
from gatewright.report.glyph import WIDTH, draw
from gatewright.verdict import Result, SliceResult


@dataclass(frozen=True, slots=True)
class Picture:
    """Numbers to scale, for whatever draws them: all in the base unit of the check.

    estimate: what lies within the interval; None if it is not known. parity: where the candidate equals the champion;
    None where that is no number of this scale. scale: (least, greatest) of all drawings that are to be compared.
    """

    interval: Interval
    limit: float
    estimate: float | None = None
    parity: float | None = None
    scale: tuple[float, float] | None = None

    def glyph(self, width: int = WIDTH) -> str:
        """As one line of text."""
        return draw(self.interval, self.limit, width=width, value=self.estimate, parity=self.parity, scale=self.scale)


def of_result(result: Result) -> Picture | None:
    """The picture of a check; None where no interval was held against a limit."""
    if result.interval is None or result.limit is None:
        return None
    return Picture(result.interval, result.limit, _estimate(result, result.interval, result.value, result.champion))


def of_slices(result: Result) -> tuple[Picture | None, ...]:
    """One for each slice, in their order and on one scale, which slices too small to decide do not stretch."""
    ends = tuple(_ends(result))
    if result.limit is None or not ends:
        return (None,) * len(result.slices)
    limit, parity = result.limit, _parity(result)
    held = (*ends, limit) if parity is None else (*ends, limit, parity)
    scale = min(held), max(held)

    def picture(part: SliceResult) -> Picture | None:
        if part.interval is None:
            return None
        estimate = _estimate(result, part.interval, part.value, part.champion)
        return Picture(part.interval, limit, estimate, parity, scale)

    return tuple(map(picture, result.slices))


def _ends(result: Result) -> Iterator[float]:
    for part in result.slices:
        if part.interval is not None and part.status != "skip":
            yield from (end for end in (part.interval.low, part.interval.high) if is_finite(end))


def _parity(result: Result) -> float | None:
    operand = result.check.operand
    return 0.0 if isinstance(operand, Champion) and operand.factor == 1 else None


def _estimate(result: Result, interval: Interval, value: Scalar | None, champion: Scalar | None) -> float | None:
    """The value, or `candidate − factor × champion`; None if that is no number of the interval."""
    if not is_finite(value):
        return None
    found = decimal(value)  # type: ignore[arg-type]
    operand = result.check.operand
    if isinstance(operand, Champion):
        if not is_finite(champion):
            return None
        found -= operand.factor * decimal(champion)  # type: ignore[arg-type]
    return float(found) if interval.low <= found <= interval.high else None
