"""Models behind `mlflow models serve`, as a deployment has them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from real.process import free_port, running


def constant(folder: Path, value: float) -> Path:
    """Saves a model that answers every row with one number."""
    from mlflow import sklearn
    from sklearn.dummy import DummyRegressor

    sklearn.save_model(DummyRegressor(strategy="constant", constant=value).fit([[0.0]], [0.0]), folder)
    return folder


@contextmanager
def served(model: Path | str, tracking_uri: str = "") -> Iterator[str]:
    """Serves a saved or registered model (`models:/name/12`) until the block ends; HOST:PORT of 127.0.0.1."""
    port = free_port()
    argv = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model), "--env-manager", "local"]
    # It starts uvicorn by name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, **({"MLFLOW_TRACKING_URI": tracking_uri} if tracking_uri else {})}

    def ready() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok
        except requests.RequestException:
            return False

    with tempfile.TemporaryDirectory(prefix="gatewright-served-") as scratch:
        log = Path(scratch) / "log"
        with running([*argv, "--host", "127.0.0.1", "--port", str(port)], ready=ready, log=log, env=env):
            yield f"127.0.0.1:{port}"
