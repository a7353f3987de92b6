"""Two ways to load a model: by MLflow, and, where MLflow would add nothing but its import, without it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: where MLflow's wrappers keep the library's own object, in versions without get_raw_model
_RAW = ("sklearn_model", "xgb_model", "lgb_model", "cb_model", "python_model")

Call = Callable[[Any], Any]


@dataclass(frozen=True)
class Loaded:
    """A model, as one may ask it.

    raw: the library's own object behind MLflow's wrappers, or the innermost wrapper. checked: puts MLflow's check of
    the rows against the signature before a call of `raw`. predict: the model's own call behind that check. custom:
    whether it is a PythonModel, whose methods take what its author chose. context: what MLflow hands to these.
    """

    raw: Any
    checked: Callable[[Call], Call]
    predict: Call
    custom: bool = False
    context: Any = None


def by_mlflow(folder: str) -> Loaded:
    """Loads whatever MLflow can. Runs the model's code, and raises whatever that raises."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
    wrapper = model._model_impl
    if hasattr(wrapper, "get_raw_model"):
        raw = wrapper.get_raw_model()
    else:
        raw = next((getattr(wrapper, name) for name in _RAW if getattr(wrapper, name, None) is not None), wrapper)
    return Loaded(
        raw,
        lambda call: _checked_by_mlflow(model.metadata, call),
        model.predict,
        getattr(wrapper, "python_model", None) is not None,
        getattr(wrapper, "context", None),
    )


def without_mlflow(folder: str, plan: Mapping[str, Any]) -> Loaded:
    """Loads an estimator as `mlflow.sklearn` does; `plan` is that of `plain.estimator`."""
    raw = _read(os.path.join(folder, plan["file"]), plan["format"], plan["trusted"])

    def checked(call: Call) -> Call:
        return _Checked(folder, plan["columns"], call)

    return Loaded(raw, checked, checked(lambda rows: raw.predict(rows)))


def _read(file: str, written: str, trusted: Any) -> Any:
    if written == "skops":
        import skops.io  # type: ignore[import-untyped]

        return skops.io.load(file, trusted=trusted)
    with open(file, "rb") as stream:
        if written == "cloudpickle":
            import cloudpickle  # type: ignore[import-untyped]

            return cloudpickle.load(stream)
        import pickle

        return pickle.load(stream)


class _Checked:
    """A call behind the check that MLflow makes. Rows that MLflow would leave alone do not need MLflow."""

    def __init__(self, folder: str, columns: Any, call: Call) -> None:
        import numpy as np

        self._folder, self._call = folder, call
        self._columns = None if columns is None else {name: np.dtype(kind) for name, kind in columns}
        self._mlflows: Call | None = None
        filled = inspect.signature(call).parameters.get("params")
        if filled is not None and filled.kind is not filled.VAR_KEYWORD:  # MLflow would give it a value
            self._mlflows = self._by_mlflow()

    def __call__(self, rows: Any) -> Any:
        if self._mlflows is None and self._columns is None:
            return self._call(rows)
        if self._mlflows is None and self._leaves_alone(rows):
            return self._call(self._anew(rows))
        self._mlflows = self._mlflows or self._by_mlflow()
        return self._mlflows(rows)

    def _leaves_alone(self, rows: Any) -> bool:
        known = self._columns or {}
        return list(rows.columns) == list(known) and list(rows.dtypes) == list(known.values())

    def _anew(self, rows: Any) -> Any:
        """A frame of its own, put together as MLflow does it, so that it lies in memory in the same way."""
        import pandas as pd

        return pd.DataFrame({name: rows[name] for name in rows.columns})

    def _by_mlflow(self) -> Call:
        from mlflow.models import Model

        return _checked_by_mlflow(Model.load(self._folder), self._call)


def _checked_by_mlflow(metadata: Any, call: Call) -> Call:
    from mlflow.pyfunc import PyFuncModel

    predict: Call = PyFuncModel(metadata, _Predicting(call)).predict
    return predict


class _Predicting:
    """As much of a model as MLflow's wrapper asks for."""

    def __init__(self, call: Call) -> None:
        self.predict = call
