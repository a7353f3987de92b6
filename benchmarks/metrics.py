"""What counting up a holdout costs, against scikit-learn on the same arrays in the same run.

    python benchmarks/metrics.py [ROWS]

Two models, every binary metric, three checks with `at 95%`, two slice columns. Then the paired bootstrap of f1, 1,000
replicates, against resampling rows with scikit-learn; that loop is timed for a few replicates and scaled up. It must
be at least 100 times slower.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from gatewright.evidence import Need
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.tally import Batch, Slices, Tally
from gatewright.measure.metrics import METRICS
from gatewright.paths import Path

BATCH = 65_536
LOOPS = 5
LIMIT = 100.0
COUNTRIES = [f"country {i}" for i in range(10)]
CHANNELS = ["app", "branch", "phone", "web"]


class Data:
    """Truth, two models' probabilities and labels, and two columns to slice by."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        rng = np.random.default_rng(1)
        self.rows = rows
        self.truth = (rng.random(rows) < 0.2).astype(np.int64)
        signal = rng.standard_normal(rows) + 1.5 * self.truth
        self.scores = [1 / (1 + np.exp(1.8 - signal - s * rng.standard_normal(rows))) for s in (0.4, 0.7)]
        self.labels = [(p > 0.5).astype(np.int64) for p in self.scores]
        self.country = rng.integers(0, len(COUNTRIES), rows)
        self.channel = rng.integers(0, len(CHANNELS), rows)
        self.keys = rng.integers(0, 2**63, rows).astype(np.uint64)

    def batch(self, start: int) -> Batch:
        """BATCH rows."""
        part = slice(start, start + BATCH)
        mine, theirs = (Predictions(y[part], p[part]) for y, p in zip(self.labels, self.scores, strict=True))
        slices = {
            "country": Slices(self.country[part], COUNTRIES),
            "channel": Slices(self.channel[part], CHANNELS),
        }
        return Batch(self.truth[part], mine, theirs, self.keys[part], slices)


def wanted() -> list[Need]:
    """Every binary metric of both models, and three checks with bounds."""
    names = [m.name for m in METRICS.values() if "binary" in m.tasks and m.answer != "nothing"]
    return [
        *(Need(Path("holdout", name), factor=1.0) for name in names),
        Need(Path("holdout", "roc_auc"), factor=1.0, level=0.95),
        Need(Path("holdout", "recall"), "country", "by", 1.0, 0.95),
        Need(Path("holdout", "accuracy"), "channel", "by", None, 0.95),
    ]


def ours(data: Data) -> None:
    """The tally, from batches to facts."""
    tally = Tally("binary", wanted(), slice_columns=("country", "channel"), paired=True)
    for start in range(0, data.rows, BATCH):
        tally.update(data.batch(start))
    tally.facts("benchmark")


def scikit_learns(data: Data) -> None:
    """The same values for both models: no slices, no bounds."""
    from sklearn import metrics

    for labels, scores in zip(data.labels, data.scores, strict=True):
        for of_labels in (
            *(metrics.accuracy_score, metrics.balanced_accuracy_score, metrics.precision_score),
            *(metrics.recall_score, metrics.f1_score, metrics.matthews_corrcoef),
        ):
            of_labels(data.truth, labels)
        for of_scores in (
            *(metrics.roc_auc_score, metrics.average_precision_score),
            *(metrics.log_loss, metrics.brier_score_loss),
        ):
            of_scores(data.truth, scores)


def our_bootstrap(data: Data) -> None:
    """From batches to bounds."""
    tally = Tally("binary", [Need(Path("holdout", "f1"), factor=1.0, level=0.95)], paired=True)
    for start in range(0, data.rows, BATCH):
        tally.update(data.batch(start))
    facts = tally.facts("benchmark")
    assert "bootstrap" in facts[-1].intervals[0].method


def resampled(data: Data) -> None:
    """LOOPS replicates of the difference in f1, by drawing rows."""
    import numpy as np
    from sklearn import metrics

    rng = np.random.default_rng(0)
    for _ in range(LOOPS):
        rows = rng.integers(0, data.rows, data.rows)
        truth = data.truth[rows]
        for labels in data.labels:
            metrics.f1_score(truth, labels[rows])


def sorting(data: Data) -> None:
    """What no exact ROC area can do without."""
    for scores in data.scores:
        scores.argsort()


def seconds(of: Callable[[Data], None], data: Data, rounds: int) -> float:
    """The median."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        of(data)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def main(rows: int) -> int:
    """Runs both comparisons; 1 if the bootstrap's ratio is under the limit."""
    data = Data(rows)
    ours(data)
    tally, plain = seconds(ours, data, 3), seconds(scikit_learns, data, 3)
    sort = seconds(sorting, data, 3)
    print(f"{rows:,} rows, two models, every binary metric")
    print(f"  tally, with 3 checks at 95 % and 2 slice columns  {tally:8.3f} s, of it sorting {sort:.3f} s")
    print(f"  scikit-learn, values only                         {plain:8.3f} s")
    print(f"  ratio scikit-learn / tally                        {plain / tally:8.1f}")
    mine, loop = seconds(our_bootstrap, data, 3), seconds(resampled, data, 1) / LOOPS * 1000
    print("paired bootstrap of f1, 1,000 replicates")
    print(f"  tally                                             {mine:8.3f} s")
    print(f"  scikit-learn in a loop, scaled up from {LOOPS}          {loop:8.1f} s")
    print(f"  ratio                                             {loop / mine:8.0f}, limit {LIMIT:g}")
    return int(loop / mine < LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
