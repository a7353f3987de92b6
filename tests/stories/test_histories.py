"""The random histories of tests/properties on a real server: the same laws, the same hands, the same deaths.

`GATEWRIGHT_HISTORIES=200` runs as many as a release asks for.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.registry.mlflow import MlflowRegistry
from properties.test_histories import Histories
from real.tracking import Store
from real.versions import make_version
from unit.test_rollback import BAD, GOOD


@pytest.mark.server
def test_random_histories_on_a_real_server_keep_every_law(mlflow_server: Store, unique: str) -> None:
    """Each history has a model of its own; what MLflow shows is what counts."""
    numbers, connection = itertools.count(1), connect(mlflow_server.uri)

    class OnServer(Histories):
        def parts(self) -> tuple[Any, Any]:
            name = f"{unique}-{next(numbers)}"
            for number in (*GOOD, BAD):
                metrics = {"accuracy": 0.95 if number in GOOD else 0.5}
                make_version(mlflow_server.client(), name, metrics=metrics, model=False)
            targets = (replace(t, copy_to=f"{name}.prod" if t.copy_to else "") for t in self.agreed.targets)
            self.agreed = replace(self.agreed, model=name, targets=tuple(targets))
            return MlflowRegistry(connection), MlflowLedger(connection)

    count = int(os.environ.get("GATEWRIGHT_HISTORIES", "5"))
    run_state_machine_as_test(
        OnServer,
        settings=settings(
            max_examples=count,
            stateful_step_count=8,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
