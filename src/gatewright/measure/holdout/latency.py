"""How fast a model answers: calls of candidate and champion in turn, and what their times prove."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gatewright.evidence import Fact, Need
from gatewright.paths import Path
from gatewright.policy.model import Latency
from gatewright.quantity import Interval, show

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

#: percentile → its quantile, and the fewest calls whose largest can bound it from above at 95 %: 0.95 ≥ 1 − qⁿ
QUANTILES: Mapping[str, tuple[float, int]] = {"p50": (0.5, 5), "p90": (0.9, 29), "p95": (0.95, 59), "p99": (0.99, 299)}

RESAMPLES = 2000

#: medians of the run's quarters further apart than this share of the smallest: the machine was busy with other things
NOISY = 0.25

#: one call: seconds for the rows numbered `call`
Call = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each call that counts, in the order of the calls; champion's calls are paired with the candidate's.

    rows: a call's rows. seed: of the resampling.
    """

    candidate: Sequence[float]
    champion: Sequence[float] = ()
    rows: int = 1
    seed: int = 0


def take_times(block: Latency, candidate: Call, champion: Call | None, seed: int) -> Times:
    """Calls each model `warmup + requests` times, in turn, so that whatever slows the machine slows both.

    Who goes first alternates, for whoever goes second finds warm caches. The warm-up is dropped.
    """
    mine, theirs = list[float](), list[float]()
    for number in range(block.warmup + block.requests):
        calls: list[tuple[list[float], Call]] = [(mine, candidate)]
        if champion is not None:
            calls.append((theirs, champion))
        for kept, call in calls if number % 2 == 0 else reversed(calls):
            kept.append(call(number))
    return Times(tuple(mine[block.warmup :]), tuple(theirs[block.warmup :]), block.batch, seed)


def facts(needs: Sequence[Need], times: Times, source: str) -> Iterator[Fact]:
    """The facts that the needs ask for: each model's value, and candidate − factor × champion from paired calls."""
    for path in dict.fromkeys(n.path for n in needs if n.path.family == "latency"):
        asked = [n for n in needs if n.path == path]
        levels = tuple(dict.fromkeys(n.level for n in asked if n.level is not None))
        yield _fact("candidate", path, times.candidate, times, levels, source)
        if times.champion:
            yield _fact("champion", path, times.champion, times, levels, source)
            for factor in dict.fromkeys(n.factor for n in asked if n.factor is not None):
                yield _pair(path, times, factor, levels, source)


def noise(times: Times) -> str:
    """A remark where the machine was too uneven to compare to within a few percent; empty if it was not."""
    import numpy as np

    for name, seconds in (("candidate", times.candidate), ("champion", times.champion)):
        if len(seconds) < 8:
            continue
        medians = [float(np.median(part)) for part in np.array_split(np.asarray(seconds), 4)]
        low, high = min(medians), max(medians)
        if high > low * (1 + NOISY):
            spread = f"{show(low, 'time')} and {show(high, 'time')}"
            uneven = f"the {name}'s median call took between {spread} in the run's four quarters"
            return f"the machine was too noisy to tell small differences of speed: {uneven}"
    return ""


def _fact(
    who: Literal["candidate", "champion"],
    path: Path,
    seconds: Sequence[float],
    times: Times,
    levels: Sequence[float],
    source: str,
) -> Fact:
    import numpy as np

    array = np.asarray(seconds, dtype=np.float64)
    why = too_few(path.key, len(array))
    if why:
        return Fact(who, path, "unreadable", why=why, source=source, n=len(array))
    bounds = tuple(_interval(path.key, array, level, times.rows) for level in levels)
    value = statistic(path.key, array, times.rows)
    return Fact(who, path, "known", value, source=source, n=len(array), intervals=bounds)


def too_few(key: str, calls: int) -> str:
    """Why so many calls do not tell the figure; empty if they do."""
    least = QUANTILES[key][1] if key in QUANTILES else 2
    return f"{key} needs at least {least} calls, and latency.requests is {calls}" if calls < least else ""


def statistic(key: str, seconds: Array, rows: int) -> float:
    """A percentile (the order statistic that is no smaller than the quantile), the mean, or rows a second."""
    import numpy as np

    if key in QUANTILES:
        return float(np.quantile(seconds, QUANTILES[key][0], method="higher"))
    mean = float(seconds.mean())
    return mean if key == "mean" else rows / mean


def order_bounds(n: int, quantile: float, level: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that bound a quantile, each at one-sided `level`.

    0 and n + 1 where no observation can. Distribution-free: the number of observations below the quantile is
    binomial (David and Nagaraja, Order Statistics, section 7.1).
    """
    below = _binomial_cumulative(n, quantile)
    low = next((r for r in range(n, 0, -1) if 1 - below[r - 1] >= level), 0)
    high = next((s for s in range(1, n + 1) if below[s - 1] >= level), n + 1)
    return low, high


def _binomial_cumulative(n: int, p: float) -> list[float]:
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
        for k in range(n + 1)
    ]
    total, cumulative = 0.0, list[float]()
    for term in logs:
        total += math.exp(term)
        cumulative.append(min(total, 1.0))
    return cumulative


def _interval(key: str, seconds: Array, level: float, rows: int) -> Interval:
    if key in QUANTILES:
        ordered = sorted(float(s) for s in seconds)
        low, high = order_bounds(len(ordered), QUANTILES[key][0], level)
        ends = (ordered[low - 1] if low else 0.0, ordered[high - 1] if high <= len(ordered) else math.inf)
        return Interval(*ends, level, "order statistics")
    low_mean, high_mean = _mean_bounds(seconds, level)
    if key == "mean":
        return Interval(low_mean, high_mean, level, "Student's t")
    return Interval(rows / high_mean, rows / low_mean if low_mean > 0 else math.inf, level, "Student's t")


def _mean_bounds(seconds: Array, level: float) -> tuple[float, float]:
    from scipy import stats

    mean, error = float(seconds.mean()), float(seconds.std(ddof=1)) / math.sqrt(len(seconds))
    reach = float(stats.t.ppf(level, len(seconds) - 1)) * error
    return mean - reach, mean + reach


def _pair(path: Path, times: Times, factor: float, levels: Sequence[float], source: str) -> Fact:
    """The fact of candidate − factor × champion, its bounds from resampling pairs of neighbouring calls."""
    import numpy as np

    mine, theirs = (np.asarray(s, dtype=np.float64) for s in (times.candidate, times.champion))
    why = too_few(path.key, len(mine))
    if why:
        return Fact("pair", path, "unreadable", why=why, source=source, n=len(mine), factor=factor)
    value = statistic(path.key, mine, times.rows) - factor * statistic(path.key, theirs, times.rows)
    drawn = _resampled(path.key, mine, theirs, factor, times)
    bounds = tuple(_percentiles(drawn, level) for level in levels)
    return Fact("pair", path, "known", value, source=source, n=len(mine), factor=factor, intervals=bounds)


def _resampled(key: str, mine: Array, theirs: Array, factor: float, times: Times) -> Any:
    import numpy as np

    picks = np.random.default_rng(times.seed).integers(0, len(mine), (RESAMPLES, len(mine)))
    return _of_rows(key, mine[picks], times.rows) - factor * _of_rows(key, theirs[picks], times.rows)


def _of_rows(key: str, seconds: Any, rows: int) -> Any:
    """The statistic of every resample at once."""
    import numpy as np

    if key in QUANTILES:
        return np.quantile(seconds, QUANTILES[key][0], axis=1, method="higher")
    means = seconds.mean(axis=1)
    return means if key == "mean" else rows / means


def _percentiles(drawn: Any, level: float) -> Interval:
    import numpy as np

    low, high = (float(x) for x in np.quantile(drawn, (1 - level, level)))
    return Interval(low, high, level, f"paired bootstrap of {RESAMPLES} resamples")
