"""Models that are no library's own, pickled with their code as people do it from a notebook."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel
from sklearn.linear_model import LogisticRegression


class Labels(PythonModel):
    """Predicts labels and nothing else."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The sign of the first column, in words."""
        return ["yes" if a > 0 else "no" for a in model_input["a"]]


class Hasty(Labels):
    """Takes its time for many rows, and answers a single one without looking at it."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Right in a batch, fast in a call."""
        return ["yes" if a > 0 else "no" for a in model_input["a"]] if len(model_input) > 1 else ["no"]


class Probable(Labels):
    """Has probabilities of its own beside its labels."""

    def predict_proba(self, rows: Any) -> Any:
        """(n, 2), in the order no, yes."""
        p = 1 / (1 + np.exp(-rows["a"].to_numpy()))
        return np.column_stack([1 - p, p])


class InContext(Labels):
    """The same where its author wants MLflow's context first, as `predict` has it."""

    def load_context(self, context: Any) -> None:
        """Reads the scale that was logged beside it."""
        self.scale = float(Path(context.artifacts["scale"]).read_text())

    def predict_proba(self, context: Any, rows: Any) -> Any:
        """One column: the probability of yes."""
        assert "scale" in context.artifacts
        return 1 / (1 + np.exp(-self.scale * rows["a"].to_numpy()))


class Score(PythonModel):
    """Predicts the probability of the positive class, one number a row."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Between 0 and 1."""
        return 1 / (1 + np.exp(-model_input["a"].to_numpy()))


class Frame(PythonModel):
    """Predicts a frame with a label and its probability."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Labels that do not follow from the probabilities."""
        p = 1 / (1 + np.exp(-model_input["a"].to_numpy()))
        return pd.DataFrame({"prediction": (p > 0.9).astype(int), "probability": p})


class Echo(PythonModel):
    """Predicts what it was given."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The column `word`, with its type as the model sees it."""
        return [f"{word} of {model_input['word'].dtype.name}" for word in model_input["word"]]


class Sleeper(Labels):
    """Never answers."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Says what it is about, and hangs."""
        import sys
        import time

        sys.stderr.write("counting sheep\n")
        time.sleep(3600)


class Loud(Labels):
    """Says that its code ran."""

    def load_context(self, context: Any) -> None:
        """When it is loaded."""
        raise RuntimeError("its code ran")


class Careful(LogisticRegression):  # type: ignore[misc]
    """A classifier whose labels are not its most probable classes."""

    def predict(self, X: Any) -> Any:
        """The second class only where it is nearly certain."""
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.9).astype(int)]


cloudpickle.register_pickle_by_value(sys.modules[__name__])


def save(folder: Path, model: PythonModel, **more: Any) -> Path:
    """Writes it as MLflow does."""
    mlflow.pyfunc.save_model(str(folder), python_model=model, pip_requirements=["mlflow"], **more)
    return folder
