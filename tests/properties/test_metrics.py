"""Laws of the tally: it agrees with scikit-learn, and forgets in which order it was told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.evidence import Fact, Need
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.tally import Batch, Slices, Tally
from gatewright.measure.metrics import METRICS
from gatewright.paths import Path
from gatewright.policy.model import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
LABELS = ("a", "b", "c")
SLICES = ("north", "south", "west")


@dataclass(frozen=True)
class Data:
    """A holdout and two models' answers."""

    task: Task
    target: Any
    models: tuple[Predictions, Predictions]
    slices: npt.NDArray[np.int64]
    units: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.uint64]

    def batch(self, rows: Any, names: Sequence[str] = SLICES) -> Batch:
        """Some rows; the slices' codes are those of `names`."""
        import numpy as np

        codes = np.array([names.index(s) for s in SLICES])[self.slices[rows]]
        mine, theirs = (
            Predictions(_cut(p.labels, rows), _cut(p.probabilities, rows), _cut(p.values, rows)) for p in self.models
        )
        return Batch(
            self.target[rows], mine, theirs, self.keys[rows], {"region": Slices(codes, names)}, self.units[rows]
        )


def _cut(values: Any, rows: Any) -> Any:
    return None if values is None else values[rows]


@st.composite
def data(draw: st.DrawFn, least: int = 1) -> Data:
    """Small holdouts, with ties, sure predictions, and classes that may be absent."""
    import numpy as np

    task = draw(st.sampled_from(TASKS))
    rows = draw(st.integers(least, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    digits = draw(st.sampled_from([1, 2, 9]))
    base = (rng.integers(0, 3, rows), rng.integers(0, 20, rows).astype(np.uint64))
    keys = rng.integers(0, 2**63, rows).astype(np.uint64)
    if task == "regression":
        scale = 10.0 ** draw(st.integers(-6, 6))
        target = np.round(rng.normal(5, 2, rows), digits) * scale
        models = [Predictions(values=target + np.round(rng.normal(0, 1, rows), digits) * scale) for _ in range(2)]
    elif task == "binary":
        target = (rng.random(rows) < 0.4).astype(np.int64)
        models = [_binary(np.round(np.clip(rng.beta(2, 2, rows) + 0.2 * target, 0, 1), digits)) for _ in range(2)]
    else:
        codes = rng.integers(0, draw(st.integers(1, 3)), rows)
        target = np.array(LABELS, dtype=object)[codes]
        models = [_multiclass(np.round(rng.dirichlet(np.ones(3), rows) + 0.5 * np.eye(3)[codes], digits)) for _ in "ab"]
    return Data(task, target, (models[0], models[1]), *base, keys)


def _binary(scores: Any) -> Predictions:
    return Predictions((scores > 0.5).astype(int), scores)


def _multiclass(weights: Any) -> Predictions:
    import numpy as np

    shares = (weights + 1e-3) / (weights + 1e-3).sum(axis=1, keepdims=True)
    return Predictions(np.array(LABELS, dtype=object)[shares.argmax(axis=1)], shares)


def everything(task: Task) -> tuple[Need, ...]:
    """Every metric of a task, alone, against the champion, by slices, and as a gap of slices."""
    names = [m for m in METRICS.values() if task in m.tasks]
    plain = [Need(Path("holdout", m.name), level=0.95 if m.sampled else None) for m in names]
    paths = [(Path("holdout", m.name), 0.95 if m.sampled else None) for m in names if m.answer != "nothing"]
    return (
        *plain,
        *(Need(p, factor=1.0, level=level) for p, level in paths),
        *(Need(p, "region", "by", 0.9, level) for p, level in paths),
        *(Need(p, "region", "gap by", 1.0, level) for p, level in paths),
    )


def tally(task: Task, *, unit: bool = False, cap: int = 1 << 20) -> Tally:
    """An empty one that wants everything."""
    return Tally(
        task,
        everything(task),
        labels=LABELS if task == "multiclass" else (),
        slice_columns=("region",),
        min_slice_rows=3,
        paired=True,
        unit=unit,
        seed=11,
        cap=cap,
    )


def value(facts: Sequence[Fact], metric: str, who: str = "candidate", slice_: str | None = None) -> Any:
    """One fact's value; None where it is not known."""
    return next(
        f.value
        for f in facts
        if (f.who, f.path.key, f.slice, f.aggregate) == (who, metric, slice_, None)
        and (f.column is None) == (slice_ is None)
    )


@settings(max_examples=60, deadline=None)
@given(data=data())
@pytest.mark.filterwarnings("ignore")
def test_every_metric_equals_scikit_learns(data: Data) -> None:
    """Within 1e-12, relative where values are large; what the truth leaves undefined is not given a number."""
    import numpy as np

    mine = tally(data.task)
    mine.update(data.batch(np.arange(len(data.keys))))
    facts = mine.facts("test")
    for name, metric in METRICS.items():
        if data.task in metric.tasks:
            found = value(facts, name)
            expected = reference(name, data)
            if found is None:
                assert _undefined(name, data), name
            else:
                assert found == pytest.approx(expected, rel=1e-12, abs=1e-12), name


def _undefined(name: str, data: Data) -> bool:
    """Whether scikit-learn has no number either, or one that only stands in for none."""
    import numpy as np

    classes = len(np.unique(data.target))
    if name == "r2":
        return classes < 2 or len(data.target) < 2
    if data.task == "multiclass":
        return classes < 3 and (name.startswith(("roc_auc", "average")) or (name == "mcc" and classes < 2))
    return classes < 2


def reference(name: str, data: Data) -> Any:
    """What scikit-learn says."""
    import numpy as np
    from sklearn import metrics

    y, model = data.target, data.models[0]
    kind, _, average = name.rpartition("_")
    if average in ("macro", "weighted"):
        if kind == "roc_auc":
            if len(np.unique(y)) < 3:
                return math.nan
            return metrics.roc_auc_score(y, model.probabilities, multi_class="ovr", average=average, labels=LABELS)
        if kind == "average_precision":
            return metrics.average_precision_score(_one_hot(y), model.probabilities, average=average)
        return getattr(metrics, f"{kind}_score")(y, model.labels, average=average, zero_division=0)
    plain: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: metrics.accuracy_score(y, model.labels),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(y, model.labels),
        "mcc": lambda: metrics.matthews_corrcoef(y, model.labels),
        "precision": lambda: metrics.precision_score(y, model.labels, zero_division=0),
        "recall": lambda: metrics.recall_score(y, model.labels),
        "f1": lambda: metrics.f1_score(y, model.labels),
        "roc_auc": lambda: metrics.roc_auc_score(y, model.probabilities),
        "average_precision": lambda: metrics.average_precision_score(y, model.probabilities),
        "log_loss": lambda: metrics.log_loss(
            y, model.probabilities, labels=LABELS if data.task == "multiclass" else (0, 1)
        ),
        "brier": lambda: metrics.brier_score_loss(y, model.probabilities),
        "rmse": lambda: metrics.root_mean_squared_error(y, model.values),
        "mae": lambda: metrics.mean_absolute_error(y, model.values),
        "mape": lambda: metrics.mean_absolute_percentage_error(y, model.values),
        "r2": lambda: metrics.r2_score(y, model.values),
        "median_ae": lambda: metrics.median_absolute_error(y, model.values),
        "max_error": lambda: metrics.max_error(y, model.values),
        "rows": lambda: len(y),
        "positives": lambda: int(y.sum()),
    }
    return plain[name]()


def _one_hot(y: Any) -> Any:
    import numpy as np

    return np.stack([(y == label).astype(int) for label in LABELS], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    data=data(least=2), order=st.randoms(use_true_random=False), unit=st.booleans(), cap=st.sampled_from([8, 1 << 20])
)
def test_neither_order_nor_batches_nor_merging_change_a_bit(data: Data, order: Any, unit: bool, cap: int) -> None:
    """The digest of the evidence rests on this, also where only a sample of the rows is kept."""
    import numpy as np

    rows = len(data.keys)
    once = tally(data.task, unit=unit, cap=cap)
    once.update(data.batch(np.arange(rows)))
    shuffled = list(range(rows))
    order.shuffle(shuffled)
    cuts = sorted(order.sample(range(1, rows), min(3, rows - 1)))
    parts = []
    for start, end in zip([0, *cuts], [*cuts, rows], strict=True):
        names = list(SLICES)
        order.shuffle(names)
        part = tally(data.task, unit=unit, cap=cap)
        part.update(data.batch(np.array(shuffled[start:end]), names))
        parts.append(part)
    order.shuffle(parts)
    first, *others = parts
    for other in others[:1]:
        for last in others[1:]:
            other.merge(last)
        first.merge(other)
    assert first.facts("test") == once.facts("test")


@settings(max_examples=30, deadline=None)
@given(data=data())
def test_slices_add_up_to_the_whole(data: Data) -> None:
    """Rows, right ones and errors of the slices are those of all rows."""
    import numpy as np

    mine = tally(data.task)
    mine.update(data.batch(np.arange(len(data.keys))))
    facts = mine.facts("test")
    metric = "mae" if data.task == "regression" else "accuracy"
    slices = [f for f in facts if (f.who, f.path.key, f.aggregate) == ("candidate", metric, None) and f.slice]
    known = [f for f in slices if f.value is not None]
    assert sum(f.n or 0 for f in slices) == len(data.keys) == value(facts, "rows")
    total = sum(float(f.value or 0) * (f.n or 0) for f in known)
    assert total / len(data.keys) == pytest.approx(value(facts, metric), rel=1e-12)


def widens(fact: Fact) -> bool:
    """Whether each of its intervals lies within those of deeper levels."""
    ordered = sorted(fact.intervals, key=lambda i: i.level)
    return all(o.low <= i.low + 1e-12 and i.high <= o.high + 1e-12 for i, o in pairwise(ordered))


def test_correlated_medians_widen_with_the_level() -> None:
    """Where one of two bounds jumps and the other does not, their correlation would draw the difference's in."""
    import numpy as np

    path = Path("holdout", "median_ae")
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 1, 15)
        answers = [Predictions(values=np.round(noise + rng.normal(0, 1, 15), 1)) for _ in "ab"]
        mine = Tally("regression", [Need(path, factor=1.0, level=at) for at in (0.9, 0.95, 0.975, 0.99)], paired=True)
        keys = rng.integers(0, 2**63, 15).astype(np.uint64)
        mine.update(Batch(np.zeros(15), answers[0], answers[1], keys))
        assert all(map(widens, mine.facts("test"))), seed


@settings(max_examples=30, deadline=None)
@given(data=data(least=5))
def test_bounds_enclose_the_value_and_widen_with_the_level(data: Data) -> None:
    """Holm's procedure relies on a deeper level never failing what a shallower one passes."""
    import numpy as np

    mine = tally(data.task)
    mine.update(data.batch(np.arange(len(data.keys))))
    for fact in mine.facts("test"):
        assert widens(fact)
        for interval in fact.intervals:
            # These two are centred on counts with a little added.
            if "adjusted" not in interval.method and "bootstrap" not in interval.method:
                assert interval.low - 1e-9 <= float(fact.value or 0) <= interval.high + 1e-9, fact
