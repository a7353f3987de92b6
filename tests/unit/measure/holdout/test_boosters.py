"""XGBoost and LightGBM, as their users log them: what comes out of a worker is what the library itself says."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gatewright.measure.holdout.scorer import Scorer
from gatewright.measure.holdout.worker import scoring
from gatewright.measure.holdout.worker.outputs import Unusable
from real.process import absent


@pytest.fixture(scope="module")
def truth(frame: pd.DataFrame) -> Any:
    """Three classes, of which the first two serve as a binary truth."""
    return pd.qcut(frame["a"] + 0.2 * frame["b"], 3, labels=False).to_numpy()


def xgboost_of(objective: str, frame: pd.DataFrame, y: Any, **more: Any) -> Any:
    """A native booster."""
    if sys.platform != "linux":
        absent("xgboost", "its small package is for Linux")
    import xgboost

    table = xgboost.DMatrix(frame, label=y)
    return xgboost.train({"objective": objective, "max_depth": 2, **more}, table, num_boost_round=4)


def lightgbm_of(objective: str, frame: pd.DataFrame, y: Any, **more: Any) -> Any:
    """A native booster."""
    import lightgbm

    settings = {"objective": objective, "verbose": -1, "min_data_in_leaf": 5, "num_threads": 1, **more}
    return lightgbm.train(settings, lightgbm.Dataset(frame, label=y), num_boost_round=4)


def saved(folder: Path, model: Any) -> str:
    """Logged by the library's own flavor, as its users do."""
    flavor = {"xgboost": "xgboost", "lightgbm": "lightgbm"}[type(model).__module__.split(".")[0]]
    getattr(mlflow, flavor).save_model(model, str(folder / "model"), pip_requirements=[flavor])
    return str(folder / "model")


def scored(folder: str, wants: str, frame: pd.DataFrame) -> tuple[scoring.Model, Any]:
    """A loaded model and what it answers."""
    model = scoring.load(folder, wants)
    return model, model.read(model.predict(frame))


def probabilities(booster: Any, frame: pd.DataFrame) -> Any:
    """What the library itself predicts."""
    if type(booster).__module__.startswith("xgboost"):
        import xgboost

        return booster.predict(xgboost.DMatrix(frame))
    return booster.predict(frame)


BINARY = [(xgboost_of, "binary:logistic"), (lightgbm_of, "binary"), (lightgbm_of, "cross_entropy")]
SEVERAL = [(xgboost_of, "multi:softprob"), (lightgbm_of, "multiclass")]


@pytest.mark.parametrize(("train", "objective"), BINARY)
def test_a_binary_booster_gives_the_probability_of_the_second_class(
    train: Any, objective: str, frame: pd.DataFrame, truth: Any, tmp_path: Path
) -> None:
    """One column; the classes are 0 and 1, and a note says that they are numbers."""
    booster = train(objective, frame, (truth > 0).astype(int))
    model, answer = scored(saved(tmp_path, booster), "probability", frame)
    np.testing.assert_allclose(answer.probabilities, probabilities(booster, frame), rtol=1e-6)
    assert (model.classes, model.derived, model.labels) == ((0, 1), True, None)
    assert "numbers its classes" in model.notes[0]


@pytest.mark.parametrize(("train", "objective"), SEVERAL)
def test_a_booster_of_several_classes_gives_a_column_each(
    train: Any, objective: str, frame: pd.DataFrame, truth: Any, tmp_path: Path
) -> None:
    """As many classes as it was told of."""
    booster = train(objective, frame, truth, num_class=3)
    model, answer = scored(saved(tmp_path, booster), "probability", frame)
    np.testing.assert_allclose(answer.probabilities, probabilities(booster, frame), rtol=1e-6)
    assert model.classes == (0, 1, 2) and answer.probabilities.shape == (len(frame), 3)


@pytest.mark.parametrize(
    ("train", "objective", "more"),
    [(xgboost_of, "multi:softmax", {"num_class": 3}), (xgboost_of, "binary:hinge", {})],
)
def test_a_booster_of_labels_gives_labels_and_no_probabilities(
    train: Any, objective: str, more: Any, frame: pd.DataFrame, truth: Any, tmp_path: Path
) -> None:
    """Its objective says so, and what would help."""
    y = truth if more else (truth > 0).astype(int)
    booster = train(objective, frame, y, **more)
    folder = saved(tmp_path, booster)
    _, answer = scored(folder, "label", frame)
    np.testing.assert_array_equal(answer.labels, probabilities(booster, frame))
    with pytest.raises(Unusable, match=f"the objective {objective} does not predict probabilities"):
        scoring.load(folder, "probability")


@pytest.mark.parametrize(
    ("train", "objective"),
    [(xgboost_of, "reg:squarederror"), (xgboost_of, "binary:logitraw"), (lightgbm_of, "regression")],
)
@pytest.mark.parametrize("wants", ["label", "probability"])
def test_a_booster_of_numbers_is_no_classifier(
    train: Any, objective: str, wants: str, frame: pd.DataFrame, truth: Any, tmp_path: Path
) -> None:
    """Neither margins nor values are probabilities, even where all of them happen to lie between 0 and 1."""
    folder = saved(tmp_path, train(objective, frame, (truth > 0).astype(int)))
    with pytest.raises(Unusable, match=f"the objective {objective} does not predict probabilities"):
        scoring.load(folder, wants)


def test_probabilities_that_do_not_add_up_to_1_are_none(frame: pd.DataFrame, truth: Any, tmp_path: Path) -> None:
    """One class against the rest, each for itself: a log loss of these would be of nothing."""
    folder = saved(tmp_path, lightgbm_of("multiclassova", frame, truth, num_class=3))
    with pytest.raises(Unusable, match="the objective multiclassova does not predict probabilities of classes"):
        scoring.load(folder, "probability")


@pytest.mark.parametrize(("train", "objective"), [(xgboost_of, "reg:squarederror"), (lightgbm_of, "regression")])
def test_a_booster_of_numbers_is_asked_for_them(
    train: Any, objective: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Under task: regression."""
    booster = train(objective, frame, frame["a"] * 3)
    _, answer = scored(saved(tmp_path, booster), "value", frame)
    np.testing.assert_allclose(answer.values, probabilities(booster, frame), rtol=1e-6)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_in_scikit_learns_manner_is_asked_as_one(
    library: str, classes: int, frame: pd.DataFrame, truth: Any, tmp_path: Path
) -> None:
    """Its predict_proba, which its own flavor's `predict` is not; labels follow from it."""
    if library == "xgboost":
        if sys.platform != "linux":
            absent("xgboost", "its small package is for Linux")
        from xgboost import XGBClassifier

        fitted = XGBClassifier(n_estimators=4, max_depth=2)
    else:
        from lightgbm import LGBMClassifier

        fitted = LGBMClassifier(n_estimators=4, verbose=-1, min_child_samples=5)
    fitted.fit(frame, np.minimum(truth, classes - 1))
    folder = saved(tmp_path, fitted)
    model, answer = scored(folder, "probability", frame)
    np.testing.assert_allclose(answer.probabilities, fitted.predict_proba(frame), rtol=1e-6)
    assert model.classes == tuple(range(classes)) and model.derived
    np.testing.assert_array_equal(answer.probabilities.argmax(axis=1), fitted.predict(frame))
    np.testing.assert_array_equal(scored(folder, "label", frame)[1].labels, fitted.predict(frame))


def test_boosters_work_behind_all_walls(frame: pd.DataFrame, batch: pa.RecordBatch, truth: Any, tmp_path: Path) -> None:
    """Their threads, their libraries and their temporary files pass the sandbox; labels are cut at a half."""
    y = (truth > 0).astype(int)
    boosters = {"xgboost": xgboost_of("binary:logistic", frame, y), "lightgbm": lightgbm_of("binary", frame, y)}
    with ExitStack() as stack:
        scorers = {}
        for name, booster in boosters.items():
            folder = Path(saved(tmp_path / name, booster))
            started = Scorer.start(folder, label=f"{name}/1", wants="probability", positive=1)
            scorers[name] = stack.enter_context(started)
        for name, scorer in scorers.items():
            answer, due = scorer.predict(batch), probabilities(boosters[name], frame)
            assert answer.probabilities is not None
            np.testing.assert_allclose(answer.probabilities, due, rtol=1e-6)
            np.testing.assert_array_equal(answer.labels, (due > 0.5).astype(int))
            assert scorer.flavor == name
            assert any("numbers its classes" in warning for warning in scorer.warnings)
