"""Metrics of predicted classes: accuracy, precision, recall, f1, Matthews' correlation, of two classes or of many.

All are exact: they are computed from one table that counts (true class, candidate's class, champion's class). Memory
is that of the combinations that occur, at most 8 · slices · K³ bytes for K classes, and does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.measure.metrics.rows import GROUPS, Estimate, Rows
from gatewright.measure.metrics.sums import Counts, places

if TYPE_CHECKING:
    from gatewright.statistics import Bounds, Flags, Floats, Ints

#: skewed ratios, whose paired difference is bootstrapped where that is cheap
_BOOTSTRAPPED = ("f1", "mcc")
_MOST_CELLS = 512

#: what the truth may lack, so that a metric says nothing
_WHY = {
    "accuracy": "there are no rows",
    "balanced_accuracy": "one of the classes has no rows",
    "mcc": "all rows are of one class",
    "precision": "no row is positive, and none is predicted positive",
    "recall": "no row is positive",
    "f1": "no row is positive, and none is predicted positive",
}


@dataclass(frozen=True, slots=True)
class Margins:
    """What the metrics read of confusion matrices, one a slice: all are (S, K) but `n`, which is (S, 1)."""

    true: Floats
    predicted: Floats
    right: Floats

    @property
    def n(self) -> Floats:
        found: Floats = self.true.sum(axis=-1, keepdims=True)
        return found

    @property
    def present(self) -> Flags:
        """Classes that occur in the truth or the predictions: scikit-learn averages over these."""
        found: Flags = (self.true > 0) | (self.predicted > 0)
        return found


@dataclass(frozen=True, slots=True)
class Slope:
    """A metric's value, (S,), and its derivative by the count of cell (y, a), in three parts that are (S, K) each.

    The derivative is of_true[y] + of_predicted[a], and of_right[y] where y = a.
    """

    value: Floats
    of_true: Floats
    of_predicted: Floats
    of_right: Floats


Metric = Callable[[Margins], Slope]


def _share(part: Floats, whole: Floats) -> Floats:
    """part/whole, 0 where there is nothing, as scikit-learn has it."""
    import numpy as np

    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _per(whole: Floats) -> Floats:
    import numpy as np

    return np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0)


def _by_class(kind: str, m: Margins) -> tuple[Floats, Floats, Floats, Floats]:
    """(value, and its derivatives by true, predicted and right counts) of each class: precision, recall, or f1."""
    zero = m.true * 0
    if kind == "precision":
        value, per = _share(m.right, m.predicted), _per(m.predicted)
        return value, zero, -value * per, per
    if kind == "recall":
        value, per = _share(m.right, m.true), _per(m.true)
        return value, -value * per, zero, per
    value, per = _share(2 * m.right, m.true + m.predicted), _per(m.true + m.predicted)
    return value, -value * per, -value * per, 2 * per


def _accuracy(m: Margins) -> Slope:
    value = m.right.sum(axis=-1) / m.n[..., 0]
    return Slope(value, -value[..., None] / m.n + 0 * m.true, 0 * m.true, 0 * m.true + 1 / m.n)


def _positive(kind: str) -> Metric:
    def metric(m: Margins) -> Slope:
        value, *slopes = _by_class(kind, m)
        only = m.true * 0
        only[..., 1] = 1
        return Slope(value[..., 1], *(s * only for s in slopes))

    return metric


def _macro(kind: str) -> Metric:
    def metric(m: Margins) -> Slope:
        weight = m.present / m.present.sum(axis=-1, keepdims=True)
        value, *slopes = _by_class(kind, m)
        return Slope((value * weight).sum(axis=-1), *(s * weight for s in slopes))

    return metric


def _weighted(kind: str) -> Metric:
    def metric(m: Margins) -> Slope:
        weight = m.true / m.n
        value, of_true, of_predicted, of_right = _by_class(kind, m)
        mean = (value * weight).sum(axis=-1)
        # A further row of class y moves the weights too.
        moved = (value - mean[..., None]) / m.n
        return Slope(mean, of_true * weight + moved, of_predicted * weight, of_right * weight)

    return metric


def _balanced(m: Margins) -> Slope:
    present = m.true > 0
    weight = present / present.sum(axis=-1, keepdims=True)
    value, *slopes = _by_class("recall", m)
    return Slope((value * weight).sum(axis=-1), *(s * weight for s in slopes))


def _mcc(m: Margins) -> Slope:
    """Matthews' correlation of many classes. J. Gorodkin (2004), Computational Biology and Chemistry 28, 367–374."""
    import numpy as np

    n, right = m.n, m.right.sum(axis=-1, keepdims=True)
    top = right * n - (m.true * m.predicted).sum(axis=-1, keepdims=True)
    of_predicted = n**2 - (m.predicted**2).sum(axis=-1, keepdims=True)
    of_true = n**2 - (m.true**2).sum(axis=-1, keepdims=True)
    scale = np.sqrt(of_predicted) * np.sqrt(of_true)
    value, per = _share(top, scale), _per(scale)
    return Slope(
        value[..., 0],
        per * (right - m.predicted) - value * (n - m.true) * _per(of_true),
        per * -m.true - value * (n - m.predicted) * _per(of_predicted),
        per * n + 0 * m.true,
    )


METRICS: Mapping[str, Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "mcc": _mcc,
    **{kind: _positive(kind) for kind in ("precision", "recall", "f1")},
    **{f"{kind}_macro": _macro(kind) for kind in ("precision", "recall", "f1")},
    **{f"{kind}_weighted": _weighted(kind) for kind in ("precision", "recall", "f1")},
}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells that occur: slice, group of rows (0 without units), true class, each model's class, and the count."""

    slice: Ints
    group: Ints
    true: Ints
    models: tuple[Ints, ...]
    count: Ints


class Table:
    """The state: counts of (slice, true class, candidate's, champion's), by group of units where rows have units."""

    def __init__(self, classes: int, models: int, columns: tuple[str, ...], *, unit: bool, seed: int) -> None:
        self.classes, self.models, self.unit, self.seed = classes, models, unit, seed
        self.columns = columns
        self.sizes: dict[str | None, int] = {None: 1, **dict.fromkeys(columns, 0)}
        self._counts: dict[str | None, Counts] = {c: Counts() for c in (None, *columns)}

    def update(self, rows: Rows) -> None:
        import numpy as np

        assert rows.codes is not None
        cell = rows.codes
        for model in rows.models:
            assert model.codes is not None
            cell = cell * self.classes + model.codes
        if self.unit:
            cell = cell + rows.groups * self._cells
        each = self._cells * (GROUPS if self.unit else 1)
        for column, counts in self._counts.items():
            codes, size = places(rows, column)
            self.sizes[column] = max(self.sizes[column], size)
            counts.add(np.asarray(cell if column is None else codes * each + cell), size * each)

    @property
    def _cells(self) -> int:
        return int(self.classes ** (1 + self.models))

    def merge(self, other: Table, ids: Mapping[str, Ints]) -> None:
        each = self._cells * (GROUPS if self.unit else 1)
        for column, counts in self._counts.items():
            codes, count = other._counts[column].items()
            if column is not None:
                codes = ids[column][codes // each] * each + codes % each
                self.sizes[column] = max(self.sizes[column], *(ids[column] + 1), 0)
            counts.put(codes, count)

    def _occurring(self, column: str | None) -> Cells:
        codes, count = self._counts[column].items()
        models = []
        for _ in range(self.models):
            codes, last = codes // self.classes, codes % self.classes
            models.append(last)
        codes, true = codes // self.classes, codes % self.classes
        groups = GROUPS if self.unit else 1
        return Cells(codes // groups, codes % groups, true, tuple(reversed(models)), count)

    def _sum(self, column: str | None, cells: Cells, classes: Ints, where: Any = slice(None)) -> Floats:
        import numpy as np

        size = self.sizes[column]
        codes = cells.slice[where] * self.classes + classes[where]
        counted = np.bincount(codes, cells.count[where], size * self.classes)
        return counted.reshape(size, self.classes).astype(float)

    def _margins(self, column: str | None, cells: Cells, model: int) -> Margins:
        predicted = cells.models[model]
        return Margins(
            self._sum(column, cells, cells.true),
            self._sum(column, cells, predicted),
            self._sum(column, cells, predicted, predicted == cells.true),
        )

    def one(self, metric: str, model: int, column: str | None) -> Estimate:
        cells = self._occurring(column)
        margins = self._margins(column, cells, model)
        value = _defined(metric, margins, METRICS[metric](margins).value)
        direct = None if self.unit else _proportion(metric, margins)
        if direct is not None:
            return Estimate(value, _why(metric), *direct)
        error = self._error(cells, metric, {model: 1.0}, {model: margins})
        scale: statistics.Scale = "fisher" if metric == "mcc" else "logit"
        return self._delta(metric, value, error, scale)

    def pair(self, metric: str, factor: float, column: str | None) -> Estimate:
        cells = self._occurring(column)
        both = {m: self._margins(column, cells, m) for m in (0, 1)}
        mine, theirs = (_defined(metric, m, METRICS[metric](m).value) for m in both.values())
        value = mine - factor * theirs
        if not self.unit and metric in ("accuracy", "recall", "recall_weighted"):
            four = self._four(column, cells, only=1 if metric == "recall" else None)
            method = "paired Wald, Agresti–Min adjusted"
            bounds = lambda at: statistics.paired_proportions(four, factor, at)  # noqa: E731
            return Estimate(value, _why(metric), method, bounds)
        if not self.unit and column is None and metric in _BOOTSTRAPPED and self._cells <= _MOST_CELLS:
            return self._bootstrapped(cells, metric, factor, value)
        error = self._error(cells, metric, {0: 1.0, 1: -factor}, both)
        return self._delta(metric, value, error, "plain", paired=True)

    def _delta(
        self, metric: str, value: Floats, error: _Error, scale: statistics.Scale, *, paired: bool = False
    ) -> Estimate:
        method = f"{'paired ' * paired}delta method{', clustered by unit' * self.unit}"
        bounds = lambda at: statistics.wald(value, error.size, at, error.df, scale)  # noqa: E731
        return Estimate(value, _why(metric), method, bounds)

    def _error(self, cells: Cells, metric: str, signs: Mapping[int, float], margins: Mapping[int, Margins]) -> _Error:
        """The standard error of Σ sign · metric, by units where there are any, but never below the one of rows."""
        import numpy as np

        present = np.any([m.present for m in margins.values()], axis=0)
        padded = {m: METRICS[metric](_padded(margins[m], present)) for m in signs}
        variance = _by_rows(cells, signs, padded, present)
        if not self.unit:
            return _Error(np.sqrt(variance), None)
        size = len(present)
        slopes = {m: METRICS[metric](margins[m]) for m in signs}
        codes = cells.slice * GROUPS + cells.group
        influence = statistics.sums_by(codes, cells.count * _slope_at(cells, signs, slopes), size * GROUPS)
        filled = np.bincount(codes, cells.count, size * GROUPS).reshape(size, GROUPS) > 0
        clustered, df = statistics.grouped_variance(influence.reshape(size, GROUPS), filled)
        return _Error(np.sqrt(np.maximum(variance, clustered)), df)

    def _four(self, column: str | None, cells: Cells, only: int | None) -> Floats:
        """(S, 4) rows that both models, only the candidate, only the champion, neither has right."""
        import numpy as np

        wrong = [(model != cells.true).astype(np.int64) for model in cells.models]
        # both right 0, only the candidate 1, only the champion 2, neither 3
        codes = cells.slice * 4 + 2 * wrong[0] + wrong[1]
        count = cells.count if only is None else cells.count * (cells.true == only)
        counted = np.bincount(codes, count, self.sizes[column] * 4)
        return counted.reshape(-1, 4).astype(np.float64)

    def _bootstrapped(self, cells: Cells, metric: str, factor: float, value: Floats) -> Estimate:
        import numpy as np

        k = self.classes
        counts = np.full((k, k, k), 2 / k**2)
        counts[cells.true, cells.models[0], cells.models[1]] += cells.count

        def statistic(drawn: Floats) -> Floats:
            tables = drawn.reshape(-1, k, k, k)
            mine, theirs = (METRICS[metric](_of_matrix(tables.sum(axis=a))).value for a in (3, 2))
            return mine - factor * theirs

        def bounds(level: float) -> Bounds:
            replicates = min(max(statistics.REPLICATES, round(statistics.TAIL / (1 - level))), 100_000)
            low, high = statistics.bootstrap(counts.ravel(), statistic, self.seed, replicates)(level)
            return np.array([low]), np.array([high])

        return Estimate(value, _why(metric), "paired bootstrap of the counts", bounds)


@dataclass(frozen=True, slots=True)
class _Error:
    """Standard errors (S,), and the degrees of freedom behind them where they are few."""

    size: Floats
    df: Floats | None


def _why(metric: str) -> str:
    return _WHY.get(metric, "there are no rows")


def _defined(metric: str, m: Margins, value: Floats) -> Floats:
    """NaN where the truth lacks what the metric is about."""
    import numpy as np

    defined = m.n[..., 0] > 0
    if metric in ("precision", "f1"):
        defined = (m.true + m.predicted)[..., 1] > 0
    elif metric == "recall":
        defined = m.true[..., 1] > 0
    elif metric == "mcc" or (metric == "balanced_accuracy" and m.true.shape[-1] == 2):
        defined = (m.true > 0).sum(axis=-1) > 1
    return np.where(defined, value, np.nan)


def _proportion(metric: str, m: Margins) -> tuple[str, Callable[[float], Bounds]] | None:
    """Bounds of metrics that are proportions, functions of one, or means of some."""
    right, wilson = m.right, statistics.wilson
    if metric in ("accuracy", "recall_weighted"):
        return "Wilson", lambda at: wilson(right.sum(axis=-1), m.n[..., 0], at)
    if metric in ("precision", "recall"):
        trials = m.predicted if metric == "precision" else m.true
        return "Wilson", lambda at: wilson(right[..., 1], trials[..., 1], at)
    if metric == "f1":
        return "Wilson, of the Jaccard index", lambda at: _f1(m, at)
    if metric in ("balanced_accuracy", "recall_macro"):
        present = m.true > 0 if metric == "balanced_accuracy" else m.present
        return "Wilson by class, combined", lambda at: _mean_recall(m, present, at)
    return None


def _f1(m: Margins, level: float) -> Bounds:
    """f1 = 2J/(1 + J) of the Jaccard index J, which is the share of right ones among rows with a positive."""
    right = m.right[..., 1]
    low, high = statistics.wilson(right, (m.true + m.predicted)[..., 1] - right, level)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def _mean_recall(m: Margins, present: Flags, level: float) -> Bounds:
    import numpy as np

    low, high = (np.nan_to_num(b) for b in statistics.wilson(m.right, m.true, level))
    weights = present / present.sum(axis=-1, keepdims=True)
    return statistics.mean_of(_share(m.right, m.true), low, high, weights)


def _padded(m: Margins, present: Flags) -> Margins:
    """Two further rows a class, spread over all predictions: no table is so clean that nothing could go wrong.

    This is Agresti and Min's adjustment for any metric of a table.
    """
    import numpy as np

    some = 2.0 * present
    cell = some / np.maximum(present.sum(axis=-1, keepdims=True), 1)
    return replace(m, true=m.true + some, predicted=m.predicted + some, right=m.right + cell)


def _by_rows(cells: Cells, signs: Mapping[int, float], slopes: Mapping[int, Slope], present: Flags) -> Floats:
    """The delta method's variance, Σ (count + padding) · slope², of independent rows."""
    import numpy as np

    size = len(present)
    seen = statistics.sums_by(cells.slice, cells.count * _slope_at(cells, signs, slopes) ** 2, size)
    k = np.maximum(present.sum(axis=-1), 1)
    parts = [(sign, *_over_predictions(slopes[model], present)) for model, sign in signs.items()]
    # Each class's two rows are shared out over its k predictions, or k² pairs of them.
    padding = sum(sign**2 * square for sign, _, square in parts) * 2 / k
    if len(parts) == 2:
        (mine, row, _), (theirs, other, _) = parts
        padding = padding + 2 * mine * theirs * (row * other).sum(axis=-1) * 2 / k**2
    return np.asarray(seen + padding)


def _over_predictions(slope: Slope, present: Flags) -> tuple[Floats, Floats]:
    """Over every prediction a of a present class: (S, K) Σ slope(y, a), and (S,) Σ slope(y, a)² over y too."""
    import numpy as np

    u, v, d = (part * present for part in (slope.of_true, slope.of_predicted, slope.of_right))
    k = present.sum(axis=-1)
    row = (k[..., None] * u + v.sum(axis=-1, keepdims=True) + d) * present
    square = k * (u**2 + v**2).sum(axis=-1) + 2 * u.sum(axis=-1) * v.sum(axis=-1)
    return row, np.asarray(square + (d**2 + 2 * d * (u + v)).sum(axis=-1))


def _slope_at(cells: Cells, signs: Mapping[int, float], slopes: Mapping[int, Slope]) -> Floats:
    """(cells,) Σ sign · slope at the cells that occur."""
    import numpy as np

    total = np.zeros(len(cells.slice))
    for model, sign in signs.items():
        slope, predicted = slopes[model], cells.models[model]
        right = slope.of_right[cells.slice, cells.true] * (predicted == cells.true)
        total += sign * (slope.of_true[cells.slice, cells.true] + slope.of_predicted[cells.slice, predicted] + right)
    return total


def _of_matrix(tables: Floats) -> Margins:
    """Margins of (S, K, K) confusion matrices."""
    import numpy as np

    return Margins(tables.sum(axis=2), tables.sum(axis=1), np.diagonal(tables, axis1=1, axis2=2))
