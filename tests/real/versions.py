"""Registered model versions to judge, made quickly and the way MLflow's own `log_model` makes them."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mlflow import MlflowClient

_EXPERIMENT = "training"


def make_version(
    client: MlflowClient,
    name: str,
    *,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
    run_tags: Mapping[str, str] | None = None,
    datasets: Iterable[tuple[str, str]] = (),
    model: bool = True,
    signature: Any = "inferred",
    input_example: bool = False,
    layout: Literal["logged", "run"] = "logged",
    estimator: Any = None,
    serialization: str = "cloudpickle",
) -> int:
    """Registers one more version of `name` (created if need be) and returns its number.

    A run holds metrics, params, run_tags and datasets (name, digest). With `model` it has a small scikit-learn
    classifier of two inputs, `amount` and `age`: as a logged model of MLflow 3, or in the run's own artifacts
    (`layout="run"`, as MLflow 2 did); without it the version's source points at a folder that is not there.
    signature: "inferred", None, or a ModelSignature. tags: of the version. serialization: as MLflow calls it.
    """
    run_id = _run(client, metrics or {}, params or {}, run_tags or {}, datasets)
    source, model_id = f"runs:/{run_id}/model", None
    if model:
        source, model_id = _save(client, run_id, signature, input_example, layout, estimator, serialization)
    return _register(client, name, source, run_id, model_id, tags or {})


def _run(
    client: MlflowClient,
    metrics: Mapping[str, float],
    params: Mapping[str, object],
    tags: Mapping[str, str],
    datasets: Iterable[tuple[str, str]],
) -> str:
    from mlflow.entities import Metric, Param, RunTag

    run_id = str(client.create_run(_experiment(client)).info.run_id)
    client.log_batch(
        run_id,
        metrics=[Metric(k, v, 1_700_000_000_000, 0) for k, v in metrics.items()],
        params=[Param(k, str(v)) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    _log_datasets(client, run_id, list(datasets))
    client.set_terminated(run_id)
    return run_id


def _log_datasets(client: MlflowClient, run_id: str, datasets: list[tuple[str, str]]) -> None:
    from mlflow.entities import Dataset, DatasetInput

    if datasets:
        rows = [DatasetInput(Dataset(n, d, "local", "{}"), []) for n, d in datasets]
        client.log_inputs(run_id, rows)


def _experiment(client: MlflowClient) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(_EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    try:
        return str(client.create_experiment(_EXPERIMENT))
    except MlflowException:
        return _experiment(client)


def _save(
    client: MlflowClient,
    run_id: str,
    signature: Any,
    input_example: bool,
    layout: str,
    estimator: Any,
    serialization: str,
) -> tuple[str, str | None]:
    model_id = None if layout == "run" else _announce(client, run_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        if estimator is None and signature in (None, "inferred"):
            shutil.copytree(_usual(signature, input_example, serialization), path)
        else:
            _write(path, signature, input_example, estimator, serialization)
        _name(path / "MLmodel", run_id, model_id)
        if model_id is None:
            client.log_artifacts(run_id, str(path), "model")
            return f"runs:/{run_id}/model", None
        client.log_model_artifacts(model_id, str(path))
        client.finalize_logged_model(model_id, "READY")
        return f"models:/{model_id}", model_id


@functools.cache
def _usual(signature: str | None, input_example: bool, serialization: str) -> Path:
    """The classifier's folder, written once a process: MLflow takes a tenth of a second for each."""
    kept = tempfile.TemporaryDirectory()
    atexit.register(kept.cleanup)
    path = Path(kept.name) / "model"
    _write(path, signature, input_example, None, serialization)
    return path


def _write(path: Path, signature: Any, input_example: bool, estimator: Any, serialization: str) -> None:
    import mlflow.sklearn
    from mlflow.models import Model, ModelSignature, infer_signature

    fitted, inputs = _classifier() if estimator is None else (estimator, _inputs())
    if signature == "inferred":
        signature = infer_signature(inputs, fitted.predict(inputs))
    assert signature is None or isinstance(signature, ModelSignature)
    mlflow.sklearn.save_model(
        fitted,
        str(path),
        signature=signature,
        input_example=inputs.head(2) if input_example else None,
        pip_requirements=["scikit-learn"],
        serialization_format=serialization,
        mlflow_model=Model(artifact_path="model"),
    )


def _name(file: Path, run_id: str, model_id: str | None) -> None:
    """Writes into a saved model's description whose it is, and when, as `log_model` does."""
    from mlflow.models import Model

    described = Model.load(str(file))
    described.run_id, described.model_id, described.model_uuid = run_id, model_id, uuid.uuid4().hex
    described.utc_time_created = str(datetime.now(timezone.utc).replace(tzinfo=None))
    described.save(str(file))


def _announce(client: MlflowClient, run_id: str) -> str:
    made = client.create_logged_model(_experiment(client), name="model", source_run_id=run_id)
    return str(made.model_id)


def _inputs() -> Any:
    import pandas

    return pandas.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0], "age": [30.0, 20.0, 50.0, 40.0]})


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression

    inputs = _inputs()
    return LogisticRegression().fit(inputs, [0.0, 0.0, 1.0, 1.0]), inputs


def _register(
    client: MlflowClient, name: str, source: str, run_id: str, model_id: str | None, tags: Mapping[str, str]
) -> int:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(name, source, run_id, dict(tags), model_id=model_id)
    return int(made.version)
