"""From batches to facts that the verdict reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gatewright.evidence import Evidence, Fact, Need, Scalar, needs
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.tally import Batch, Slices, Tally, align, encode
from gatewright.measure.metrics import FAMILIES, METRICS
from gatewright.paths import Path
from gatewright.policy.model import Champion, Check, Place
from gatewright.quantity import parse_quantity
from gatewright.verdict import Result, judge

PLACE = Place("p.yaml", 1, 1)


def check(
    metric: str, op: str, operand: Any, *, by: str | None = None, aggregate: Any = None, at: str | None = None
) -> Check:
    """A check on a holdout metric; an operand that is a pair is (factor, offset) on the champion."""
    from decimal import Decimal

    right = (
        Champion(Decimal(str(operand[0])), Decimal(str(operand[1])), "champion")
        if isinstance(operand, tuple)
        else parse_quantity(str(operand))
    )
    level = None if at is None else Decimal(at)
    kind: Any = aggregate or ("by" if by else None)
    return Check(metric, Path("holdout", metric), PLACE, op=op, operand=right, aggregate=kind, column=by, level=level)


def batch(
    target: Any,
    candidate: Predictions,
    champion: Predictions | None = None,
    *,
    regions: Sequence[str] = (),
    start: int = 0,
) -> Batch:
    """Rows whose keys are their numbers."""
    import numpy as np

    names = sorted(set(regions))
    slices = {"region": Slices(np.array([names.index(r) for r in regions], np.int64), names)} if regions else {}
    keys = np.arange(start, start + len(target), dtype=np.uint64)
    return Batch(np.asarray(target), candidate, champion, keys, slices)


def labels(*values: Any) -> Predictions:
    """A model that only names classes."""
    import numpy as np

    return Predictions(np.array(values))


def judged(checks: Sequence[Check], rows: Batch, **options: Any) -> tuple[Result, ...]:
    """The verdict on what a tally of these rows says."""
    paired = rows.champion is not None
    tally = Tally("binary", needs(checks), paired=paired, slice_columns=("region",), **options)
    tally.update(rows)
    subject: dict[str, Scalar | None] = {"model": "m", "version": 2, "champion": 1 if paired else None}
    return judge(checks, Evidence(subject, "d", tally.facts("holdout.parquet"))).results


def one(facts: Sequence[Fact], who: str, metric: str) -> Fact:
    """The fact over all rows."""
    return next(f for f in facts if (f.who, f.path.key, f.column) == (who, metric, None))


def test_the_seed_sentence_is_measured() -> None:
    """`holdout.accuracy > 95%` on a hundred rows, 96 of them right."""
    (result,) = judged([check("accuracy", ">", "95%")], batch([1] * 100, labels(*[1] * 96, *[0] * 4)))
    assert (result.status, result.value, result.n, result.source) == ("pass", 0.96, 100, "holdout.parquet")


@pytest.mark.parametrize(("margin", "status"), [("-0.02", "inconclusive"), ("-0.025", "pass"), ("0.01", "fail")])
def test_a_paired_difference_passes_fails_or_stays_open(margin: str, status: str) -> None:
    """30 rows only the champion has right, 20 only the candidate: Δ is −1 % with an error of 0.7 %."""
    import numpy as np

    mine = np.ones(1000, int)
    theirs = mine.copy()
    mine[:30], theirs[30:50] = 0, 0
    rows = batch([1] * 1000, Predictions(mine), Predictions(theirs))
    (result,) = judged([check("accuracy", ">=", (1, margin), at="0.975")], rows)
    assert result.status == status
    assert result.interval is not None and result.interval.method == "paired Wald, Agresti–Min adjusted"


def test_slices_have_the_levels_that_holms_procedure_asks_for() -> None:
    """A verdict that finds no interval at a corrected level could never call a slice failing."""
    import numpy as np

    regions = ["a"] * 300 + ["b"] * 300 + ["c"] * 20
    right = np.ones(620, int)
    right[:150] = 0
    rows = batch([1] * 620, Predictions(right), regions=regions)
    (result,) = judged([check("accuracy", ">=", "0.9", by="region", at="0.95")], rows, min_slice_rows=200)
    assert result.status == "fail" and "“a”" in result.because
    assert [(s.slice, s.rows, s.status) for s in result.slices] == [
        ("a", 300, "fail"),
        ("b", 300, "pass"),
        ("c", 20, "skip"),
    ]


def test_the_gap_between_slices_has_bounds() -> None:
    """`gap by` with `at`: the upper bound counts, and small slices do not."""
    import numpy as np

    regions = ["a"] * 400 + ["b"] * 400 + ["c"] * 10
    right = np.ones(810, int)
    right[:40], right[800:] = 0, 0
    rows = batch([1] * 810, Predictions(right), Predictions(np.ones(810, int)), regions=regions)
    checks = [
        check("accuracy", "<=", "0.2", by="region", aggregate="gap by", at="0.95"),
        check("accuracy", "<=", "0.11", by="region", aggregate="gap by", at="0.95"),
        check("accuracy", ">=", "0.8", by="region", aggregate="ratio by", at="0.95"),
        check("accuracy", "<=", (1, "0.2"), by="region", aggregate="gap by", at="0.95"),
    ]
    first, second, third, fourth = judged(checks, rows)
    assert (first.status, first.value) == ("pass", 0.1)
    assert second.status == "inconclusive"
    assert (third.status, third.value) == ("pass", 0.9)
    assert (fourth.status, fourth.champion) == ("pass", 0.0)


def test_a_metric_that_the_truth_leaves_undefined_is_an_error() -> None:
    """No positive row: recall is neither 0 nor 1, and the candidate has not failed."""
    (result,) = judged([check("recall", ">=", "0.5")], batch([0, 0, 0], labels(0, 1, 0)))
    assert (result.status, result.because) == ("error", "recall is not defined: no row is positive")


def test_a_model_that_never_predicts_the_positive_class_has_no_precision() -> None:
    """That is the model's doing: scikit-learn's 0, which fails."""
    (result,) = judged([check("precision", ">=", "0.5")], batch([0, 1, 0], labels(0, 0, 0)))
    assert (result.status, result.value) == ("fail", 0.0)


def test_a_champion_without_probabilities_leaves_the_candidate_measured() -> None:
    """Each is told apart: what is missing is the champion's."""
    import numpy as np

    mine = Predictions(np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.8, 0.3]))
    rows = batch([0, 1, 1, 0], mine, labels(0, 1, 1, 0))
    low, high = judged([check("roc_auc", ">=", "0.5"), check("roc_auc", ">=", (1, 0))], rows)
    assert (low.status, low.value) == ("pass", 1.0)
    assert high.status == "error" and "the champion does not predict probabilities" in high.because


def test_perfect_separation_of_few_rows_proves_little() -> None:
    """DeLong's variance is zero there; the bound is not."""
    import numpy as np

    y = np.array([0, 1] * 20)
    tally = Tally("binary", [Need(Path("holdout", "roc_auc"), level=0.95)], paired=False)
    tally.update(batch(y, Predictions(y, 0.2 + 0.6 * y)))
    (fact,) = tally.facts("x")
    assert fact.value == 1.0 and fact.intervals[0].low < 0.96


def test_the_median_of_four_rows_has_no_bounds_at_95_percent() -> None:
    """All four errors lie on one side of the median once in sixteen times."""
    import numpy as np

    wanted = [Need(Path("holdout", "median_ae"), level=level) for level in (0.9, 0.95)]
    tally = Tally("regression", wanted, paired=False)
    tally.update(batch(np.zeros(4), Predictions(values=np.array([1.0, 2.0, 3.0, 4.0]))))
    (fact,) = tally.facts("x")
    assert fact.value == 2.5
    assert [(i.level, i.low, i.high) for i in fact.intervals] == [(0.9, 1.0, 4.0)]


def test_a_metric_of_another_task_says_so() -> None:
    """The policy is read elsewhere; a fact must not be missing silently."""
    (result,) = judged([check("rmse", "<=", "3")], batch([0, 1], labels(0, 1)))
    assert (result.status, result.because) == ("error", "rmse is no metric of a binary holdout")


def test_a_column_that_the_policy_does_not_slice_by_says_so() -> None:
    """Rather than that no slices were measured."""
    (result,) = judged([check("accuracy", ">=", "0.5", by="colour")], batch([0, 1], labels(0, 1)))
    assert result.status == "error" and "colour is not among the slices" in result.because


def test_batches_may_name_their_slices_differently() -> None:
    """A dictionary column has a dictionary a batch."""
    tally = Tally("binary", [Need(Path("holdout", "rows"), "region", "by")], paired=False, slice_columns=("region",))
    tally.update(batch([0, 1], labels(0, 1), regions=["b", "a"]))
    tally.update(batch([0, 1, 1], labels(0, 1, 1), regions=["c", "b", "b"], start=2))
    assert [(f.slice, f.value) for f in tally.facts("x")] == [("a", 1), ("b", 3), ("c", 1)]


def test_a_sample_of_many_rows_says_that_it_is_one() -> None:
    """Beyond the cap the ROC area is that of a sample, near the exact one, with an interval that owns up to it."""
    import numpy as np

    rng = np.random.default_rng(1)
    y = (rng.random(20_000) < 0.05).astype(int)
    scores = 1 / (1 + np.exp(2 - y - rng.standard_normal(20_000)))
    names = ("roc_auc", "average_precision")
    wanted = [Need(Path("holdout", name), level=0.999) for name in names]
    exact, sampled = (Tally("binary", wanted, paired=False, cap=cap) for cap in (1 << 20, 2000))
    for tally in (exact, sampled):
        for start in range(0, 20_000, 3000):
            part = slice(start, start + 3000)
            tally.update(batch(y[part], Predictions((scores > 0.5).astype(int)[part], scores[part]), start=start))
    for name in names:
        true, found = one(exact.facts("x"), "candidate", name), one(sampled.facts("x"), "candidate", name)
        interval = found.intervals[0]
        assert interval.low < float(true.value or 0) < interval.high
        assert found.value != true.value
        assert "approximate: of a sample of" in interval.method
        assert "approximate" not in true.intervals[0].method


def test_numbers_too_large_to_be_squared_are_no_error_of_the_models() -> None:
    """The rmse is not known; the mean absolute error is."""
    import numpy as np

    tally = Tally("regression", [Need(Path("holdout", m)) for m in ("rmse", "mae", "r2")], paired=False)
    tally.update(batch(np.array([1.0, 2e200]), Predictions(values=np.array([2.0, 1e200]))))
    rmse, mae, r2 = tally.facts("x")
    assert (rmse.state, r2.state) == ("unreadable", "unreadable")
    assert mae.value == pytest.approx(0.5e200)


def test_r2_survives_a_truth_far_from_zero() -> None:
    """Sums of squares would cancel to nothing."""
    import numpy as np
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y = 1e9 + rng.standard_normal(500)
    p = y + 0.3 * rng.standard_normal(500)
    tally = Tally("regression", [Need(Path("holdout", "r2"))], paired=False)
    tally.update(batch(y, Predictions(values=p)))
    (fact,) = tally.facts("x")
    assert fact.value == pytest.approx(r2_score(y, p), abs=1e-12)


def test_a_class_that_nobody_announced_is_named() -> None:
    """A wrong list of labels would shift every count."""
    import numpy as np

    assert encode(np.array(["b", "a"], dtype=object), ("a", "b")).tolist() == [1, 0]
    with pytest.raises(ValueError, match="'z' is none of the classes 'a', 'b'"):
        encode(np.array(["b", "z"], dtype=object), ("a", "b"))


def test_probabilities_are_put_in_the_order_of_the_labels() -> None:
    """A class that a model has never seen gets no probability."""
    import numpy as np

    found = align(np.array([[0.7, 0.3]]), ("c", "a"), ("a", "b", "c"))
    assert found.tolist() == [[0.3, 0.0, 0.7]]


def test_every_metric_has_exactly_one_family() -> None:
    """A metric without a state could never be computed."""
    listed = [m for metrics in FAMILIES.values() for m in metrics]
    assert sorted(listed) == sorted(m.name for m in METRICS.values() if m.answer != "nothing")
