"""Metrics that need the order of scores or errors: ROC area, average precision, median absolute error.

They keep the rows, 17 to 40 bytes each, and are exact up to CAP rows. Beyond, the rows with the lowest hashes are kept,
half of them of either class of a binary task: a random sample that every run draws alike. Memory stays flat, the
method is called approximate, and the interval is that of the sample, so that it covers what the sampling added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.measure.metrics.rows import GROUPS, Estimate, Rows
from gatewright.measure.metrics.sums import Counts, places

if TYPE_CHECKING:
    from gatewright.statistics import Bounds, Flags, Floats, Ints

#: rows that are all kept; of more, a sample of as many
CAP = 1 << 20

_WHY = {
    "roc_auc": "it needs rows inside and outside of each class",
    "average_precision": "it needs rows of each class",
    "median_ae": "there are no rows",
}

METRICS = (
    *("roc_auc", "average_precision", "median_ae"),
    *(f"{kind}_{average}" for kind in ("roc_auc", "average_precision") for average in ("macro", "weighted")),
)


class Ranks:
    """The state: the rows' truth, scores or errors, slices, group and hash.

    classes: 2 for a binary task, more for others, 0 for a regression. cap: how many rows are kept before a sample is;
    with more than two classes, which need a score each, fewer.
    """

    def __init__(self, classes: int, models: int, columns: tuple[str, ...], *, unit: bool, cap: int = CAP) -> None:
        self.classes, self.models, self.unit = classes, models, unit
        self.columns, self.strata = columns, 2 if classes == 2 else 1
        self.cap = cap if classes <= 2 else max(2 * cap // classes, 1)
        self.sizes: dict[str | None, int] = {None: 1, **dict.fromkeys(columns, 1)}
        self._parts: list[dict[str, Any]] = []
        self._total = self._kept = 0
        self._limit: list[Any] = [None] * self.strata
        self._seen: dict[str | None, Counts] = {c: Counts() for c in (None, *columns)}
        self._pruned = False
        self._memory: dict[tuple[object, ...], Any] = {}
        self._runs_of: dict[tuple[int, str | None, int], statistics.Runs] = {}

    def update(self, rows: Rows) -> None:
        import numpy as np

        part: dict[str, Any] = {"key": rows.keys}
        if self.classes:
            assert rows.codes is not None
            part["class"] = rows.codes.astype(np.uint8 if self.classes <= 256 else np.int32)
        for model, answers in enumerate(rows.models):
            part[f"score {model}"] = answers.scores if self.classes else np.abs(rows.values - answers.values)  # type: ignore[operator]
        if self.unit:
            part["group"] = rows.groups.astype(np.uint16)
        stratum = self._stratum(part)
        for column, seen in self._seen.items():
            codes, size = places(rows, column)
            self.sizes[column] = max(self.sizes[column], size)
            seen.add(codes * self.strata + stratum, size * self.strata)
            if column is not None:
                part[f"slice {column}"] = codes.astype(np.uint16 if size <= 1 << 16 else np.int32)
        self._total += len(rows)
        self._take(part)

    def _stratum(self, part: Mapping[str, Any]) -> Any:
        import numpy as np

        return part["class"].astype(np.int64) if self.strata == 2 else np.zeros(len(part["key"]), np.int64)

    def _take(self, part: dict[str, Any]) -> None:
        """Keeps what may belong to the sample; where that has become too much, the lowest hashes of it."""
        self._pruned = False
        self._memory.clear()
        self._runs_of.clear()
        for stratum, limit in enumerate(self._limit):
            if limit is not None:
                keep = (self._stratum(part) != stratum) | (part["key"] <= limit)
                part = _only(part, keep)
        self._parts.append(part)
        self._kept += len(part["key"])
        if self._kept > self.cap + self.cap // 4:
            self._prune()

    def _prune(self) -> None:
        """Leaves the lowest hashes of each stratum. Rows of equal content have equal hashes and stay together."""
        import numpy as np

        rows, most = _joined(self._parts), self.cap // self.strata
        strata = self._stratum(rows)
        keep = np.ones(len(strata), np.bool_)
        for stratum in range(self.strata):
            mine = np.flatnonzero(strata == stratum)
            if len(mine) > most:
                keys = rows["key"][mine]
                self._limit[stratum] = np.partition(keys, most - 1)[most - 1]
                keep[mine] = keys <= self._limit[stratum]
        rows = _only(rows, keep)
        self._parts, self._kept, self._pruned = [rows], len(strata[keep]), True

    def merge(self, other: Ranks, ids: Mapping[str, Ints]) -> None:
        import numpy as np

        for column, seen in self._seen.items():
            codes, counts = other._seen[column].items()
            if column is not None:
                codes = ids[column][codes // self.strata] * self.strata + codes % self.strata
                self.sizes[column] = max(self.sizes[column], int(max(ids[column], default=0)) + 1)
            seen.put(codes, counts)
        for stratum, limit in enumerate(other._limit):
            held = self._limit[stratum]
            self._limit[stratum] = limit if held is None else held if limit is None else min(limit, held)
        mine, self._parts, self._kept = self._parts, [], 0
        self._total += other._total
        for part in mine:
            self._take(part)
        for part in other._parts:
            moved = {f"slice {c}": ids[c][part[f"slice {c}"]].astype(np.int32) for c in self.columns}
            self._take({**part, **moved})

    @property
    def approximate(self) -> bool:
        """Whether only a sample of the rows is kept."""
        return self._total > self.cap

    def _once(self, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def _column(self, name: str) -> Any:
        if self.approximate and not self._pruned:
            self._prune()
        if len(self._parts) > 1:
            self._parts = [_joined(self._parts)]
        return self._parts[0][name]

    def _slices(self, column: str | None) -> Ints:
        import numpy as np

        if column is None:
            return np.zeros(len(self._column("key")), np.int64)
        found: Ints = self._once(("slices", column), lambda: self._column(f"slice {column}").astype(np.int64))
        return found

    def one(self, metric: str, model: int, column: str | None) -> Estimate:
        if not self._parts:
            return _nothing(self.sizes[column])
        if metric == "median_ae":
            value, bounds = self._median(model, column)
            return Estimate(value, _WHY["median_ae"], self._method("order statistics"), lambda at: bounds(at, True))
        value = self._once(("value", metric, model, column), lambda: self._value(metric, model, column))
        return self._estimate(metric, value, {model: 1.0}, column, "logit")

    def pair(self, metric: str, factor: float, column: str | None) -> Estimate:
        if not self._parts:
            return _nothing(self.sizes[column])
        if metric == "median_ae":
            return self._paired_medians(factor, column)
        mine, theirs = (self.one(metric, model, column).value for model in (0, 1))
        value = mine - factor * theirs
        found = self._estimate(metric, value, {0: 1.0, 1: -factor}, column, "plain")
        return replace(found, method=f"paired {found.method}")

    def _method(self, name: str) -> str:
        clustered = ", clustered by unit" * self.unit
        rows = f", approximate: of a sample of {len(self._column('key')):,} rows".replace(",", " ")
        return f"{name}{clustered}{',' + rows[1:] if self.approximate else ''}"

    # -- ROC and precision-recall ------------------------------------------------------------------------------------

    def _estimate(
        self, metric: str, value: Floats, signs: Mapping[int, float], column: str | None, scale: statistics.Scale
    ) -> Estimate:
        """The errors are only worked out once bounds are asked for."""

        def bounds(level: float) -> Bounds:
            key = ("error", metric, *signs.items(), column)
            error, df = self._once(key, lambda: self._error(metric, signs, column))
            return statistics.wald(value, error, level, df, scale)

        name = "DeLong" if metric == "roc_auc" else "delta method"
        why = next(why for kind, why in _WHY.items() if metric.startswith(kind))
        return Estimate(value, why, self._method(name), bounds)

    def _error(self, metric: str, signs: Mapping[int, float], column: str | None) -> tuple[Floats, Floats | None]:
        """(standard errors by slice of Σ sign · metric, degrees of freedom where groups are few)."""
        import numpy as np

        size, slices = self.sizes[column], self._slices(column)
        rows = np.bincount(slices, minlength=size)
        influence = sum(sign * self._influence(metric, model, column) for model, sign in signs.items())
        df = None
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.unit:
                summed, filled = self._grouped(np.asarray(influence), column)
                variance, df = statistics.grouped_variance(summed / rows[:, None], filled)
            else:
                variance = statistics.squares_by(slices, np.asarray(influence), size) / rows**2
        return np.sqrt(np.maximum(variance, self._least_variance(column))), df

    def _grouped(self, values: Floats, column: str | None) -> tuple[Floats, Flags]:
        """((S, GROUPS) sums over each group of units, whether it has rows)."""
        import numpy as np

        size = self.sizes[column] * GROUPS
        codes = self._slices(column) * GROUPS + self._column("group")
        filled = np.bincount(codes, minlength=size).reshape(-1, GROUPS) > 0
        return statistics.sums_by(codes, values, size).reshape(-1, GROUPS), filled

    def _least_variance(self, column: str | None) -> Floats:
        """That of one row a class misplaced by half: perfect separation of few rows proves little."""
        import numpy as np

        rows = self._by_class(column)
        smallest = np.where(rows > 0, rows, np.inf).min(axis=1)
        return np.asarray(0.25 / smallest**2)

    def _by_class(self, column: str | None) -> Floats:
        """(S, K) kept rows of each class."""
        import numpy as np

        size = self.sizes[column]
        codes = self._slices(column) * self.classes + self._column("class")
        return np.bincount(codes, minlength=size * self.classes).reshape(size, self.classes).astype(float)

    def _weights(self, column: str | None) -> Floats:
        """(S, 2) rows that a kept row of each stratum stands for."""
        import numpy as np

        size = self.sizes[column]
        if self.strata == 1 or not self.approximate:
            return np.ones((size, 2))
        codes, counts = self._seen[column].items()
        seen = np.zeros(size * 2)
        seen[codes] = counts
        return np.asarray(seen.reshape(size, 2) / np.maximum(self._by_class(column), 1))

    def _value(self, metric: str, model: int, column: str | None) -> Floats:
        """(S,) the metric, or the mean of it over classes."""
        import numpy as np

        kind, average = _parts_of(metric)
        if not average:
            return self._curve(kind, model, column, 1)[0].area
        areas = np.stack([self._curve(kind, model, column, k)[0].area for k in range(self.classes)], axis=1)
        return np.asarray((self._class_weights(average, column) * areas).sum(axis=1))

    def _influence(self, metric: str, model: int, column: str | None) -> Floats:
        """(n,) each row's influence, times the rows of its slice."""
        import numpy as np

        kind, average = _parts_of(metric)
        if not average:
            return self._of_class(kind, model, column, 1)[1]
        slices, classes = self._slices(column), self._column("class")
        weights, found = self._class_weights(average, column), np.zeros(len(classes))
        areas = np.zeros_like(weights)
        for k in range(self.classes):
            areas[:, k], of_class = self._of_class(kind, model, column, k)
            found += weights[slices, k] * of_class
        if average == "weighted":
            # A further row of a class moves the weights too.
            found += np.nan_to_num(areas[slices, classes] - (weights * areas).sum(axis=1)[slices])
        return found

    def _class_weights(self, average: str, column: str | None) -> Floats:
        """(S, K) what each class counts for in the mean."""
        import numpy as np

        rows = self._by_class(column)
        if average == "macro":
            return np.full_like(rows, 1 / self.classes)
        return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1))

    def _of_class(self, kind: str, model: int, column: str | None, k: int) -> tuple[Floats, Floats]:
        """(area by slice, each row's influence times the rows of its slice) of one class against the rest."""
        import numpy as np

        curve, runs = self._curve(kind, model, column, k)
        positive, slices = self._column("class") == k, self._slices(column)
        ones = np.bincount(slices, positive, self.sizes[column])
        rows = np.bincount(slices, minlength=self.sizes[column])
        with np.errstate(divide="ignore", invalid="ignore"):
            if kind == "roc_auc":
                # DeLong's n (n − 1), written as a factor of each row.
                per = [rows / np.sqrt(np.maximum(n * (n - 1), 0)) for n in (rows - ones, ones)]
            else:
                weights = self._weights(column)
                per = [rows * weights[:, c] / (ones * weights[:, 1]) for c in (0, 1)]
        factor = np.where(positive, per[1][slices], per[0][slices])
        change = curve.to_rows(runs, positive) * factor
        return curve.area, np.nan_to_num(change, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def _curve(self, kind: str, model: int, column: str | None, k: int) -> tuple[statistics.Curve, statistics.Runs]:
        """Kept for the next question or two, not for long: it is several times as large as the rows."""
        key = (model, column, k)
        if key not in self._runs_of:
            self._runs_of = {**dict(list(self._runs_of.items())[-1:]), key: self._runs(*key)}
        runs = self._runs_of[key]
        if kind == "roc_auc":
            return statistics.roc_auc(runs), runs
        return statistics.average_precision(runs, self._weights(column)), runs

    def _runs(self, model: int, column: str | None, k: int) -> statistics.Runs:
        import numpy as np

        positive = self._column("class") == k
        scores = self._column(f"score {model}")
        scores = scores if scores.ndim == 1 else scores[:, k]
        order = self._once(("order", model, k), lambda: np.argsort(scores))
        slices = None if column is None else self._slices(column)
        return statistics.ordered_runs(scores, positive, order, slices, self.sizes[column])

    # -- medians -----------------------------------------------------------------------------------------------------

    def _median(self, model: int, column: str | None) -> tuple[Floats, Callable[[float, bool], Bounds]]:
        """(medians by slice, their bounds at a level, rounded outwards or not)."""
        import numpy as np

        errors, slices = self._column(f"score {model}"), self._slices(column)
        order = np.lexsort((errors, slices))
        ordered = np.append(errors[order], np.nan)
        rows = np.bincount(slices, minlength=self.sizes[column])
        starts = np.cumsum(rows) - rows

        def at(rank: Any) -> Any:
            """The errors at these ranks, interpolated between two."""
            below = np.floor(rank).astype(np.int64)
            first, second = (
                ordered[np.where(rows > 0, starts + r, 0)] for r in (below, np.ceil(rank).astype(np.int64))
            )
            return np.where(rows > 0, first + (rank - below) * (second - first), np.nan)

        value = (at((rows - 1) // 2) + at(rows // 2)) / 2
        spread = self._spread(model, column, value)

        def bounds(level: float, outwards: bool) -> Bounds:
            low, high = statistics.median_ranks(rows.astype(float), level, spread)
            low, high = (np.floor(low), np.ceil(high)) if outwards else (low, high)
            # Not even the extremes of so few rows enclose the median that surely.
            few = 0.5**rows > 1 - level
            return np.where(few, np.nan, at(low)), np.where(few, np.nan, at(high))

        return value, bounds

    def _spread(self, model: int, column: str | None, value: Floats) -> Floats:
        """(S,) the standard deviation of how many rows lie below the median."""
        import numpy as np

        slices = self._slices(column)
        if not self.unit:
            return np.asarray(np.sqrt(np.bincount(slices, minlength=self.sizes[column])) / 2)
        side = np.where(self._column(f"score {model}") <= value[slices], 0.5, -0.5)
        variance, _ = statistics.grouped_variance(*self._grouped(side, column))
        return np.asarray(np.sqrt(np.nan_to_num(variance, nan=np.inf)))

    def _paired_medians(self, factor: float, column: str | None) -> Estimate:
        import numpy as np

        (mine, of_mine), (theirs, of_theirs) = (self._median(m, column) for m in (0, 1))
        slices, size = self._slices(column), self.sizes[column]
        below = [self._column(f"score {m}") <= v[slices] for m, v in ((0, mine), (1, theirs))]
        rows = np.maximum(np.bincount(slices, minlength=size), 1)
        a, b, both = (np.bincount(slices, x, size) / rows for x in (*below, below[0] & below[1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            together = np.nan_to_num((both - a * b) / np.sqrt(a * (1 - a) * b * (1 - b)))

        def bounds(level: float) -> Bounds:
            return statistics.mover(
                (mine, *of_mine(level, False)), (theirs, *of_theirs(level, False)), factor, together
            )

        method = self._method("paired order statistics")
        return Estimate(mine - factor * theirs, _WHY["median_ae"], method, bounds)


def _parts_of(metric: str) -> tuple[str, str]:
    """("roc_auc", "macro") of roc_auc_macro; ("roc_auc", "") of roc_auc."""
    kind, _, average = metric.rpartition("_")
    return (kind, average) if average in ("macro", "weighted") else (metric, "")


def _nothing(slices: int) -> Estimate:
    import numpy as np

    return Estimate(np.full(slices, np.nan), "there are no rows")


def _only(rows: Mapping[str, Any], keep: Flags) -> dict[str, Any]:
    return {name: values[keep] for name, values in rows.items()}


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    import numpy as np

    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
