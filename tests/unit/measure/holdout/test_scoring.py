"""Where each kind of model keeps its probabilities, and what is said of one that has none.

In this process, without a worker: `test_scorer.py` shows that the way there and back changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gatewright.measure.holdout.worker import scoring
from gatewright.measure.holdout.worker.outputs import Unusable
from unit.measure.holdout import custom

Saved = Callable[..., Path]


@pytest.fixture(scope="session")
def truth(frame: pd.DataFrame) -> Any:
    """Two classes, named by numbers."""
    return (frame["a"] > 0.1).astype(int).to_numpy()


def scored(folder: Path, wants: str, frame: pd.DataFrame) -> tuple[scoring.Model, Any]:
    """A loaded model and what it answers."""
    model = scoring.load(str(folder), wants)
    return model, model.read(model.predict(frame))


@pytest.mark.parametrize("around", ["nothing", "a pipeline", "a search"])
def test_labels_of_the_usual_classifiers_need_no_second_pass(
    saved: Saved, frame: pd.DataFrame, truth: Any, around: str
) -> None:
    """They are the most probable classes, wherever the estimator is wrapped."""
    forest = RandomForestClassifier(n_estimators=3, random_state=1)
    grid = {"max_depth": [2]}
    fitted = {
        "nothing": forest,
        "a pipeline": make_pipeline(StandardScaler(), forest),
        "a search": GridSearchCV(forest, grid, cv=2),
    }[around].fit(frame, truth)
    model, answer = scored(saved(fitted), "probability", frame)
    assert model.derived and model.labels is None and model.classes == (0, 1)
    np.testing.assert_allclose(answer.probabilities, fitted.predict_proba(frame), rtol=1e-12)
    np.testing.assert_array_equal(answer.probabilities.argmax(axis=1), fitted.predict(frame))


def test_any_other_classifier_is_asked_for_its_labels_too(saved: Saved, frame: pd.DataFrame, truth: Any) -> None:
    """Its labels may follow from something else."""
    fitted = GaussianNB().fit(frame, truth)
    model = scoring.load(str(saved(fitted)), "probability")
    assert not model.derived and model.labels is not None
    np.testing.assert_array_equal(model.labels(frame), fitted.predict(frame))


def test_labels_alone_are_the_models_own(saved: Saved, frame: pd.DataFrame, truth: Any) -> None:
    """Where no metric needs probabilities, nobody asks for them."""
    fitted = custom.Careful().fit(frame, truth)
    _, answer = scored(saved(fitted), "label", frame)
    np.testing.assert_array_equal(answer.labels, fitted.predict(frame))
    assert answer.probabilities is None


def test_a_function_that_was_logged_does_not_change_what_is_asked(
    saved: Saved, frame: pd.DataFrame, truth: Any
) -> None:
    """pyfunc_predict_fn='predict_proba' makes `predict` give probabilities; labels come from the estimator still."""
    fitted = LogisticRegression().fit(frame, truth)
    folder = saved(fitted, pyfunc_predict_fn="predict_proba")
    np.testing.assert_allclose(
        scored(folder, "probability", frame)[1].probabilities, fitted.predict_proba(frame), rtol=1e-12
    )
    np.testing.assert_array_equal(scored(folder, "label", frame)[1].labels, fitted.predict(frame))


def test_a_classifier_without_probabilities_says_so_when_it_is_loaded(
    saved: Saved, frame: pd.DataFrame, truth: Any
) -> None:
    """Not after the first million rows."""
    folder = saved(LinearSVC().fit(frame, truth))
    with pytest.raises(Unusable, match="LinearSVC like this has no predict_proba"):
        scoring.load(str(folder), "probability")
    assert scored(folder, "label", frame)[1].labels is not None


def test_several_targets_at_once_are_refused(saved: Saved, frame: pd.DataFrame, truth: Any) -> None:
    """One holdout has one target."""
    folder = saved(MultiOutputClassifier(GaussianNB()).fit(frame, np.column_stack([truth, 1 - truth])))
    with pytest.raises(Unusable, match="several targets"):
        scoring.load(str(folder), "label")


def test_a_regression_is_asked_for_values(saved: Saved, frame: pd.DataFrame) -> None:
    """Integers are values too."""
    fitted = LinearRegression().fit(frame, frame["c"])
    np.testing.assert_allclose(scored(saved(fitted), "value", frame)[1].values, fitted.predict(frame), rtol=1e-12)


def test_words_are_no_values(tmp_path: Path, frame: pd.DataFrame) -> None:
    """A classifier under task: regression."""
    with pytest.raises(Unusable, match="it predicts text, not numbers"):
        scored(custom.save(tmp_path / "model", custom.Labels()), "value", frame)


def test_a_model_of_ones_own_with_predict_proba_is_asked_by_it(tmp_path: Path, frame: pd.DataFrame) -> None:
    """The method takes the rows, as scikit-learn's does."""
    _, answer = scored(custom.save(tmp_path / "model", custom.Probable()), "probability", frame)
    np.testing.assert_allclose(answer.probabilities, custom.Probable().predict_proba(frame), rtol=1e-12)


def test_a_model_of_ones_own_without_it_gives_labels(tmp_path: Path, frame: pd.DataFrame) -> None:
    """And says what would help where probabilities are needed."""
    own: Any = custom.Labels()
    folder = custom.save(tmp_path / "model", own)
    assert list(scored(folder, "label", frame)[1].labels) == own.predict(None, frame)
    with pytest.raises(Unusable, match="log it with pyfunc_predict_fn='predict_proba'"):
        scored(folder, "probability", frame)


@pytest.mark.parametrize("wants", ["label", "probability"])
def test_numbers_between_0_and_1_are_probabilities(tmp_path: Path, frame: pd.DataFrame, wants: str) -> None:
    """What many wrappers of networks predict; the parent cuts labels at 0.5 and says so."""
    _, answer = scored(custom.save(tmp_path / "model", custom.Score()), wants, frame)
    assert answer.labels is None
    assert answer.probabilities.shape == (90,)


def test_a_batch_that_happens_to_be_certain_is_of_probabilities_still(tmp_path: Path, frame: pd.DataFrame) -> None:
    """0.0 and 1.0 would be labels on their own; the batch before told what this model gives."""
    model, _ = scored(custom.save(tmp_path / "model", custom.Score()), "probability", frame)
    certain = model.read(np.array([0.0, 1.0]))
    assert (certain.labels, list(certain.probabilities)) == (None, [0.0, 1.0])


def test_a_model_that_changes_its_kind_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Half of a metric would be of labels, half of probabilities."""
    model, _ = scored(custom.save(tmp_path / "model", custom.Score()), "label", frame)
    with pytest.raises(Unusable, match="probabilities for some batches and labels for others"):
        model.read(["yes", "no"])


def test_a_frame_names_label_and_probability(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Both are taken as they are: its labels need not follow from its probabilities."""
    own: Any = custom.Frame()
    _, answer = scored(custom.save(tmp_path / "model", own), "probability", frame)
    expected = own.predict(None, frame)
    np.testing.assert_array_equal(answer.labels, expected["prediction"])
    np.testing.assert_allclose(answer.probabilities, expected["probability"], rtol=1e-12)
