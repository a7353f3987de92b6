"""The parts that promise the same thing, each behind the same door: in memory, on a database, behind a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gatewright.connection import Connection, connect
from gatewright.connection.client import Client
from gatewright.ledger import Ledger
from gatewright.ledger.memory import MemoryLedger
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.registry import Logged, Registry, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Model, Version
from real.tracking import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: (key, value, step, milliseconds since 1970)
Measured = tuple[str, float, int, int]

PLACES = ("memory", "database", "server", "server through MLflow's client")


def through_client(uri: str) -> Connection:
    """A connection that uses MLflow's own client, as for a server behind a login plugin."""
    return Connection(Client(uri, uri, quiet=True), uri, uri)


class World(Protocol):
    """A registry, and the means to fill it behind its back. Two pages of versions are needed for more than two."""

    @property
    def registry(self) -> Registry: ...

    def add(
        self,
        name: str,
        metrics: tuple[Measured, ...] = (),
        tags: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Version:
        """One more version, made by a run of its own, with a logged model that holds the same metrics."""

    def stage(self, version: Version, stage: str) -> None: ...

    def alias(self, version: Version, alias: str) -> None: ...

    def delete_run(self, run_id: str) -> None: ...


@dataclass
class InMemory:
    """The registry of tests and rehearsals."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)

    def add(
        self,
        name: str,
        metrics: tuple[Measured, ...] = (),
        tags: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Version:
        model = self.registry.models.get(name, Model(name))
        n = len(model.versions) + 1
        made = Version(name, n, "None", f"run{n}", f"models:/m-{n}", f"m-{n}", tags=dict(tags or {}))
        values = {key: Logged(value, step, at) for key, value, step, at in sorted(metrics, key=lambda m: m[2])}
        self.registry.runs[made.run_id] = Run(made.run_id, values)
        self.registry.logged_models[made.model_id] = Run(made.model_id, values)
        self.registry.files[name, n] = dict(files or {"MLmodel": b"flavors: {}\n"})
        self.registry.models[name] = replace(model, versions=(*model.versions, made))
        return made

    def stage(self, version: Version, stage: str) -> None:
        model = self.registry.models[version.model]
        versions = tuple(replace(v, stage=stage) if v.number == version.number else v for v in model.versions)
        self.registry.models[version.model] = replace(model, versions=versions)

    def alias(self, version: Version, alias: str) -> None:
        model = self.registry.models[version.model]
        self.registry.models[version.model] = replace(model, aliases={**model.aliases, alias: version.number})

    def delete_run(self, run_id: str) -> None:
        self.registry.runs[run_id] = replace(self.registry.runs[run_id], deleted=True)


class InMlflow:
    """A registry of MLflow's, filled through MLflow's own client."""

    def __init__(self, client: MlflowClient, connection: Connection) -> None:
        self._client = client
        self.registry = MlflowRegistry(connection, page=2)
        known = client.get_experiment_by_name("contracts")
        self._experiment = known.experiment_id if known else client.create_experiment("contracts")

    def add(
        self,
        name: str,
        metrics: tuple[Measured, ...] = (),
        tags: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Version:
        from mlflow.exceptions import MlflowException

        run = self._client.create_run(self._experiment).info.run_id
        logged = self._client.create_logged_model(self._experiment, name="model", source_run_id=run)
        for key, value, step, at in metrics:
            self._client.log_metric(run, key, value, at, step, model_id=logged.model_id)
        with tempfile.TemporaryDirectory() as folder:
            for path, content in (files or {"MLmodel": b"flavors: {}\n"}).items():
                (Path(folder) / path).parent.mkdir(exist_ok=True)
                (Path(folder) / path).write_bytes(content)
            self._client.log_model_artifacts(logged.model_id, folder)
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(
            name, logged.artifact_location, run, dict(tags or {}), model_id=logged.model_id
        )
        source = logged.artifact_location
        return Version(name, int(made.version), run_id=run, source=source, model_id=logged.model_id)

    def stage(self, version: Version, stage: str) -> None:
        self._client.transition_model_version_stage(version.model, str(version.number), stage)

    def alias(self, version: Version, alias: str) -> None:
        self._client.set_registered_model_alias(version.model, alias, str(version.number))

    def delete_run(self, run_id: str) -> None:
        self._client.delete_run(run_id)


@pytest.fixture(params=PLACES)
def world(request: pytest.FixtureRequest) -> World:
    """A registry to fill and read, one place after the other."""
    if request.param == "memory":
        return InMemory()
    store: Store = request.getfixturevalue("embedded" if request.param == "database" else "mlflow_server")
    client = "client" in request.param
    return InMlflow(store.client(), through_client(store.uri) if client else connect(store.uri))


@pytest.fixture(params=PLACES)
def reader(request: pytest.FixtureRequest) -> Callable[[], Ledger]:
    """Gives a ledger adapter that has seen nothing yet; all of them share one place."""
    if request.param == "memory":
        ledger = MemoryLedger()
        return lambda: ledger
    store: Store = request.getfixturevalue("embedded" if request.param == "database" else "mlflow_server")
    if "client" in request.param:
        return lambda: MlflowLedger(through_client(store.uri))
    return lambda: MlflowLedger(connect(store.uri))


@pytest.fixture
def entries() -> Any:
    """Makes entries that need no more than a number and what comes before."""
    from gatewright.ledger.entry import Actor, Entry

    def make(model: str, n: int = 1, previous: str = "", **fields: Any) -> Entry:
        given = {"kind": "requested", "version": 3, "target": "production", **fields}
        return Entry(n, previous, at=f"2026-11-23T10:00:{n:02d}Z", actor=Actor("anna"), model=model, **given)

    return make
