"""Models of each kind on one small table, and workers that load them side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import infer_signature

Saved = Callable[..., Path]


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Ninety rows of three numbers."""
    return pd.DataFrame(np.random.default_rng(7).normal(size=(90, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="session")
def batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """The same as the scorer takes them."""
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Saved:
    """Writes a fitted estimator as an MLflow model with a signature; returns its folder."""

    def save(estimator: Any, **more: Any) -> Path:
        folder = tmp_path_factory.mktemp("model") / "model"
        mlflow.sklearn.save_model(
            estimator,
            str(folder),
            signature=infer_signature(frame, estimator.predict(frame)),
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
            **more,
        )
        return folder

    return save
