"""Everything that is no plain http server, through MLflow's own client: databases, folders, login plugins."""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright.connection.refusal import Refused, innermost

if TYPE_CHECKING:
    from gatewright.connection import Store

#: for MLflow's own requests, where the user has set nothing
GENTLE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class Client:
    """Calls through MlflowClient, answered in the words of the REST interface."""

    def __init__(self, tracking_uri: str, registry_uri: str, quiet: bool) -> None:
        self._tracking, self._stores = tracking_uri, dict[str, "Store"]()
        with _asking():
            if quiet:
                hush()
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri, registry_uri)

    def call(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Performs one call."""
        with _asking():
            answer: dict[str, Any] = plain(_ANSWERS[name](self._client, **fields) or {})
            return answer

    def store(self, uri: str) -> Store:
        """Artifacts through the repository that MLflow has for the URI's scheme."""
        if uri.startswith("mlflow-artifacts:") and not self._tracking.startswith("http"):
            fix = "Give the tracking server's address instead of its database's."
            raise Refused("unreachable", "its files lie behind a tracking server", fix)
        if uri not in self._stores:
            self._stores[uri] = Repository(uri, self._tracking)
        return self._stores[uri]


class Repository:
    """One of MLflow's artifact repositories."""

    def __init__(self, uri: str, tracking_uri: str) -> None:
        with _asking():
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            self._repository: Any = get_artifact_repository(uri, tracking_uri=tracking_uri)

    def get(self, path: str, limit: int) -> bytes:
        """A file's content."""
        with _asking(), tempfile.TemporaryDirectory() as folder:
            file = Path(self._repository.download_artifacts(path, folder))
            if file.stat().st_size > limit:
                raise Refused("too large", f"{path} is larger than {limit} bytes")
            return file.read_bytes()

    def put(self, path: str, content: bytes) -> None:
        """Writes a file."""
        parent, _, name = path.rpartition("/")
        with _asking(), tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(content)
            self._repository.log_artifact(str(Path(folder) / name), parent or None)

    def fetch(self, path: str, into: Path) -> None:
        """Copies a file or a folder, as MLflow does."""
        with _asking(), tempfile.TemporaryDirectory(dir=into.parent) as folder:
            found = Path(self._repository.download_artifacts(path, folder))
            if found.exists():
                found.rename(into)

    def names(self, path: str) -> tuple[str, ...]:
        """What stands directly in a folder."""
        with _asking():
            found = self._repository.list_artifacts(path or None)
            return tuple(sorted(f.path.rpartition("/")[2] for f in found))


def default_uri(quiet: bool) -> str:
    """Where MLflow looks when nobody tells it where."""
    with _asking():
        if quiet:
            hush()
        import mlflow

        return str(mlflow.get_tracking_uri())


def hush() -> None:
    """Keeps MLflow's notes to its developers from the user's terminal."""
    import logging

    for module in (r"mlflow\b", r"gatewright\.connection\b"):
        warnings.filterwarnings("ignore", module=module)
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)


def plain(value: Any) -> Any:
    """MLflow's entities as the JSON that the REST interface would send."""
    if hasattr(value, "to_proto"):
        from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

        return MessageToDict(value.to_proto(), preserving_proto_field_name=True)
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


_lock = threading.Lock()
_inside = 0
_lent: list[str] = []


@contextmanager
def _gentle() -> Iterator[None]:
    """Sets MLflow's time-outs for as long as any call is under way, and only where the user has set none."""
    global _inside
    with _lock:
        if _inside == 0:
            _lent[:] = [name for name in GENTLE if name not in os.environ]
            os.environ.update({name: GENTLE[name] for name in _lent})
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                for name in _lent:
                    os.environ.pop(name, None)


@contextmanager
def _asking() -> Iterator[None]:
    """Turns whatever MLflow, its database driver or its artifact stores raise into Refused."""
    try:
        with _gentle():
            yield
    except Refused:
        raise
    except Exception as e:
        raise _refusal(e) from e


_CODES = {
    "RESOURCE_DOES_NOT_EXIST": "absent",
    "UNAUTHENTICATED": "login",
    "CUSTOMER_UNAUTHORIZED": "login",
    "PERMISSION_DENIED": "forbidden",
    "ENDPOINT_NOT_FOUND": "foreign",
    "REQUEST_LIMIT_EXCEEDED": "busy",
}

#: MLflow tells these apart by their text alone
_TEXTS = (
    ("timeout", ("failed with timeout exception", "Read timed out", "ConnectTimeout", "timed out")),
    ("server", ("too many 50", "failed with error code 5")),
    ("busy", ("database is locked", "too many 429")),
    ("schema", ("out-of-date database schema", "mlflow db upgrade")),
    ("address", ("unsupported URI",)),
    ("foreign", ("not in a valid JSON format", "failed with error code 404")),
    (
        "unreachable",
        ("failed with exception", "OperationalError", "unable to open database", "Connection refused"),
    ),
)


def _refusal(error: Exception) -> Refused:
    text = str(getattr(error, "message", None) or error)
    kind, text = _kind(error, text), innermost(text)
    return Refused(kind, text, "Install the package that it names." if isinstance(error, ImportError) else "")


def _kind(error: Exception, text: str) -> str:
    if code := _CODES.get(str(getattr(error, "error_code", ""))):
        return code
    status = getattr(getattr(error, "response", None), "status_code", 0) or 0
    if status in (401, 403):
        return "login" if status == 401 else "forbidden"
    spelled = f"{type(error).__name__}: {text}"
    kind = next((kind for kind, marks in _TEXTS if any(mark in spelled for mark in marks)), "")
    return kind or ("unreachable" if isinstance(error, (OSError, ImportError)) else "refused")


def _paged(name: str, page: Any) -> dict[str, Any]:
    return {name: list(page), **({"next_page_token": page.token} if page.token else {})}


def _view(name: str) -> int:
    from mlflow.entities import ViewType

    return int(ViewType.from_string(name.lower()))


def _pairs(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {t["key"]: t["value"] for t in tags or ()}


def _copied(client: Any, name: str, source: str, **_: Any) -> dict[str, Any]:
    """A copy; MLflow tells about it on the error stream, which is not asked for."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        return {"model_version": client.copy_model_version(source, name)}


_ANSWERS: Mapping[str, Callable[..., Any]] = {
    "registered-models/get": lambda c, name: {"registered_model": c.get_registered_model(name)},
    "registered-models/create": lambda c, name: {"registered_model": c.create_registered_model(name)},
    "registered-models/alias": lambda c, name, alias, version: c.set_registered_model_alias(name, alias, version),
    "registered-models/delete-alias": lambda c, name, alias: c.delete_registered_model_alias(name, alias),
    "registered-models/search": lambda c, max_results, order_by=None, page_token=None: _paged(
        "registered_models", c.search_registered_models(None, max_results, order_by, page_token)
    ),
    "model-versions/search": lambda c, max_results, filter=None, order_by=None, page_token=None: _paged(
        "model_versions", c.search_model_versions(filter, max_results, order_by, page_token)
    ),
    "model-versions/get-download-uri": lambda c, name, version: {
        "artifact_uri": c.get_model_version_download_uri(name, version)
    },
    "model-versions/set-tag": lambda c, name, version, key, value: c.set_model_version_tag(name, version, key, value),
    "model-versions/delete-tag": lambda c, name, version, key: c.delete_model_version_tag(name, version, key),
    "model-versions/transition-stage": lambda c, name, version, stage, archive_existing_versions: {
        "model_version": c.transition_model_version_stage(name, version, stage, archive_existing_versions)
    },
    "model-versions/create": _copied,
    "logged-models/get": lambda c, model_id: {"model": c.get_logged_model(model_id)},
    "runs/get": lambda c, run_id: {"run": c.get_run(run_id)},
    "runs/create": lambda c, experiment_id, start_time, run_name, tags: {
        "run": c.create_run(experiment_id, start_time, _pairs(tags), run_name)
    },
    "runs/search": lambda c, experiment_ids, run_view_type, max_results, page_token=None: _paged(
        "runs", c.search_runs(experiment_ids, "", _view(run_view_type), max_results, None, page_token)
    ),
    "runs/log-parameter": lambda c, run_id, key, value: c.log_param(run_id, key, value) and {},
    "runs/set-tag": lambda c, run_id, key, value: c.set_tag(run_id, key, value),
    "experiments/get-by-name": lambda c, experiment_name: {"experiment": _experiment(c, experiment_name)},
    "experiments/search": lambda c, filter, max_results, view_type, page_token=None: _paged(
        "experiments", c.search_experiments(_view(view_type), max_results, filter, None, page_token)
    ),
    "experiments/create": lambda c, name, tags: {"experiment_id": c.create_experiment(name, tags=_pairs(tags))},
    "experiments/update": lambda c, experiment_id, new_name: c.rename_experiment(experiment_id, new_name),
    "experiments/delete": lambda c, experiment_id: c.delete_experiment(experiment_id),
    "experiments/set-experiment-tag": lambda c, experiment_id, key, value: c.set_experiment_tag(
        experiment_id, key, value
    ),
}


def _experiment(client: Any, name: str) -> Any:
    found = client.get_experiment_by_name(name)
    if found is None:
        raise Refused("absent", f"no experiment is named {name}")
    return found
