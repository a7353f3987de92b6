"""Every metric on data that scikit-learn ships, in any split, against scikit-learn itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.metrics import METRICS
from gatewright.policy.model import Task
from properties.test_metrics import LABELS, Data, reference, tally, value


def _data(task: Task, target: Any, models: list[Predictions]) -> Data:
    rows = np.arange(len(target))
    keys = np.random.default_rng(1).integers(0, 2**63, len(target)).astype(np.uint64)
    return Data(task, target, (models[0], models[1]), rows % 3, (rows // 4).astype(np.uint64), keys)


def _halves(x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
    """Every other row to learn from, the others held out."""
    return x[::2], y[::2], x[1::2], y[1::2]


def tumours() -> Data:
    """Breast cancer: two models with probabilities."""
    x, y, held, target = _halves(*datasets.load_breast_cancer(return_X_y=True))
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    forest = RandomForestClassifier(20, random_state=0).fit(x, y)
    return _data(
        "binary", target, [Predictions(m.predict(held), m.predict_proba(held)[:, 1]) for m in (linear, forest)]
    )


def wines() -> Data:
    """Three kinds of wine; a forest's probabilities have ties by the dozen."""
    x, codes = datasets.load_wine(return_X_y=True)
    x, y, held, target = _halves(x[:, :4], np.array(LABELS, dtype=object)[codes])
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    forest = RandomForestClassifier(20, random_state=0).fit(x, y)
    return _data("multiclass", target, [Predictions(m.predict(held), m.predict_proba(held)) for m in (linear, forest)])


def progress() -> Data:
    """Diabetes: how far it went in a year."""
    x, y, held, target = _halves(*datasets.load_diabetes(return_X_y=True))
    return _data("regression", target, [Predictions(values=Ridge(a).fit(x, y).predict(held)) for a in (0.1, 10.0)])


@pytest.fixture(scope="module", params=[tumours, wines, progress], ids=["binary", "multiclass", "regression"])
def data(request: pytest.FixtureRequest) -> Data:
    """A holdout with two models' answers."""
    made: Callable[[], Data] = request.param
    return made()


def test_every_metric_is_scikit_learns_on_real_data(data: Data) -> None:
    """Within 1e-12, of the candidate and of the champion."""
    whole = tally(data.task)
    whole.update(data.batch(np.arange(len(data.keys))))
    facts = whole.facts("test")
    turned = Data(data.task, data.target, (data.models[1], data.models[0]), data.slices, data.units, data.keys)
    for name, metric in METRICS.items():
        if data.task in metric.tasks:
            assert value(facts, name) == pytest.approx(reference(name, data), rel=1e-12, abs=1e-12), name
            if metric.answer != "nothing":
                theirs = value(facts, name, "champion")
                assert theirs == pytest.approx(reference(name, turned), rel=1e-12, abs=1e-12), name


@pytest.mark.parametrize("parts", [2, 7, 60])
def test_any_split_of_it_comes_to_the_same_bits(data: Data, parts: int) -> None:
    """Parts that were counted apart, in another order, and merged in pairs."""
    whole = tally(data.task)
    whole.update(data.batch(np.arange(len(data.keys))))
    rows = np.random.default_rng(parts).permutation(len(data.keys))
    counted = []
    for part in np.array_split(rows, parts):
        counted.append(tally(data.task))
        counted[-1].update(data.batch(part))
    while len(counted) > 1:
        last = counted.pop()
        counted[len(counted) // 2].merge(last)
    assert counted[0].facts("test") == whole.facts("test")
