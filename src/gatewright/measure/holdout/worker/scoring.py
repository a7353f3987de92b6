"""Loads an MLflow model and finds the way to its labels, probabilities or values."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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

#: where MLflow's wrappers keep the library's own object, in versions without get_raw_model
_RAW = ("sklearn_model", "xgb_model", "lgb_model", "cb_model", "python_model")

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


def load(folder: str, wants: str) -> Model:
    """Loads the model for "label", "probability" or "value", which runs its code.

    Raises Unusable, or whatever it raises.
    """
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
    if wants == "value":
        return Model(loaded.predict, numbers_of)
    raw = _raw(loaded)
    if _is_booster(raw):
        return _booster(loaded, raw, wants)
    if hasattr(raw, "classes_") and callable(getattr(raw, "predict", None)) and not _is_custom(loaded):
        return _classifier(loaded, raw, wants)
    return _unknown(loaded, raw, wants)


def _raw(loaded: Any) -> Any:
    """The library's own object behind MLflow's wrappers, or the innermost wrapper."""
    wrapper = loaded._model_impl
    if hasattr(wrapper, "get_raw_model"):
        return wrapper.get_raw_model()
    return next((getattr(wrapper, name) for name in _RAW if getattr(wrapper, name, None) is not None), wrapper)


def _is_custom(loaded: Any) -> bool:
    """Whether it is a PythonModel, whose methods take what its author chose."""
    return getattr(loaded._model_impl, "python_model", None) is not None


def _checked(loaded: Any, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The call behind MLflow's own check of the input against the signature."""
    from mlflow.pyfunc import PyFuncModel

    predict: Callable[[Any], Any] = PyFuncModel(loaded.metadata, _Predicting(call)).predict
    return predict


class _Predicting:
    """As much of a model as MLflow's wrapper asks for."""

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self.predict = call


def _classifier(loaded: Any, raw: Any, wants: str) -> Model:
    """A classifier in scikit-learn's manner."""
    if isinstance(raw.classes_, list):
        raise Unusable("it predicts several targets at once")
    classes = tuple(map(scalar, raw.classes_))
    label = _checked(loaded, raw.predict)
    if wants == "label":
        return Model(label, labels_of, classes=classes)
    name = type(_innermost(raw)).__name__
    if not callable(getattr(raw, "predict_proba", None)):
        raise Unusable(f"a {name} like this has no predict_proba: use one that has, or metrics of labels")
    probability = _checked(loaded, raw.predict_proba)
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


def _booster(loaded: Any, raw: Any, wants: str) -> Model:
    """A native booster of XGBoost or LightGBM: its objective says what it predicts."""
    objective = _objective(raw)
    if objective in _LABELLING and wants == "label":
        return _unknown(loaded, raw, wants)
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


def _unknown(loaded: Any, raw: Any, wants: str) -> Model:
    """A model of which only `predict` is known."""
    own = _own_probabilities(loaded, raw) if wants == "probability" else None
    classes = tuple(map(scalar, getattr(raw, "classes_", ())))
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


def _own_probabilities(loaded: Any, raw: Any) -> Callable[[Any], Any] | None:
    """A `predict_proba` of the model's own, taking the rows, or MLflow's context and the rows."""
    own = getattr(raw, "predict_proba", None)
    if not callable(own):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(own).parameters.values()
    if sum(p.default is p.empty and p.kind in positional for p in parameters) > 1:
        return _checked(loaded, lambda frame: own(getattr(loaded._model_impl, "context", None), frame))
    return _checked(loaded, own)
