"""How sure a measured value is: arrays in, bounds out. Every bound is one-sided at its level, as `Interval` has it.

Functions take one estimate an array element, so that a thousand slices cost what one does. Nothing here depends on
the order of rows, not in the last bit: what is summed is made of whole numbers first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]
    Ints: TypeAlias = npt.NDArray[np.int64]
    Flags: TypeAlias = npt.NDArray[np.bool_]
    Bounds: TypeAlias = tuple[Floats, Floats]

Scale = Literal["plain", "log", "logit", "fisher"]

#: fewer replicates than this beyond a bound, and the bootstrap's own noise shows
TAIL = 10
REPLICATES = 1000


def holm_levels(level: float, slices: int) -> tuple[float, ...]:
    """The levels that Holm's procedure may ask for, `level` first: 1 − (1 − level)/k for k = 1 … slices.

    S. Holm (1979), Scandinavian Journal of Statistics 6, 65–70.
    """
    return tuple(1 - (1 - level) / k for k in range(1, max(slices, 1) + 1))


def critical(level: float, df: Floats | float | None = None) -> Any:
    """The quantile of the normal distribution, or of Student's with `df` degrees of freedom."""
    if df is None:
        return NormalDist().inv_cdf(level)
    from scipy import special

    return special.stdtrit(df, level)


# -- bounds from an estimate and its standard error --------------------------------------------------------------


def wald(value: Floats, error: Floats, level: float, df: Floats | None = None, scale: Scale = "plain") -> Bounds:
    """Bounds value ± quantile · error, taken on a scale on which the estimate is closer to normal, and brought back.

    error: standard errors on the plain scale; the delta method carries them over. Estimates at the end of their
    scale (a logit of 1), or whose error is of the size of what is left to there, stay on the plain one.
    """
    import numpy as np

    step = critical(level, df) * error
    if scale == "plain":
        return value - step, value + step
    room = {"log": value, "logit": np.minimum(value, 1 - value), "fisher": 1 - abs(value)}[scale]
    inside = (room > 0) & (error < room / 2)
    safe = np.where(inside, value, 0.5)
    there, slope, back = _transform(scale, safe)
    low = np.where(inside, back(there - step * slope), value - step)
    high = np.where(inside, back(there + step * slope), value + step)
    return low, high


def _transform(scale: Scale, value: Floats) -> tuple[Floats, Floats, Callable[[Floats], Floats]]:
    """(the value on the scale, the scale's slope there, the way back)."""
    import numpy as np

    if scale == "log":
        return np.log(value), 1 / value, np.exp
    if scale == "logit":
        return np.log(value / (1 - value)), 1 / (value * (1 - value)), lambda x: 1 / (1 + np.exp(-x))
    return np.arctanh(value), 1 / (1 - value**2), np.tanh


def wilson(successes: Floats, trials: Floats, level: float) -> Bounds:
    """Wilson's score bounds of a proportion; NaN where there are no trials.

    E. B. Wilson (1927), JASA 22, 209–212.
    """
    import numpy as np

    z2 = critical(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = successes / trials
        centre = (successes + z2 / 2) / (trials + z2)
        half = np.sqrt(z2 * (trials * share * (1 - share) + z2 / 4)) / (trials + z2)
    # At 0 and 1 the far bound is the estimate itself, whatever rounding says.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == trials, 1.0, centre + half)
    nothing = trials <= 0
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def paired_proportions(cells: Floats, factor: float, level: float, pseudo: float = 0.5) -> Bounds:
    """Bounds of p_a − factor·p_b, both proportions of the same rows.

    cells: (…, 4) counts of rows where both are right, only a, only b, neither. Wald's bounds after `pseudo` is
    added to each cell; 0 gives McNemar's plain standard error. A. Agresti, Y. Min (2005), Biometrics 61, 1143.
    """
    import numpy as np

    score = np.array([1 - factor, 1.0, -factor, 0.0])
    padded = cells + pseudo
    total = padded.sum(axis=-1)
    mean = padded @ score / total
    variance = (padded @ score**2 / total - mean**2) / total
    return wald(mean, np.sqrt(np.maximum(variance, 0)), level)


def mover(
    mine: tuple[Floats, Floats, Floats],
    theirs: tuple[Floats, Floats, Floats],
    factor: float = 1.0,
    correlation: Floats | float = 0.0,
) -> Bounds:
    """Bounds of a − factor·b out of (estimate, low, high) of each: the method of variance estimates recovery.

    G. Y. Zou, A. Donner (2008), Statistics in Medicine 27, 1693–1702.
    """
    (a, a_low, a_high), (b, b_low, b_high) = mine, theirs
    difference = a - factor * b
    low = difference - _hypotenuse(a - a_low, factor * (b_high - b), correlation)
    high = difference + _hypotenuse(a_high - a, factor * (b - b_low), correlation)
    return low, high


def _hypotenuse(x: Floats, y: Floats, correlation: Floats | float) -> Floats:
    import numpy as np

    return np.sqrt(np.maximum(x**2 + y**2 - 2 * correlation * x * y, 0))


def mean_of(parts: Floats, low: Floats, high: Floats, weights: Floats) -> Bounds:
    """Bounds of Σ weight·part over the last axis, for independent parts with bounds of their own (MOVER)."""
    import numpy as np

    mean = (weights * parts).sum(axis=-1)
    below = np.sqrt(((weights * (parts - low)) ** 2).sum(axis=-1))
    above = np.sqrt(((weights * (high - parts)) ** 2).sum(axis=-1))
    return mean - below, mean + above


# -- the largest difference between slices -----------------------------------------------------------------------


def gap(
    value: Floats, bounds: Callable[[float], Bounds], level: float, correlation: float = 0.0
) -> tuple[float, float]:
    """Bounds of the largest minus the smallest of k values.

    The gap exceeds u only if some pair does, so the largest upper bound over pairs needs no correction; the lower
    one is the best of k(k − 1) claims and pays for them all (Bonferroni). correlation: of any two values; −1 is the
    worst case.
    """
    import numpy as np

    _, high = mover(*_crossed(value, bounds, level), 1.0, correlation)
    low, _ = mover(*_crossed(value, bounds, _shared(level, len(value))), 1.0, correlation)
    np.fill_diagonal(high, 0)
    np.fill_diagonal(low, 0)
    return max(float(low.max()), 0.0), float(high.max())


def ratio(
    value: Floats, bounds: Callable[[float], Bounds], level: float, correlation: float = 0.0
) -> tuple[float, float]:
    """Bounds of the smallest over the largest of k positive values; as `gap`, on the log scale."""
    import numpy as np

    def log(values: Floats) -> Floats:
        return np.log(np.maximum(values, 1e-300))

    def logs(at: float) -> Bounds:
        low, high = bounds(at)
        return log(low), log(high)

    low, high = gap(log(value), logs, level, correlation)
    return float(np.exp(-high)), float(np.exp(-low))


def _shared(level: float, slices: int) -> float:
    return 1 - (1 - level) / max(slices * (slices - 1), 1)


def _crossed(value: Floats, bounds: Callable[[float], Bounds], level: float) -> tuple[Any, Any]:
    """Every value against every other: (k, 1) and (1, k)."""
    low, high = bounds(level)
    parts = (value, low, high)
    return tuple(p[:, None] for p in parts), tuple(p[None, :] for p in parts)


# -- sums that do not depend on the order of rows ----------------------------------------------------------------


def whole_numbers(values: Floats, bits: int) -> tuple[Floats, float]:
    """(whole numbers of at most `bits` bits as floats, the unit they count), rounded from `values`.

    Sums of 2**(53 − bits) of them are exact, in whatever order. The rounding is 2**-bits of the largest value.
    """
    import numpy as np

    top = float(np.abs(values).max()) if len(values) else 0.0
    if not 0 < top < np.inf:
        return np.zeros_like(values), 1.0
    unit = float(2.0 ** (np.ceil(np.log2(top)) - bits))
    return np.rint(values / unit), unit


def squares_by(codes: Ints, values: Floats, size: int) -> Floats:
    """The sum of squares for each code below `size`."""
    import numpy as np

    whole, unit = whole_numbers(values, 26)
    square = whole * whole
    high = np.floor(square * 2.0**-26)
    low = square - high * 2.0**26
    return np.asarray((np.bincount(codes, high, size) * 2.0**26 + np.bincount(codes, low, size)) * unit**2)


def sums_by(codes: Ints, values: Floats, size: int) -> Floats:
    """The sum for each code below `size`."""
    import numpy as np

    whole, unit = whole_numbers(values, 30)
    return np.asarray(np.bincount(codes, whole, size) * unit)


def grouped_variance(influence: Floats, filled: Flags) -> tuple[Floats, Floats]:
    """(variance, degrees of freedom) of estimates whose influence is summed up by independent groups of rows.

    influence: (…, groups), a group's sum of ∂estimate/∂(weight of a row). filled: which groups hold rows.
    The sandwich of the linearised estimate, with groups as the sampling units.
    """
    import numpy as np

    groups = filled.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inflation = np.where(groups > 1, groups / (groups - 1), np.nan)
    return inflation * (influence**2).sum(axis=-1), np.maximum(groups - 1, 1).astype(float)


# -- ranks: ROC and precision-recall curves ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows in the order of slice and score, equal scores being one run.

    order: (n,) rows. run: (n,) the run of each ordered row. slice: (r,) of each run, None if there is but one.
    positives, negatives: (r,). starts: (S + 1,) the first run of every slice.
    """

    order: Ints
    run: Ints
    slice: Ints | None
    positives: Ints
    negatives: Ints
    starts: Ints

    def totals(self, values: Any) -> Any:
        """The sum over each slice's runs."""
        import numpy as np

        there = self.starts[:-1] < self.starts[1:]
        found = np.zeros(len(there), values.dtype)
        if there.any():
            found[there] = np.add.reduceat(values, self.starts[:-1][there])
        return found

    def before(self, values: Any) -> Any:
        """For every run, the sum over the runs before it in its slice."""
        import numpy as np

        running = np.zeros(len(values) + 1, values.dtype)
        np.cumsum(values, out=running[1:])
        return running[:-1] if self.slice is None else running[:-1] - self.each(running[self.starts[:-1]])

    def each(self, of_slices: Any) -> Any:
        """For every run, the value of its slice."""
        return of_slices[0] if self.slice is None else of_slices[self.slice]


@dataclass(frozen=True, slots=True)
class Curve:
    """A measure of a ranking by slice, (S,), and what a further row of a run would change, (r,) for either class."""

    area: Floats
    of_positive: Floats
    of_negative: Floats

    def to_rows(self, runs: Runs, positive: Flags) -> Floats:
        """(n,) what each row changes, in the rows' own order."""
        import numpy as np

        change = np.empty(len(positive))
        change[runs.order] = np.where(positive[runs.order], self.of_positive[runs.run], self.of_negative[runs.run])
        return change


def ordered_runs(scores: Floats, positive: Flags, order: Ints, slices: Ints | None, size: int) -> Runs:
    """Runs of equal scores. order: rows by score, ascending. slices: (n,) below `size`, None for a single one."""
    import numpy as np

    rows = len(scores)
    where = None
    if slices is not None:
        narrow = slices[order].astype(np.uint16 if size < 1 << 16 else np.int64)
        by_slice = np.argsort(narrow, kind="stable")
        order, where = order[by_slice], narrow[by_slice].astype(np.int64)
    ordered = scores[order]
    fresh = np.ones(rows, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    if where is not None:
        fresh[1:] |= where[1:] != where[:-1]
    first = np.flatnonzero(fresh)
    if len(first) == rows:
        run, positives, length = np.arange(rows), positive[order].astype(np.int64), np.ones(rows, np.int64)
    else:
        run, length = np.cumsum(fresh, dtype=np.int64) - 1, np.diff(first, append=rows)
        positives = np.add.reduceat(positive[order].astype(np.int64), first)
    of_run = None if where is None else where[first]
    starts = np.array([0, len(first)]) if of_run is None else np.searchsorted(of_run, np.arange(size + 1))
    return Runs(order, run, of_run, positives, length - positives, starts)


def roc_auc(runs: Runs) -> Curve:
    """The area under the ROC curve, and how far each row's placement is from it.

    A positive's placement is the share of negatives that it outscores, a negative's the share of positives that
    outscore it, ties counting half; the variance is the sum over both classes of Σ deviation² / (n (n − 1)).
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson (1988), Biometrics 44, 837–845; by ranks as X. Sun, W. Xu (2014),
    IEEE Signal Processing Letters 21, 1389–1393.
    """
    import numpy as np

    ones, zeros = runs.totals(runs.positives), runs.totals(runs.negatives)
    below = 2 * runs.before(runs.negatives) + runs.negatives
    above = 2 * (runs.each(ones) - runs.before(runs.positives)) - runs.positives
    with np.errstate(divide="ignore", invalid="ignore"):
        area = runs.totals(runs.positives * below) / (2.0 * ones * zeros)
        mean = runs.each(area)
        return Curve(area, below * runs.each(0.5 / zeros) - mean, above * runs.each(0.5 / ones) - mean)


def average_precision(runs: Runs, weights: Floats) -> Curve:
    """Average precision, and each row's influence on it times the slice's positives, weighted.

    weights: (S, 2), how many rows a negative and a positive of the slice stand for. The influence is the derivative
    by the row's weight (the infinitesimal jackknife): with T and N the positives and all rows at or above a score,
    AP = Σ T/N over positives, and a row at s adds Σ over positives i at or below s of y/N_i − T_i/N_i².
    L. A. Jaeckel (1972), The infinitesimal jackknife, Bell Laboratories MM 72-1215-11.
    """
    import numpy as np

    hits = runs.positives * runs.each(weights[:, 1])
    rows = hits + runs.negatives * runs.each(weights[:, 0])
    ones = runs.totals(hits)
    true = runs.each(ones) - runs.before(hits)
    seen = runs.each(runs.totals(rows)) - runs.before(rows)
    precision = true / seen
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.where(ones > 0, runs.totals(hits * precision) / ones, np.nan)
    up, down = hits / seen, hits * precision / seen
    up, down = runs.before(up) + up, runs.before(down) + down
    return Curve(area, precision - runs.each(area) + up - down, -down)


# -- medians -----------------------------------------------------------------------------------------------------


def median_ranks(rows: Floats, level: float, spread: Floats) -> Bounds:
    """Which order statistics (from 0) bound the median, whatever the distribution.

    They fall between two: rounded outwards the bounds are never too tight, interpolated they are not too wide either.
    spread: the standard deviation of the number of rows below the median, √n/2 for independent rows.
    """
    import numpy as np

    middle, step = (rows - 1) / 2, critical(level) * spread
    return np.maximum(middle - step, 0), np.minimum(middle + step, rows - 1)


# -- the bootstrap of a table ------------------------------------------------------------------------------------


def bootstrap(
    counts: Floats, statistic: Callable[[Floats], Floats], seed: int, replicates: int = REPLICATES
) -> Callable[[float], tuple[float, float]]:
    """Percentile bounds of a statistic of counted rows: resampling n rows is one multinomial draw of their cells.

    counts: (cells,), not all zero. statistic: (replicates, cells) → (replicates,). The cost is that of the cells, not
    of the rows. B. Efron (1979), Annals of Statistics 7, 1–26.
    """
    import numpy as np

    total = counts.sum()
    drawn = np.random.Generator(np.random.Philox(seed)).multinomial(round(total), counts / total, replicates)
    found = np.sort(statistic(drawn.astype(float)))

    def bounds(level: float) -> tuple[float, float]:
        low, high = np.quantile(found, (1 - level, level))
        return float(low), float(high)

    return bounds


def mixed(keys: Any, seed: int) -> Any:
    """64 bits for each 64-bit key that look random and are the same on every run: splitmix64 as a counter's hash.

    G. L. Steele, D. Lea, C. H. Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % (1 << 64))
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return x
