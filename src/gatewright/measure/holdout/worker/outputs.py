"""What a model's predictions mean: labels, probabilities or numbers. Only shapes and types are looked at."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: more different labels than this are no labels
MAX_LABELS = 100_000

_LABEL_NAMES = frozenset({"label", "labels", "prediction", "predictions", "predicted", "class"})
_PROBABILITY_NAMES = frozenset({"probability", "probabilities", "proba", "score", "scores"})


class Unusable(ValueError):
    """The model answers, but not with what is asked; the text says what it answers and what would help."""


@dataclass(frozen=True)
class Output:
    """Predictions of n rows. labels, values: (n,). probabilities: (n,) of the positive class, or (n, K).

    columns: the classes of (n, K), where the model names them.
    """

    labels: Any = None
    probabilities: Any = None
    columns: tuple[Any, ...] = ()
    values: Any = None


def numbers_of(result: Any) -> Output:
    """The values of a regression. Raises Unusable."""
    import numpy as np

    array = _squeezed(_array(result))
    if array.ndim != 1:
        raise Unusable(f"it predicts an array of shape {array.shape}, not one number a row")
    if array.dtype.kind == "O" and all(_is_number(v) for v in array):
        array = array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        raise Unusable(f"it predicts {_kind(array)}, not numbers")
    return Output(values=array)


def labels_of(result: Any) -> Output:
    """The labels of a classifier. Raises Unusable."""
    labels = _squeezed(_array(result))
    if labels.ndim != 1:
        raise Unusable(f"it predicts an array of shape {labels.shape}, not one label a row")
    return Output(labels)


def probabilities_of(result: Any) -> Output:
    """The probabilities of a classifier. Raises Unusable."""
    return Output(probabilities=_squeezed(_array(result)))


def understand(result: Any) -> Output:
    """Finds labels and probabilities in what a model of unknown kind predicts. Raises Unusable.

    Floats between 0 and 1 that are not all whole are probabilities; several such columns are one a class.
    """
    import pandas as pd

    if isinstance(result, dict):
        result = pd.DataFrame(result)
    if isinstance(result, pd.DataFrame):
        return _frame(result)
    return _plain(_squeezed(_array(result)))


def _frame(frame: Any) -> Output:
    names = {str(c).lower(): c for c in frame.columns}
    label = [names[n] for n in names if n in _LABEL_NAMES]
    probability = [names[n] for n in names if n in _PROBABILITY_NAMES]
    if len(frame.columns) > 1 and (label or probability):
        return _named(frame, label, probability)
    found = _plain(_squeezed(frame.to_numpy()))
    if found.probabilities is None or found.probabilities.ndim == 1:
        return found
    return Output(probabilities=found.probabilities, columns=tuple(map(_class_name, frame.columns)))


def _named(frame: Any, label: Sequence[Any], probability: Sequence[Any]) -> Output:
    if len(label) > 1 or len(probability) > 1:
        raise Unusable(f"it predicts columns that cannot be told apart: {', '.join(map(str, frame.columns))}")
    labels = frame[label[0]].to_numpy() if label else None
    if not probability:
        return Output(labels)
    found = _plain(_array(frame[probability[0]].tolist()))
    if found.probabilities is None:
        raise Unusable(f"its column {probability[0]} does not hold probabilities between 0 and 1")
    return Output(labels, found.probabilities)


def _plain(array: Any) -> Output:
    if array.ndim == 1:
        return Output(probabilities=array) if _fractions(array) else Output(labels=array)
    if array.ndim == 2 and _is_float(array) and _sums_to_one(array):
        return Output(probabilities=array)
    shape = f"{_kind(array)} of shape {array.shape}"
    raise Unusable(f"it predicts {shape}: neither one label a row nor probabilities that add up to 1")


def _array(result: Any) -> Any:
    import numpy as np

    if hasattr(result, "detach"):
        result = result.detach().cpu()
    if hasattr(result, "toarray"):
        result = result.toarray()
    try:
        return np.asarray(result)
    except ValueError:
        raise Unusable("its predictions have no common shape") from None


def _squeezed(array: Any) -> Any:
    """(n, 1) as (n,)."""
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array


def _fractions(array: Any) -> bool:
    """Whether floats look like probabilities. NaN says nothing either way: the parent refuses it."""
    if not _is_float(array):
        return False
    known = array[array == array]
    return bool(((known >= 0) & (known <= 1)).all() and (known != known.round()).any())


def _sums_to_one(array: Any) -> bool:
    import numpy as np

    sums = array.sum(axis=1, dtype=np.float64)
    known = sums == sums
    return bool((array[known] >= 0).all() and np.allclose(sums[known], 1, atol=1e-3))


def _is_float(array: Any) -> bool:
    return bool(array.dtype.kind == "f")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number) and not isinstance(value, (bool, complex))


def _class_name(column: Any) -> Any:
    """A column's name as a class: names of columns are texts even where the classes are numbers."""
    try:
        return int(column)
    except (TypeError, ValueError):
        return scalar(column)


def scalar(value: Any) -> Any:
    """A class as JSON can hold it: bool, int, float or text. Raises Unusable."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, (bool, int, float)):
        return plain
    if isinstance(plain, str) and len(plain) <= 1000:
        return plain
    raise Unusable(f"one of its labels is of type {type(plain).__name__}, or longer than 1,000 characters")


def _kind(array: Any) -> str:
    kinds = {
        "b": "true and false",
        "O": "objects",
        "U": "text",
        "S": "bytes",
        "M": "dates",
        "c": "complex numbers",
    }
    if array.dtype.kind != "O":
        return kinds.get(array.dtype.kind, str(array.dtype))
    odd = next((type(v).__name__ for v in array.ravel() if not _is_number(v)), "number")
    return "text" if odd == "str" else f"objects ({odd})"
