"""Metrics that are functions of sums over rows: log loss and Brier score, and the errors of regressions.

All are exact. Memory: a few sums for each slice and each of 1,024 groups of rows, whatever the number of rows. The
groups, into which a hash deals rows or units, are what variances are taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.measure.metrics.rows import GROUPS, Answers, Estimate, Rows
from gatewright.measure.metrics.sums import Sums, places

if TYPE_CHECKING:
    from gatewright.statistics import Floats, Ints

#: the least probability that counts, as in scikit-learn: a model that rules out what happens loses 36, not infinity
_LEAST = 2.0**-52

_WHY = "there are no rows, or a number too large to be squared"

_PROBABILITY = ("log_loss", "brier")
_REGRESSION = ("rmse", "mae", "mape", "r2", "max_error")
METRICS = (*_PROBABILITY, *_REGRESSION)


def _log_loss(rows: Rows, answers: Answers) -> Floats:
    import numpy as np

    assert rows.codes is not None and answers.scores is not None
    scores = answers.scores
    if scores.ndim == 1:
        of_truth = np.where(rows.codes == 1, scores, 1 - scores)
    else:
        of_truth = scores[np.arange(len(scores)), rows.codes]
    return np.asarray(-np.log(np.clip(of_truth, _LEAST, 1 - _LEAST)))


def _brier(rows: Rows, answers: Answers) -> Floats:
    assert rows.codes is not None and answers.scores is not None
    return (answers.scores - rows.codes) ** 2


def _error(rows: Rows, answers: Answers) -> Floats:
    import numpy as np

    assert rows.values is not None and answers.values is not None
    return np.abs(rows.values - answers.values)


def _squared(rows: Rows, answers: Answers) -> Floats:
    return _error(rows, answers) ** 2


def _relative(rows: Rows, answers: Answers) -> Floats:
    """The error over the truth's size; where that is zero, over 2**-52, as scikit-learn has it."""
    import numpy as np

    assert rows.values is not None
    return _error(rows, answers) / np.maximum(np.abs(rows.values), _LEAST)


_LOSS: Mapping[str, Callable[[Rows, Answers], Floats]] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "rmse": _squared,
    "mae": _error,
    "mape": _relative,
    "r2": _squared,
}


class Losses:
    """The state: exact sums by slice and group of rows.

    metrics: those that are asked for, no others can be had. columns: those that are sliced by.
    """

    def __init__(self, metrics: tuple[str, ...], models: int, columns: tuple[str, ...], *, unit: bool) -> None:
        self.metrics, self.models, self.unit = metrics, models, unit
        # All rows are the sum of any column's slices.
        self.columns: tuple[str | None, ...] = columns or (None,)
        self.sizes: dict[str | None, int] = dict.fromkeys((None, *columns), 1)
        self._sums: dict[tuple[str | None, str], Sums] = {}
        self._largest: dict[tuple[str | None, int], Any] = {}

    def update(self, rows: Rows) -> None:
        import numpy as np

        terms = {"rows": np.ones(len(rows))}
        losses = dict.fromkeys(_LOSS[m] for m in self.metrics if m in _LOSS)
        for model, answers in enumerate(rows.models):
            with np.errstate(over="ignore"):
                terms |= {f"{loss.__name__} {model}": loss(rows, answers) for loss in losses}
        if "r2" in self.metrics:
            assert rows.values is not None
            terms |= {"truth": rows.values, **dict(zip(("square", "rest"), _square(rows.values), strict=True))}
        for column in self.columns:
            codes, size = places(rows, column)
            self.sizes[column] = max(self.sizes[column], size)
            cells = codes * GROUPS + rows.groups
            for name, values in terms.items():
                self._sum(column, name).add(values, cells, size * GROUPS)
            for model, answers in enumerate(rows.models if "max_error" in self.metrics else ()):
                self._keep_largest(column, model, _error(rows, answers), codes)

    def _sum(self, column: str | None, name: str) -> Sums:
        """The sum of that name; a square and the rest that rounding left of it are one sum."""
        # Losses of probabilities are at most 36.04: two digits of 32 bits hold them to 2**-58.
        bounded = name.startswith(("_log_loss", "_brier"))
        name = "square" if name == "rest" else name
        fresh = Sums(26, -1) if bounded else Sums()
        return self._sums.setdefault((column, name), fresh)

    def _keep_largest(self, column: str | None, model: int, errors: Floats, codes: Ints) -> None:
        import numpy as np

        largest = np.zeros(self.sizes[column])
        held = self._largest.get((column, model), largest[:0])
        largest[: len(held)] = held
        np.maximum.at(largest, codes, errors)
        self._largest[column, model] = largest

    def merge(self, other: Losses, ids: Mapping[str, Ints]) -> None:
        import numpy as np

        for column in self.columns:
            moved = np.zeros(1, np.int64) if column is None else ids[column]
            self.sizes[column] = max(self.sizes[column], int(max(moved, default=0)) + 1)
            for (of, name), held in other._sums.items():
                if of == column:
                    self._sum(column, name).merge(held, moved)
            for (of, model), largest in other._largest.items():
                if of == column:
                    self._keep_largest(column, model, largest, moved[: len(largest)])

    def one(self, metric: str, model: int, column: str | None) -> Estimate:
        if metric == "max_error":
            largest = self._largest_of(model, column)
            return Estimate(largest, "there are no rows")
        value, influence = self._linear(metric, model, column)
        scale: statistics.Scale = "plain" if metric == "r2" else "log"
        return self._estimate(value, influence, column, scale)

    def pair(self, metric: str, factor: float, column: str | None) -> Estimate:
        if metric == "max_error":
            value = self._largest_of(0, column) - factor * self._largest_of(1, column)
            return Estimate(value, "there are no rows")
        (mine, of_mine), (theirs, of_theirs) = (self._linear(metric, m, column) for m in (0, 1))
        found = self._estimate(mine - factor * theirs, of_mine - factor * of_theirs, column, "plain")
        return replace(found, method=f"paired {found.method}")

    def _estimate(self, value: Floats, influence: Floats, column: str | None, scale: statistics.Scale) -> Estimate:
        import numpy as np

        variance, df = statistics.grouped_variance(influence, self._table("rows", column) > 0)
        error = np.sqrt(variance)
        method = "delta method" + ", clustered by unit" * self.unit
        bounds = lambda at: statistics.wald(value, error, at, df, scale)  # noqa: E731
        return Estimate(value, _WHY, method, bounds)

    def _linear(self, metric: str, model: int, column: str | None) -> tuple[Floats, Floats]:
        """(value by slice, its influence by slice and group)."""
        import numpy as np

        name = f"{_LOSS[metric].__name__} {model}"
        rows, losses = self._table("rows", column), self._table(name, column)
        n = rows.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._totals(name, column) / n
            of_mean = (losses - mean[:, None] * rows) / n[:, None]
            if metric == "rmse":
                root = np.sqrt(mean)
                return root, np.where(root[:, None] > 0, of_mean / (2 * root[:, None]), 0)
            if metric != "r2":
                return mean, of_mean
            spread = self._spread(column)
            share = mean / spread
            centre = (self._totals("truth", column) / n)[:, None]
            of_spread = self._table("square", column) - 2 * centre * self._table("truth", column) + centre**2 * rows
            influence = (share[:, None] * of_spread - losses) / (n * spread)[:, None]
            return np.where(spread > 0, 1 - share, np.nan), influence

    def _spread(self, column: str | None) -> Floats:
        """(S,) variance of the truth, from exact sums: nothing cancels where its mean is large."""
        import numpy as np

        rows = self._totals("rows", column)
        found = np.full(len(rows), np.nan)
        if self._sums_of("square", column).overflow:
            return found
        for slice_ in np.flatnonzero(rows):
            n = int(rows[slice_])
            square = self._sums_of("square", column).exact(int(slice_))
            total = self._sums_of("truth", column).exact(int(slice_))
            found[slice_] = float((square - total * total / n) / n)
        return found

    def _largest_of(self, model: int, column: str | None) -> Floats:
        import numpy as np

        if column is not None or None in self.columns:
            return np.asarray(self._largest[column, model])
        return np.asarray(self._largest[self.columns[0], model].max(keepdims=True))

    def _sums_of(self, name: str, column: str | None) -> Sums:
        if column is None and None not in self.columns:
            return self._sum(self.columns[0], name).over_all()
        return self._sum(column, name)

    def _table(self, name: str, column: str | None) -> Floats:
        return self._sums_of(name, column).table(self.sizes[column])

    def _totals(self, name: str, column: str | None) -> Floats:
        return self._sums_of(name, column).totals(self.sizes[column])


def _square(values: Floats) -> tuple[Floats, Floats]:
    """(square, what rounding took off it): their sum is the exact square. T. J. Dekker (1971)."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        square = values * values
        wide = values * 134217729.0
        high = wide - (wide - values)
        low = values - high
        return square, ((high * high - square) + 2 * high * low) + low * low
