"""What the holdout comes to: batches of truth and predictions in, the facts that checks read out.

One pass. Rows may come in any order, in any batches, and tallies of parts may be merged: the facts are the same to the
last bit. A duplicate row needs no key of its own, as long as rows with equal keys have equal content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from gatewright import statistics
from gatewright.evidence import Fact, Need, Who
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.metrics import FAMILIES, METRICS, Metric
from gatewright.measure.metrics.classes import Table
from gatewright.measure.metrics.losses import Losses
from gatewright.measure.metrics.ranks import CAP, Ranks
from gatewright.measure.metrics.rows import GROUPS, Answers, Estimate, Rows, State
from gatewright.measure.metrics.sums import Counts, places
from gatewright.paths import Path
from gatewright.policy.model import Aggregate, Task
from gatewright.quantity import Interval, decimal, is_finite

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gatewright.statistics import Ints

Label = bool | int | float | str

_MODELS: tuple[Literal["candidate"], Literal["champion"]] = ("candidate", "champion")


@dataclass(frozen=True, slots=True)
class Slices:
    """A column that rows are sliced by: (n,) codes into `names`."""

    codes: npt.NDArray[np.integer[Any]]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """n rows. target: (n,) truth, of the labels' type. keys: (n,) 64-bit hashes of the rows' content.

    Probabilities of a multiclass task are (n, K) in the order of the tally's labels: see `align`. units: (n,) 64-bit
    hashes of the unit that a row belongs to, None where rows are independent.
    """

    target: Any
    candidate: Predictions
    champion: Predictions | None
    keys: npt.NDArray[np.uint64]
    slices: Mapping[str, Slices] = field(default_factory=dict)
    units: npt.NDArray[np.uint64] | None = None


class Tally:
    """Counts up one holdout for one or two models, as far as `needs` ask.

    labels: every class that the truth or a model may name, for a multiclass task; probabilities follow their order.
    positive: the positive class of a binary task; whatever else is predicted is negative. unit: batches name units,
    and intervals are clustered by them. seed: what the groups, samples and bootstraps derive from; make it from
    digests. cap: rows that order-dependent metrics keep, of each class of a binary task, before they sample.
    """

    def __init__(
        self,
        task: Task,
        needs: Iterable[Need],
        *,
        positive: Label = 1,
        labels: Sequence[Label] = (),
        slice_columns: Sequence[str] = (),
        min_slice_rows: int = 200,
        paired: bool,
        unit: bool = False,
        seed: int = 0,
        cap: int = CAP,
    ) -> None:
        self.task, self.positive, self.labels = task, positive, tuple(labels)
        self.needs = tuple(n for n in needs if n.path.family == "holdout")
        self.slice_columns = tuple(slice_columns)
        self.min_slice_rows, self.paired, self.unit, self.seed, self.cap = min_slice_rows, paired, unit, seed, cap
        self._models = 2 if paired else 1
        self._names: dict[str, dict[str, int]] = {c: {} for c in self._asked(METRICS)}
        self._counts = {c: Counts() for c in (None, *self._names)}
        self._lacks: set[tuple[int, str]] = set()
        self._states: dict[str, State] = dict(self._make_states())

    def _asked(self, metrics: Iterable[str]) -> tuple[str, ...]:
        """The columns that these metrics are wanted by."""
        wanted = frozenset(metrics)
        columns = (n.column for n in self.needs if n.column is not None and n.path.key in wanted)
        return tuple(c for c in dict.fromkeys(columns) if c in self.slice_columns)

    def _make_states(self) -> Iterator[tuple[str, State]]:
        classes = {"binary": 2, "multiclass": len(self.labels), "regression": 0}[self.task]
        for family, metrics in FAMILIES.items():
            fitting = {n.path.key for n in self.needs if self._fits(n.path)}
            wanted = tuple(m for m in metrics if m in fitting)
            columns = self._asked(wanted)
            if not wanted:
                continue
            if family == "classes":
                yield family, Table(classes, self._models, columns, unit=self.unit, seed=self.seed)
            elif family == "losses":
                yield family, Losses(wanted, self._models, columns, unit=self.unit)
            else:
                yield family, Ranks(classes, self._models, columns, unit=self.unit, cap=self.cap)

    def _fits(self, path: Path) -> bool:
        return path.key in METRICS and self.task in METRICS[path.key].tasks

    def update(self, batch: Batch) -> None:
        """Takes in a batch. Raises ValueError for a class that `labels` does not have."""
        import numpy as np

        keys = statistics.mixed(batch.keys, self.seed)
        units = keys if batch.units is None else statistics.mixed(batch.units, self.seed)
        codes = values = None
        if self.task == "regression":
            values = np.asarray(batch.target, np.float64)
        else:
            codes = self._codes(batch.target)
        told = (batch.candidate, *((batch.champion,) if self.paired else ()))
        models = tuple(self._answers(m, p, len(keys)) for m, p in enumerate(told))
        slices = {c: self._slice_codes(c, batch.slices[c]) for c in self._names}
        sizes = {c: len(names) for c, names in self._names.items()}
        groups = (units & np.uint64(GROUPS - 1)).astype(np.int64)
        rows = Rows(models, groups, keys, codes, values, slices, sizes)
        for column, counts in self._counts.items():
            where, size = places(rows, column)
            counts.add(where * 2 + (0 if codes is None else codes == 1), size * 2)
        for state in self._states.values():
            state.update(rows)

    def _codes(self, labels: Any) -> Ints:
        import numpy as np

        if self.task == "binary":
            return np.asarray(np.asarray(labels) == self.positive).astype(np.int64)
        return encode(labels, self.labels)

    def _answers(self, model: int, predictions: Predictions | None, rows: int) -> Answers:
        """A model's answers; where it has none of a kind, zeros stand in, and its metrics stay unknown."""
        import numpy as np

        if self.task == "regression":
            told = None if predictions is None else predictions.values
            self._lack(model, "values", told)
            return Answers(values=np.zeros(rows) if told is None else np.asarray(told, np.float64))
        labels = None if predictions is None else predictions.labels
        scores = None if predictions is None else predictions.probabilities
        self._lack(model, "labels", labels)
        self._lack(model, "probabilities", scores)
        shape = rows if self.task == "binary" else (rows, len(self.labels))
        return Answers(
            np.zeros(rows, np.int64) if labels is None else self._codes(labels),
            np.zeros(shape) if scores is None else scores,
        )

    def _lack(self, model: int, kind: str, told: object) -> None:
        if told is None:
            self._lacks.add((model, kind))

    def _slice_codes(self, column: str, slices: Slices) -> Ints:
        """Codes by this tally's own list of names, which grows as names turn up."""
        import numpy as np

        mine = self._names[column]
        ids = np.array([mine.setdefault(str(name), len(mine)) for name in slices.names], np.int64)
        return np.asarray(ids[slices.codes])

    def merge(self, other: Tally) -> None:
        """Takes in what another tally of the same making has seen."""
        import numpy as np

        ids = {
            column: np.array([mine.setdefault(n, len(mine)) for n in other._names[column]], np.int64)
            for column, mine in self._names.items()
        }
        self._lacks |= other._lacks
        for column, counts in self._counts.items():
            codes, held = other._counts[column].items()
            counts.put(codes if column is None else ids[column][codes // 2] * 2 + codes % 2, held)
        for family, state in self._states.items():
            state.merge(other._states[family], ids)

    def _in_order(self) -> Tally:
        """The same tally with slices in the order of their names, whichever turned up first."""
        ordered = Tally(
            self.task,
            self.needs,
            positive=self.positive,
            labels=self.labels,
            slice_columns=self.slice_columns,
            min_slice_rows=self.min_slice_rows,
            paired=self.paired,
            unit=self.unit,
            seed=self.seed,
            cap=self.cap,
        )
        ordered._names = {c: {n: i for i, n in enumerate(sorted(names))} for c, names in self._names.items()}
        ordered.merge(self)
        return ordered

    def facts(self, source: str) -> tuple[Fact, ...]:
        """What every need asks for, of the candidate, the champion and the pair of them.

        source: where the rows came from, for people. A metric that is not for the task, that a model does not answer
        for, or that the truth leaves undefined is an unreadable fact that says so.
        """
        import numpy as np

        facts = _Facts(self._in_order(), source)
        # What is divided by nothing comes out as NaN, and is told as such.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return tuple(dict.fromkeys(f for asked in _together(self.needs) for f in facts.of(asked)))

    def slice_names(self, column: str | None) -> tuple[str | None, ...]:
        """The slices of a column, in order; one without a name for all rows."""
        return (None,) if column is None else tuple(self._names[column])

    def count(self, column: str | None) -> Any:
        """(S, 2) rows of each slice that are not and are positive; of a task without positives, see the sum."""
        import numpy as np

        codes, counts = self._counts[column].items()
        found = np.zeros(len(self.slice_names(column)) * 2, np.int64)
        found[codes] = counts
        return found.reshape(-1, 2)

    def gap_in(self, metric: str, models: Sequence[int]) -> str:
        """Why these models have no such metric; empty if they have."""
        known = METRICS.get(metric)
        if known is None or self.task not in known.tasks:
            return f"{metric} is no metric of a {self.task} holdout"
        lacking = [m for m in models if (m, known.answer) in self._lacks]
        return f"the {_MODELS[lacking[0]]} does not predict {known.answer}" if lacking else ""

    def estimate(self, metric: str, who: Who, column: str | None, factor: float = 1.0) -> Estimate:
        """A metric by the slices of a column, or of all rows."""
        import numpy as np

        if metric in ("rows", "positives"):
            counts = self.count(column)
            return Estimate((counts.sum(axis=1) if metric == "rows" else counts[:, 1]).astype(np.float64), "")
        family = next(f for f, metrics in FAMILIES.items() if metric in metrics)
        if who == "pair":
            return self._states[family].pair(metric, factor, column)
        return self._states[family].one(metric, _MODELS.index(who), column)


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
    """Turns a tally's estimates into facts."""

    def __init__(self, tally: Tally, source: str) -> None:
        self._tally, self._source = tally, source

    def of(self, asked: _Asked) -> Iterator[Fact]:
        metric, by = asked.path.key, "by" if asked.column is not None else None
        if asked.column is not None and asked.column not in self._tally.slice_columns:
            why = f"{asked.column} is not among the slices of the holdout block"
            yield Fact("candidate", asked.path, "unreadable", why=why, source=self._source)
            return
        whos: list[tuple[Who, float | None]] = [("candidate", None)]
        factors = tuple(dict.fromkeys(f for a in asked.aggregates for f in asked.factors(a)))
        if self._tally.paired and factors:
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
                for who in _MODELS
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
    """Those that could be computed: a proportion of nothing has no bounds, though scikit-learn calls it 0."""
    return tuple(i for i in intervals if is_finite(i.low) and is_finite(i.high))


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


def encode(values: Any, labels: Sequence[Label]) -> Ints:
    """(n,) which of the labels each value is. Raises ValueError for one that is none of them."""
    import numpy as np
    import pandas as pd

    index = pd.Index(list(labels))
    codes = index.get_indexer(pd.Index(np.asarray(values)))
    if len(codes) and codes.min() < 0:
        odd = np.asarray(values)[codes < 0][0]
        raise ValueError(f"{odd!r} is none of the classes {', '.join(map(repr, labels))}")
    return np.asarray(codes, np.int64)


def align(probabilities: Any, classes: Sequence[Label], labels: Sequence[Label]) -> Any:
    """(n, K) probabilities in the order of `labels`; a class that the model does not know gets 0."""
    import numpy as np

    if tuple(classes) == tuple(labels):
        return probabilities
    aligned = np.zeros((len(probabilities), len(labels)))
    aligned[:, encode(np.asarray(classes), labels)] = probabilities
    return aligned
