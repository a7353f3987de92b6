"""Facts out of estimates: each metric's values and bounds, by slice, and how far apart the slices are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from gatewright import statistics
from gatewright.evidence import Fact, Need, Who
from gatewright.measure.metrics import METRICS, Metric
from gatewright.measure.metrics.rows import Estimate
from gatewright.paths import Path
from gatewright.policy.model import Aggregate
from gatewright.quantity import Interval, decimal, is_finite

MODELS: tuple[Literal["candidate"], Literal["champion"]] = ("candidate", "champion")


class Counted(Protocol):
    """A holdout that has been counted up."""

    slice_columns: tuple[str, ...]
    min_slice_rows: int
    paired: bool
    unit: bool

    def slice_names(self, column: str | None) -> tuple[str | None, ...]: ...

    def count(self, column: str | None) -> Any: ...

    def gap_in(self, metric: str, models: tuple[int, ...]) -> str: ...

    def estimate(self, metric: str, who: Who, column: str | None, factor: float = 1.0) -> Estimate: ...


def facts_of(counted: Counted, needs: Iterable[Need], source: str) -> tuple[Fact, ...]:
    """Every fact that the needs ask for, once. source: where the rows came from, for people."""
    facts = _Facts(counted, source)
    return tuple(dict.fromkeys(f for asked in _together(needs) for f in facts.of(asked)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """All that is wanted of one path and column. levels: by factor, None standing for the bare value."""

    path: Path
    column: str | None
    aggregates: tuple[Aggregate | None, ...]
    levels: Mapping[tuple[Aggregate | None, float | None], tuple[float, ...]]

    def of(self, aggregate: Aggregate | None, factor: float | None) -> tuple[float, ...]:
        return self.levels.get((aggregate, factor), ())

    def factors(self, aggregate: Aggregate | None) -> tuple[float, ...]:
        return tuple(f for a, f in self.levels if a == aggregate and f is not None)


def _together(needs: Iterable[Need]) -> list[_Asked]:
    """Needs of the same path and column, put together, so that each fact appears once with all its levels."""
    found: dict[tuple[Path, str | None], dict[tuple[Aggregate | None, float | None], list[float]]] = {}
    for need in needs:
        levels = found.setdefault((need.path, need.column), {}).setdefault((need.aggregate, need.factor), [])
        levels += [need.level] if need.level is not None and need.level not in levels else []
    return [
        _Asked(path, column, tuple(dict.fromkeys(a for a, _ in by)), {k: tuple(v) for k, v in by.items()})
        for (path, column), by in found.items()
    ]


class _Facts:
    """Turns the estimates of one holdout into facts."""

    def __init__(self, tally: Counted, source: str) -> None:
        self._tally, self._source = tally, source

    def of(self, asked: _Asked) -> Iterator[Fact]:
        metric, by = asked.path.key, "by" if asked.column is not None else None
        if asked.column is not None and asked.column not in self._tally.slice_columns:
            why = f"{asked.column} is not among the slices of the holdout block"
            yield Fact("candidate", asked.path, "unreadable", why=why, source=self._source)
            return
        whos: list[tuple[Who, float | None]] = [("candidate", None)]
        factors = tuple(dict.fromkeys(f for a in asked.aggregates for f in asked.factors(a)))
        if self._tally.paired and METRICS[metric].answer != "nothing":
            whos += [("champion", None), *(("pair", f) for f in factors)]
        for who, factor in whos:
            why = self._tally.gap_in(metric, {"candidate": (0,), "champion": (1,), "pair": (0, 1)}[who])
            if why:
                yield Fact(who, asked.path, "unreadable", why=why, source=self._source, factor=factor)
                continue
            estimate = self._tally.estimate(metric, who, asked.column, 1.0 if factor is None else factor)
            levels = self._levels(asked, by, who, factor)  # type: ignore[arg-type]
            yield from self._each(asked, who, factor, estimate, levels)
            if who != "pair":
                yield from self._spreads(asked, who, estimate)
        if self._tally.paired:
            yield from self._paired_spreads(asked)

    def _levels(self, asked: _Asked, by: Aggregate | None, who: Who, factor: float | None) -> tuple[float, ...]:
        """The levels that are asked for; where a slice may fail, those that Holm's procedure may come to as well."""
        if who == "champion" and not any(asked.factors(a) for a in asked.aggregates):
            return ()
        if who != "pair" and asked.factors(by):
            base = tuple(dict.fromkeys(level for (a, _), ls in asked.levels.items() if a == by for level in ls))
        else:
            base = asked.of(by, factor)
        if asked.column is None or (who == "champion") or not asked.of(by, factor):
            return base
        deciding = int((self._tally.count(asked.column).sum(axis=1) >= self._tally.min_slice_rows).sum())
        corrected = (h for level in asked.of(by, factor) for h in statistics.holm_levels(level, deciding))
        return tuple(dict.fromkeys((*base, *corrected)))

    def _each(
        self, asked: _Asked, who: Who, factor: float | None, estimate: Estimate, levels: tuple[float, ...]
    ) -> Iterator[Fact]:
        """A fact for every slice, or the one of all rows."""
        rows = self._tally.count(asked.column).sum(axis=1)
        bounds = _bounds(METRICS[asked.path.key], who, estimate, levels)
        for i, name in enumerate(self._tally.slice_names(asked.column)):
            fact = Fact(
                who,
                asked.path,
                "known",
                source=self._source,
                n=int(rows[i]),
                factor=factor,
                column=asked.column,
                slice=name,
                decides=name is None or int(rows[i]) >= self._tally.min_slice_rows,
            )
            if not rows[i]:
                continue
            value = float(estimate.value[i])
            if value != value:
                why = f"{asked.path.key} is not defined: {estimate.why}"
                yield replace(fact, state="unreadable", why=why)
                continue
            known = _known(Interval(float(lo[i]), float(hi[i]), at, estimate.method) for at, lo, hi in bounds)
            whole = METRICS[asked.path.key].answer == "nothing"
            yield replace(fact, value=int(value) if whole else value, intervals=known)

    def _spreads(self, asked: _Asked, who: Who, estimate: Estimate) -> Iterator[Fact]:
        """`gap by` and `ratio by` of one model."""
        for aggregate in asked.aggregates:
            if aggregate not in ("gap by", "ratio by"):
                continue
            spread = _Spread.of(aggregate, estimate, self._deciding(asked.column), self._tally.unit)
            base = Fact(who, asked.path, "known", source=self._source, column=asked.column, aggregate=aggregate)
            if isinstance(spread, str):
                yield replace(base, state="unreadable", why=spread.format(column=asked.column))
                continue
            levels = dict.fromkeys(at for (a, _), ls in asked.levels.items() if a == aggregate for at in ls)
            intervals = _known(Interval(*spread.bounds(at), at, spread.method) for at in levels)
            yield replace(base, value=spread.value, n=self._rows(asked.column), intervals=intervals)

    def _paired_spreads(self, asked: _Asked) -> Iterator[Fact]:
        """The candidate's − factor · the champion's; each bound takes half of the risk from either."""
        for aggregate in asked.aggregates:
            if aggregate not in ("gap by", "ratio by") or self._tally.gap_in(asked.path.key, (0, 1)):
                continue
            both = [
                _Spread.of(
                    aggregate,
                    self._tally.estimate(asked.path.key, who, asked.column),
                    self._deciding(asked.column),
                    self._tally.unit,
                )
                for who in MODELS
            ]
            for factor in asked.factors(aggregate):
                base = Fact("pair", asked.path, "known", source=self._source, factor=factor)
                base = replace(base, column=asked.column, aggregate=aggregate)
                mine, theirs = both
                if isinstance(mine, str) or isinstance(theirs, str):
                    why = mine if isinstance(mine, str) else str(theirs)
                    yield replace(base, state="unreadable", why=why.format(column=asked.column))
                    continue
                value = mine.value - factor * theirs.value
                levels = asked.of(aggregate, factor)
                intervals = _known(_apart(mine, theirs, factor, at) for at in levels)
                yield replace(base, value=value, n=self._rows(asked.column), intervals=intervals)

    def _deciding(self, column: str | None) -> Any:
        import numpy as np

        return np.flatnonzero(self._tally.count(column).sum(axis=1) >= self._tally.min_slice_rows)

    def _rows(self, column: str | None) -> int:
        return int(self._tally.count(column).sum(axis=1)[self._deciding(column)].sum())


@dataclass(frozen=True, slots=True)
class _Spread:
    """How far apart the deciding slices are, as a difference or as a ratio."""

    value: float
    bounds: Callable[[float], tuple[float, float]]
    method: str

    @staticmethod
    def of(aggregate: Aggregate, estimate: Estimate, deciding: Any, unit: bool) -> _Spread | str:
        """The spread, or why there is none."""
        values = estimate.value[deciding]
        if (values != values).any():
            return "in a slice of {column} it is not defined: " + estimate.why
        if len(values) < 2:
            return "fewer than two slices of {column} have enough rows"
        least, most = float(values.min()), float(values.max())
        if aggregate == "ratio by" and (most <= 0 or least < 0):
            return "a ratio needs slice values above zero"

        def bounds(level: float) -> tuple[Any, Any]:
            if estimate.bounds is None:
                return values, values
            low, high = estimate.bounds(level)
            return low[deciding], high[deciding]

        # Slices share units: then nothing is known of how they move together, and the worst is assumed.
        together = -1.0 if unit else 0.0
        method = f"{estimate.method}, over pairs of slices"
        if aggregate == "ratio by":
            return _Spread(least / most, lambda at: statistics.ratio(values, bounds, at, together), method)
        value = float(decimal(most) - decimal(least))
        return _Spread(value, lambda at: statistics.gap(values, bounds, at, together), method)


def _known(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Those that could be computed, each around those of lower levels.

    A proportion of nothing has no bounds, though scikit-learn calls it 0. Bounds that are combined out of two models'
    or slices' own need not lie around each other, and Holm's procedure relies on it.
    """
    found: list[Interval] = []
    for i in sorted(intervals, key=lambda i: i.level):
        if is_finite(i.low) and is_finite(i.high):
            inner = found[-1] if found else i
            found.append(replace(i, low=min(i.low, inner.low), high=max(i.high, inner.high)))
    return tuple(found)


def _apart(mine: _Spread, theirs: _Spread, factor: float, level: float) -> Interval:
    half = (1 + level) / 2
    (low, high), (their_low, their_high) = mine.bounds(half), theirs.bounds(half)
    return Interval(low - factor * their_high, high - factor * their_low, level, f"{mine.method}, combined")


def _bounds(metric: Metric, who: Who, estimate: Estimate, levels: Iterable[float]) -> list[tuple[float, Any, Any]]:
    """(level, lower, upper bounds by slice), inside what the metric can be."""
    import numpy as np

    if estimate.bounds is None:
        return []
    least, most = (-np.inf, np.inf) if who == "pair" else _range(metric)
    found = ((level, *estimate.bounds(level)) for level in levels)
    return [(level, np.clip(low, least, most), np.clip(high, least, most)) for level, low, high in found]


def _range(metric: Metric) -> tuple[float, float]:
    least = {"mcc": -1.0, "r2": -float("inf")}.get(metric.name, 0.0)
    return least, 1.0 if metric.higher_is_better else float("inf")
