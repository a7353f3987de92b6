"""Fixtures shared by all tests: real MLflow stores and servers, and a proxy that breaks them on command."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from real.faults import Faults
from real.postgres import REMEDY, find_postgres, postgres
from real.process import absent
from real.s3 import ObjectStore, object_store
from real.tracking import Store, make_template, server, sqlite_store

_STEERING = ("MLFLOW_", "DATABRICKS_", "AWS_", "GITHUB_", "INPUT_", "ACTIONS_", "RUNNER_")

# Whatever steers MLflow or the Action on this machine must steer no test; MLflow reads some of it at import.
for _name in [n for n in os.environ if n.startswith(_STEERING)]:
    del os.environ[_name]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# How fast a machine is says nothing about what is tested on it.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The gate judges a change: the same examples each time. Whoever works on the project looks at others each time.
settings.register_profile("same", settings.get_profile("unhurried"), derandomize=True)
settings.load_profile(os.environ.get("GATEWRIGHT_EXAMPLES", "unhurried"))

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with MLflow's tables: to be copied, never written."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def embedded(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of the test's own without a server: a `sqlite://` address. The working folder is the test's own."""
    store = sqlite_store(empty_store, tmp_path / "embedded", proxied=False)
    monkeypatch.chdir(tmp_path / "embedded")
    return store


@pytest.fixture(scope="session")
def mlflow_server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A real `mlflow server` on SQLite, one for the whole run: name models after `unique`."""
    folder = tmp_path_factory.mktemp("server")
    store = sqlite_store(empty_store, folder / "store", proxied=True)
    with server(store.database, folder / "store", gunicorn=True) as uri:
        yield Store((uri,), store.database, store.artifacts)


@pytest.fixture
def own_mlflow_server(empty_store: Path, tmp_path: Path) -> Iterator[Store]:
    """A real `mlflow server` of the test's own: for tests that spoil the database. Costs some seconds."""
    store = sqlite_store(empty_store, tmp_path / "store", proxied=True)
    with server(store.database, tmp_path / "store") as uri:
        yield Store((uri,), store.database, store.artifacts)


@pytest.fixture(scope="session")
def mlflow_postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two real `mlflow server`s on one real PostgreSQL: `uris` has both. Skipped where there is none."""
    programs = find_postgres()
    if programs is None:
        absent("postgres", REMEDY)
    assert programs is not None
    folder = tmp_path_factory.mktemp("postgres")
    with ExitStack() as stack:
        database = stack.enter_context(postgres(programs))
        first = stack.enter_context(server(database, folder))
        second = stack.enter_context(server(database, folder))
        yield Store((first, second), database, folder / "artifacts")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A real server of the S3 protocol, one for the whole run: name buckets after `unique`."""
    with object_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def unique() -> str:
    """A prefix for names that no other test of this run uses."""
    return f"m{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def faults(mlflow_server: Store) -> Iterator[Faults]:
    """A proxy before the shared server; give clients `faults.uri` and say what is to go wrong."""
    with Faults(mlflow_server.uri) as proxy:
        yield proxy


@pytest.fixture
def faults_before() -> Iterator[Callable[[str], Faults]]:
    """Makes such a proxy before any address."""
    with ExitStack() as stack:
        yield lambda uri: stack.enter_context(Faults(uri))
