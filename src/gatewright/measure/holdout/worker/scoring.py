"""Loads an MLflow model and finds the way to its labels, probabilities or values."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.measure.holdout.worker import loading
from gatewright.measure.holdout.worker.loading import Loaded
from gatewright.measure.holdout.worker.outputs import (
    Output,
    Unusable,
    labels_of,
    numbers_of,
    probabilities_of,
    scalar,
    understand,
)

_NO_PROBABILITIES = (
    "it predicts labels, not probabilities: log it with pyfunc_predict_fn='predict_proba', "
    "give the model a predict_proba, or let its predict return probabilities"
)

_PROBABILISTIC = ("binary:logistic", "multi:softprob", "binary", "multiclass", "cross_entropy")
_LABELLING = ("multi:softmax", "binary:hinge")

#: classifiers whose labels are their most probable classes, always: a second pass over the rows is spared
_MOST_PROBABLE = frozenset({
    "HistGradientBoostingClassifier",
    "GradientBoostingClassifier",
    "RandomForestClassifier",
    "ExtraTreesClassifier",
    "DecisionTreeClassifier",
    "LogisticRegression",
    "MLPClassifier",
    "XGBClassifier",
    "LGBMClassifier",
})  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A loaded model. `predict` is one call of it, `read` understands what it returns.

    labels: a second call for the labels, where they do not follow from the first. classes: in the order of
    the probabilities' columns, () if unknown. derived: labels are the most probable classes. notes: for
    people.
    """

    predict: Callable[[Any], Any]
    read: Callable[[Any], Output]
    labels: Callable[[Any], Any] | None = None
    classes: tuple[Any, ...] = ()
    derived: bool = False
    notes: tuple[str, ...] = ()


def load(folder: str, wants: str, plain: Mapping[str, Any] | None = None) -> Model:
    """Loads the model for "label", "probability" or "value", which runs its code.

    plain: how it is loaded without MLflow, if it can be. Raises Unusable, or whatever it raises.
    """
    loaded = loading.by_mlflow(folder) if plain is None else loading.without_mlflow(folder, plain)
    raw = loaded.raw
    if wants == "value":
        return Model(loaded.predict, numbers_of)
    if _is_booster(raw):
        return _booster(loaded, wants)
    if hasattr(raw, "classes_") and callable(getattr(raw, "predict", None)) and not loaded.custom:
        return _classifier(loaded, wants)
    return _unknown(loaded, wants)


def _classifier(loaded: Loaded, wants: str) -> Model:
    """A classifier in scikit-learn's manner."""
    raw = loaded.raw
    if isinstance(raw.classes_, list):
        raise Unusable("it predicts several targets at once")
    classes = tuple(map(scalar, raw.classes_))
    label = loaded.checked(raw.predict)
    if wants == "label":
        return Model(label, labels_of, classes=classes)
    name = type(_innermost(raw)).__name__
    if not callable(getattr(raw, "predict_proba", None)):
        raise Unusable(f"a {name} like this has no predict_proba: use one that has, or metrics of labels")
    probability = loaded.checked(raw.predict_proba)
    if name in _MOST_PROBABLE:
        return Model(probability, probabilities_of, classes=classes, derived=True)
    return Model(probability, probabilities_of, lambda frame: labels_of(label(frame)).labels, classes)


def _innermost(raw: Any) -> Any:
    """The estimator at the end of a pipeline, or the best of a search."""
    for _ in range(8):
        if hasattr(raw, "steps"):
            raw = raw.steps[-1][1]
        elif hasattr(raw, "best_estimator_"):
            raw = raw.best_estimator_
    return raw


def _is_booster(raw: Any) -> bool:
    return type(raw).__name__ == "Booster" and type(raw).__module__.split(".")[0] in ("xgboost", "lightgbm")


def _booster(loaded: Loaded, wants: str) -> Model:
    """A native booster of XGBoost or LightGBM: its objective says what it predicts."""
    raw = loaded.raw
    objective = _objective(raw)
    if objective in _LABELLING and wants == "label":
        return _unknown(loaded, wants)
    if objective not in _PROBABILISTIC:
        shown = objective or "unknown"
        raise Unusable(f"a booster with the objective {shown} does not predict probabilities of classes")
    note = "the booster numbers its classes; its labels are its most probable classes"
    classes = tuple(range(_class_count(raw)))
    return Model(loaded.predict, probabilities_of, None, classes, True, (note,))


def _objective(raw: Any) -> str:
    if hasattr(raw, "save_config"):
        return str(json.loads(raw.save_config())["learner"]["objective"]["name"])
    found = re.search(r"^objective=(\S+)", raw.model_to_string(num_iteration=1), re.MULTILINE)
    return found.group(1) if found else ""


def _class_count(raw: Any) -> int:
    if hasattr(raw, "save_config"):
        return max(int(json.loads(raw.save_config())["learner"]["learner_model_param"]["num_class"]), 2)
    return max(int(raw.num_model_per_iteration()), 2)


def _unknown(loaded: Loaded, wants: str) -> Model:
    """A model of which only `predict` is known."""
    own = _own_probabilities(loaded) if wants == "probability" else None
    classes = tuple(map(scalar, getattr(loaded.raw, "classes_", ())))
    return Model(own or loaded.predict, _Habit(wants), classes=classes)


class _Habit:
    """Reads what a model of unknown kind predicts: the first answer tells what it gives."""

    def __init__(self, wants: str) -> None:
        self._wants = wants
        self._gives_probabilities: bool | None = None

    def __call__(self, result: Any) -> Output:
        found = understand(result)
        if self._gives_probabilities and found.probabilities is None and _all_whole(found.labels):
            found = Output(probabilities=found.labels)
        given = found.probabilities is not None
        if self._gives_probabilities is None:
            self._gives_probabilities = given
        if given != self._gives_probabilities:
            raise Unusable("it predicts probabilities for some batches and labels for others")
        if self._wants == "probability" and not given:
            raise Unusable(_NO_PROBABILITIES)
        return found


def _all_whole(labels: Any) -> bool:
    """Whether these may be probabilities that all happen to be 0 or 1."""
    return bool(labels.dtype.kind == "f" and ((labels == 0) | (labels == 1) | (labels != labels)).all())


def _own_probabilities(loaded: Loaded) -> Callable[[Any], Any] | None:
    """A `predict_proba` of the model's own, taking the rows, or MLflow's context and the rows."""
    own = getattr(loaded.raw, "predict_proba", None)
    if not callable(own):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(own).parameters.values()
    if sum(p.default is p.empty and p.kind in positional for p in parameters) > 1:
        return loaded.checked(lambda frame: own(loaded.context, frame))
    return loaded.checked(own)
