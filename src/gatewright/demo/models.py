"""Four versions of one classifier, trained on scikit-learn's bundled tumour data and registered with MLflow."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatewright.problem import Undetermined

if TYPE_CHECKING:
    from pandas import DataFrame

#: the column to predict: 1 for a malignant tumour
TARGET = "malignant"


@dataclass(frozen=True, slots=True)
class Data:
    """The rows to learn from and the rows to measure on; both hold thirty measurements and TARGET."""

    train: DataFrame
    test: DataFrame


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a version is made: what it is in a few words, its estimator, and what befalls its data and its logging."""

    about: str
    estimator: Callable[[], Any]
    spoil: Callable[[DataFrame], DataFrame] = lambda rows: rows
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """A registered version: its number and what its run says of it."""

    number: int
    about: str
    accuracy: float
    recall: float
    signed: bool


def load() -> Data:
    """569 tumours, a third of them held back from training; the same split every time."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    found = load_breast_cancer(as_frame=True)
    rows = found.data.assign(**{TARGET: 1 - found.target})
    train, test = train_test_split(rows, test_size=1 / 3, random_state=3, stratify=rows[TARGET])
    return Data(train, test)


def register(model: str, uri: str, data: Data) -> tuple[Made, ...]:
    """Trains every recipe and registers each as the next version of `model` at `uri`, without a word of MLflow's.

    Raises Undetermined where the installed MLflow cannot do that.
    """
    try:
        with _silence():
            import mlflow

            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            mlflow.set_experiment("training")
            return tuple(_register(model, number, recipe, data) for number, recipe in enumerate(RECIPES, start=1))
    except Exception as error:
        raise Undetermined(
            "could not train and register the demo's models",
            f"{type(error).__name__}: {error}",
            "Install Gatewright into an environment of its own, with the MLflow that it brings along.",
        ) from error


def _register(model: str, number: int, recipe: Recipe, data: Data) -> Made:
    import mlflow
    import mlflow.sklearn
    from mlflow.data.pandas_dataset import from_pandas
    from mlflow.models import infer_signature

    train = recipe.spoil(data.train)
    inputs = train.drop(columns=TARGET)
    with mlflow.start_run(run_name=recipe.about):
        fitted = recipe.estimator().fit(inputs, train[TARGET])
        scores = measured(fitted, data.test)
        mlflow.log_input(from_pandas(train, targets=TARGET, name="tumours"), context="training")
        mlflow.log_metrics(scores)
        # Named requirements spare MLflow the loading of the model that finding them out would take.
        mlflow.sklearn.log_model(
            fitted,
            "model",
            registered_model_name=model,
            signature=infer_signature(inputs, fitted.predict(inputs)) if recipe.signed else None,
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
    return Made(number, recipe.about, scores["accuracy"], scores["recall"], recipe.signed)


def measured(fitted: Any, rows: DataFrame) -> dict[str, float]:
    """Accuracy, and the recall of malignant tumours, on rows that the model has not seen."""
    from sklearn.metrics import accuracy_score, recall_score

    predicted = fitted.predict(rows.drop(columns=TARGET))
    truth = rows[TARGET]
    return {"accuracy": float(accuracy_score(truth, predicted)), "recall": float(recall_score(truth, predicted))}


def _bayes() -> Any:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _support_vectors() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC())


def _slipped(rows: DataFrame) -> DataFrame:
    """Every row with the label of the row before it: what a join on the wrong key does."""
    return rows.assign(**{TARGET: rows[TARGET].shift(1, fill_value=0)})


#: version 1 is good, 2 is better, 3 fails, and 4 scores best of all but does not say what it takes
RECIPES = (
    Recipe("naive Bayes", _bayes),
    Recipe("logistic regression", _regression),
    Recipe("the same on slipped labels", _regression, spoil=_slipped),
    Recipe("support vectors, logged in a hurry", _support_vectors, signed=False),
)


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing that MLflow logs, warns of or remarks while it trains reaches the terminal; exceptions do."""
    before = logging.root.manager.disable
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
