"""How often bounds hold: every metric on many draws of 2,000 rows, each draw being a slice of one tally."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from gatewright import statistics
from gatewright.evidence import Need
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.tally import Batch, Slices, Tally
from gatewright.measure.metrics import METRICS
from gatewright.paths import Path
from gatewright.policy.model import Task

DRAWS = 1000
ROWS = 2000
CLASSES = 3


@dataclass(frozen=True)
class World:
    """Truth and two models' answers for DRAWS · ROWS rows; in one with units, rows come in fives that go together."""

    target: Any
    models: tuple[Predictions, ...]
    units: Any


def world(task: Task, unit: bool) -> World:
    """A population whose models are good, not perfect, and err together."""
    import numpy as np

    rng = np.random.default_rng(20240601)
    n = DRAWS * ROWS
    units = np.arange(n) // 5
    shared = 0.7 * rng.standard_normal(n // 5)[units] if unit else np.zeros(n)
    if task == "regression":
        y = 20 + 3 * rng.gamma(4, size=n)
        noise = rng.standard_normal(n) + shared
        values = [Predictions(values=y + noise + s * rng.standard_normal(n)) for s in (0.5, 0.8)]
        return World(y, tuple(values), units)
    if task == "binary":
        positive = (rng.random(n) < 0.2).astype(np.int64)
        z = rng.standard_normal(n) + 1.5 * positive + shared * (positive - 0.5)
        scores = [1 / (1 + np.exp(1.8 - z - s * rng.standard_normal(n))) for s in (0.4, 0.7)]
        return World(positive, tuple(Predictions((p > 0.4).astype(np.int64), p) for p in scores), units)
    codes = rng.choice(CLASSES, n, p=[0.5, 0.3, 0.2])
    base = rng.standard_normal((n, CLASSES))
    base[np.arange(n), codes] += 1.5 + shared
    tables = [np.exp(base + s * rng.standard_normal((n, CLASSES))) for s in (0.4, 0.7)]
    shares = [t / t.sum(axis=1, keepdims=True) for t in tables]
    return World(codes, tuple(Predictions(p.argmax(axis=1), p) for p in shares), units)


@cache
def counted(task: Task, unit: bool = False) -> Tally:
    """A tally that has seen every draw."""
    import numpy as np

    seen = world(task, unit)
    n = DRAWS * ROWS
    names = [m.name for m in METRICS.values() if task in m.tasks and m.sampled]
    tally = Tally(
        task,
        [Need(Path("holdout", name), "draw", "by", 1.0, 0.95) for name in names],
        labels=range(CLASSES) if task == "multiclass" else (),
        slice_columns=("draw",),
        paired=True,
        unit=unit,
        cap=n,
    )
    for start in range(0, n, 1 << 18):
        rows = slice(start, min(start + (1 << 18), n))
        draws = Slices(np.arange(rows.start, rows.stop) // ROWS, range(DRAWS))  # type: ignore[arg-type]
        mine, theirs = (_cut(p, rows) for p in seen.models)
        keys = np.arange(rows.start, rows.stop, dtype=np.uint64)
        units = seen.units[rows].astype(np.uint64) if unit else None
        tally.update(Batch(seen.target[rows], mine, theirs, keys, {"draw": draws}, units))
    return tally


def _cut(p: Predictions, rows: slice) -> Predictions:
    labels, scores, values = (None if a is None else a[rows] for a in (p.labels, p.probabilities, p.values))
    return Predictions(labels, scores, values)


def shares(tally: Tally, metric: str, who: str, factor: float) -> dict[str, float]:
    """How often bounds hold: of both sides at 95 % together, and of each side at 95 % alone, as `at 95%` asks."""
    import numpy as np

    truth = float(tally.estimate(metric, who, None, factor).value[0])  # type: ignore[arg-type]
    bounds = tally.estimate(metric, who, "draw", factor).bounds  # type: ignore[arg-type]
    assert bounds is not None
    (low, high), (alone_low, alone_high) = bounds(0.975), bounds(0.95)
    return {
        "both sides": float(np.mean((low <= truth) & (truth <= high))),
        "lower": float(np.mean(alone_low <= truth)),
        "upper": float(np.mean(truth <= alone_high)),
    }


CASES = [(task, m.name) for m in METRICS.values() if m.sampled for task in m.tasks]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_bounds_hold_as_often_as_they_say(task: Task) -> None:
    """93 to 97 of 100 at 95 %: of one model and of the difference between two, at n = 2,000."""
    tally = counted(task)
    asked = [("candidate", 1.0), ("pair", 1.0)]
    asked += [] if task == "multiclass" else [("pair", 0.9)]
    found = {
        (metric, who, factor, side): share
        for of, metric in CASES
        if of == task
        for who, factor in asked
        for side, share in shares(tally, metric, who, factor).items()
    }
    counted.cache_clear()
    assert {k: v for k, v in found.items() if not 0.93 <= v <= 0.97} == {}


@pytest.mark.parametrize(
    ("task", "metrics"),
    [("binary", ("accuracy", "f1", "roc_auc", "average_precision", "log_loss")), ("regression", ("rmse", "median_ae"))],
)
def test_bounds_hold_where_rows_come_in_units(task: Task, metrics: tuple[str, ...]) -> None:
    """Five rows a unit that go together: fewer independent rows than there seem to be."""
    tally = counted(task, unit=True)
    found = {
        (metric, who, side): share
        for metric in metrics
        for who in ("candidate", "pair")
        for side, share in shares(tally, metric, who, 1.0).items()
    }
    counted.cache_clear()
    assert {k: v for k, v in found.items() if not 0.93 <= v <= 0.975} == {}


@pytest.mark.parametrize("metric", ["f1", "mcc"])
def test_the_paired_bootstrap_holds_as_often_as_it_says(metric: str) -> None:
    """Of all rows these two are bootstrapped; each draw is a tally of its own."""
    import numpy as np

    # (true, candidate's, champion's) of eight kinds of rows
    cells = np.array([0.70, 0.03, 0.05, 0.02, 0.03, 0.02, 0.04, 0.11])
    kinds = np.indices((2, 2, 2)).reshape(3, 8)
    rng = np.random.default_rng(5)

    def estimate(drawn: Any, seed: int) -> Any:
        y, a, b = (np.repeat(k, drawn) for k in kinds)
        tally = Tally("binary", [Need(Path("holdout", metric), factor=1.0, level=0.95)], paired=True, seed=seed)
        tally.update(Batch(y, Predictions(a), Predictions(b), np.arange(len(y), dtype=np.uint64)))
        return tally.estimate(metric, "pair", None)

    truth = estimate((cells * 1_000_000).astype(int), 0).value[0]
    held = np.zeros(2)
    for seed, drawn in enumerate(rng.multinomial(ROWS, cells, 1000)):
        (low,), (high,) = estimate(drawn, seed).bounds(0.95)
        held += [low <= truth, truth <= high]
    assert (held >= 930).all() and (held <= 970).all()


def test_gaps_between_slices_are_not_made_too_little_of() -> None:
    """Both bounds hold at least as often as they say, also where all slices are equal and some gap always shows."""
    import numpy as np

    rng = np.random.default_rng(8)
    for truth in (np.full(5, 0.8), np.array([0.7, 0.8, 0.8, 0.8, 0.9])):
        held = np.zeros(2)
        for _ in range(1000):
            right = rng.binomial(400, truth).astype(float)
            trials = np.full(5, 400.0)
            low, high = statistics.gap(right / 400, lambda at, r=right, t=trials: statistics.wilson(r, t, at), 0.95)  # type: ignore[misc]
            held += [low <= np.ptp(truth) + 1e-12, np.ptp(truth) <= high]
        assert (held >= 930).all()
