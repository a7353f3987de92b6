"""Facts that a policy may name and that nothing measures yet: whatever rests on them is not promoted."""

from __future__ import annotations

from gatewright.evidence import Fact
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow

_PREDICTIONS = "name the metric as docs/policy.md lists it, for the task of the holdout block"

#: metric → (what it is, whether more of it is better)
_BINARY = {
    "accuracy": ("the share of rows that are predicted right", True),
    "balanced_accuracy": ("the mean of the recall of every class", True),
    "precision": ("the share of predicted positives that are positive", True),
    "recall": ("the share of positives that are predicted positive", True),
    "f1": ("the harmonic mean of precision and recall", True),
    "mcc": ("Matthews' correlation of prediction and truth, from -1 to 1", True),
    "roc_auc": ("the chance that a positive scores above a negative", True),
    "average_precision": ("the area under the precision-recall curve, as a sum of steps", True),
    "log_loss": ("the mean negative logarithm of the probability given to the truth", False),
    "brier": ("the mean squared distance of the probability from the truth", False),
}
_AVERAGED = ("precision", "recall", "f1", "roc_auc", "average_precision")
_AVERAGES = {"macro": "averaged over classes", "weighted": "averaged over classes by their rows"}
_REGRESSION = {
    "rmse": ("the root of the mean squared error", False),
    "mae": ("the mean absolute error", False),
    "mape": ("the mean absolute error relative to the truth, as a fraction", False),
    "r2": ("the share of the truth's variance that is explained", True),
    "median_ae": ("the median absolute error", False),
    "max_error": ("the largest absolute error", False),
}
_LATENCY = {
    "p50": "the median time of a call",
    "p90": "the time that 90 % of calls stay within",
    "p95": "the time that 95 % of calls stay within",
    "p99": "the time that 99 % of calls stay within",
    "mean": "the mean time of a call",
}


def _metric(key: str, about: str, higher_is_better: bool) -> PathRow:
    return PathRow(
        "holdout",
        key,
        "number",
        f"{about}, on the holdout",
        _PREDICTIONS,
        sliceable=True,
        sampled=key != "max_error",
        comparable=True,
        higher_is_better=higher_is_better,
    )


ROWS = (
    *(_metric(key, about, higher) for key, (about, higher) in (_BINARY | _REGRESSION).items()),
    *(
        _metric(f"{key}_{average}", f"{_BINARY[key][0]}, {words}", True)
        for key in _AVERAGED
        for average, words in _AVERAGES.items()
    ),
    PathRow(
        "holdout",
        "rows",
        "number",
        "how many rows the holdout has",
        "give the holdout more rows",
        sliceable=True,
        higher_is_better=True,
    ),
    *(
        PathRow(
            "latency",
            key,
            "number",
            f"{about}, through MLflow's pyfunc on the machine that runs the gate",
            "set the latency block: requests, warmup, batch",
            "time",
            sampled=True,
            comparable=True,
            higher_is_better=False,
        )
        for key, about in _LATENCY.items()
    ),
    PathRow(
        "latency",
        "throughput",
        "number",
        "rows scored a second",
        "set the latency block: requests, warmup, batch",
        sampled=True,
        comparable=True,
        higher_is_better=True,
    ),
    PathRow(
        "memory",
        "peak",
        "number",
        "the most memory that the process needs to load and call the model",
        "use a smaller model or a smaller batch",
        "bytes",
        comparable=True,
        higher_is_better=False,
    ),
    PathRow(
        "live",
        "*",
        "number",
        "an outcome metric of the live A/B split",
        "declare the split in the live block",
        sampled=True,
        comparable=True,
    ),
)

_WHY = {
    "holdout": "this version of Gatewright does not score models on a holdout yet",
    "latency": "this version of Gatewright does not time models yet",
    "memory": "this version of Gatewright does not measure a model's memory yet",
    "live": "this version of Gatewright does not read live outcomes yet",
}


def collect(path: Path, reading: Reading) -> Fact:
    """An unreadable fact that says so."""
    return reading.unreadable(path, f"{_WHY[path.family]}, so {path} of {reading.name} is not known")
