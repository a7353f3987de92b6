"""The metrics that a policy may ask of a holdout: scikit-learn's names, each with the state that computes it.

To add one: a row here, and its formula in the module of its family. docs/statistics.md tells what each costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gatewright.measure.metrics import classes, losses, ranks
from gatewright.paths import PathRow
from gatewright.policy.model import Task

Answer = Literal["labels", "probabilities", "values", "nothing"]

_FIX = "name the metric as docs/policy.md lists it, for the task of the holdout block"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what a model must answer for it, and for which tasks it is."""

    name: str
    about: str
    higher_is_better: bool
    tasks: tuple[Task, ...]

    @property
    def answer(self) -> Answer:
        """What it is computed from."""
        if self.name in ("rows", "positives"):
            return "nothing"
        if self.name in classes.METRICS:
            return "labels"
        return "values" if "regression" in self.tasks else "probabilities"

    @property
    def sampled(self) -> bool:
        """Whether it is an estimate that has an interval."""
        return self.name not in ("max_error", "rows", "positives")


_BINARY: Mapping[str, tuple[str, bool]] = {
    "precision": ("the share of predicted positives that are positive", True),
    "recall": ("the share of positives that are predicted positive", True),
    "f1": ("the harmonic mean of precision and recall", True),
    "roc_auc": ("the chance that a positive scores above a negative", True),
    "average_precision": ("the area under the precision-recall curve, as a sum of steps", True),
    "brier": ("the mean squared distance of the probability from the truth", False),
}
_CLASSES: Mapping[str, tuple[str, bool]] = {
    "accuracy": ("the share of rows that are predicted right", True),
    "balanced_accuracy": ("the mean of the recall of every class", True),
    "mcc": ("Matthews' correlation of prediction and truth, from -1 to 1", True),
    "log_loss": ("the mean negative logarithm of the probability given to the truth", False),
}
_AVERAGED = ("precision", "recall", "f1", "roc_auc", "average_precision")
_AVERAGES = {"macro": "averaged over classes", "weighted": "averaged over classes by their rows"}
_REGRESSION: Mapping[str, tuple[str, bool]] = {
    "rmse": ("the root of the mean squared error", False),
    "mae": ("the mean absolute error", False),
    "mape": ("the mean absolute error relative to the truth, as a fraction", False),
    "r2": ("the share of the truth's variance that is explained", True),
    "median_ae": ("the median absolute error", False),
    "max_error": ("the largest absolute error", False),
}
_BOTH: tuple[Task, ...] = ("binary", "multiclass")

METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        *(Metric(key, about, higher, _BOTH) for key, (about, higher) in _CLASSES.items()),
        *(Metric(key, about, higher, ("binary",)) for key, (about, higher) in _BINARY.items()),
        *(Metric(key, about, higher, ("regression",)) for key, (about, higher) in _REGRESSION.items()),
        *(
            Metric(f"{key}_{average}", f"{_BINARY[key][0]}, {words}", True, ("multiclass",))
            for key in _AVERAGED
            for average, words in _AVERAGES.items()
        ),
        Metric("rows", "how many rows the holdout has", True, (*_BOTH, "regression")),
        Metric("positives", "how many rows of the holdout are positive", True, ("binary",)),
    )
}

#: which state computes it; `rows` and `positives` are counted beside them
FAMILIES = {"classes": tuple(classes.METRICS), "losses": losses.METRICS, "ranks": ranks.METRICS}


def _row(metric: Metric) -> PathRow:
    counted = metric.answer == "nothing"
    return PathRow(
        "holdout",
        metric.name,
        "number",
        metric.about if counted else f"{metric.about}, on the holdout",
        "give the holdout more rows" if counted else _FIX,
        sliceable=True,
        sampled=metric.sampled,
        comparable=not counted,
        higher_is_better=metric.higher_is_better,
        tasks=metric.tasks,
    )


ROWS = tuple(_row(metric) for metric in METRICS.values())
