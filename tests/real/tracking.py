"""MLflow tracking servers and stores: the real ones, as lean as they start."""

from __future__ import annotations

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real.process import DidNotStart, free_port, running

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Store:
    """A place that holds runs and registered models.

    uri: what a client is given; several where several servers share one database.
    database: the SQLAlchemy address behind it, for tests that tamper (see `sql`). artifacts: where files lie on disk.
    """

    uris: tuple[str, ...]
    database: str
    artifacts: Path

    @property
    def uri(self) -> str:
        return self.uris[0]

    def client(self, which: int = 0) -> MlflowClient:
        """MLflow's own client of the `which`-th server, for registry and tracking alike."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uris[which], registry_uri=self.uris[which])

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement behind MLflow's back, `:name` for values; returns the rows, if it has any."""
        from sqlalchemy import create_engine, text

        engine = create_engine(self.database)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()


@contextmanager
def server(database: str, folder: Path, *, gunicorn: bool = False) -> Iterator[str]:
    """A real `mlflow server` on 127.0.0.1; artifacts go through it into `folder`/artifacts. Yields its address.

    gunicorn: below gunicorn, which MLflow offers too, instead of uvicorn: a request takes half of the processor time.
    """
    for _ in range(3):
        port = free_port()
        try:
            with running(
                [sys.executable, "-m", "mlflow", *_arguments(database, folder, port, gunicorn)],
                ready=lambda port=port: _healthy(port),  # type: ignore[misc]
                log=folder / f"server-{port}.log",
                env=_environment(),
                cwd=folder,
            ):
                yield f"http://127.0.0.1:{port}"
                return
        except DidNotStart as reason:
            if "address already in use" not in str(reason).lower():
                raise
    raise DidNotStart("three ports in a row were taken by somebody else")


def _arguments(database: str, folder: Path, port: int, gunicorn: bool) -> list[str]:
    return [
        *("server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(("--gunicorn-opts", "--threads 16 --keep-alive 75") if gunicorn else ()),
        *("--backend-store-uri", database, "--artifacts-destination", (folder / "artifacts").as_uri()),
    ]


def _environment() -> dict[str, str]:
    """Ours without what would steer MLflow; the job runner (five more processes) is of no use to a registry."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    return {**kept, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def make_template(folder: Path) -> Path:
    """An empty SQLite store of the installed MLflow, made once: copying it saves each test the migrations."""
    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "template.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def sqlite_store(template: Path, folder: Path, *, proxied: bool) -> Store:
    """A copy of the template in `folder`. Its default experiment keeps artifacts there, or with the server."""
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    copy = folder / "mlflow.db"
    shutil.copyfile(template, copy)
    store = Store((f"sqlite:///{copy}",), f"sqlite:///{copy}", artifacts)
    home = "mlflow-artifacts:/0" if proxied else str(artifacts / "0")
    store.sql("UPDATE experiments SET artifact_location = :home WHERE experiment_id = 0", home=home)
    return store
