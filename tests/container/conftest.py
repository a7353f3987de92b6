"""The image, built once; without an engine that can run it, its tests are skipped, and say so."""

from __future__ import annotations

import pytest

from real.container import REMEDY, Engine, find_engine
from real.process import absent


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Docker or Podman."""
    found = find_engine()
    if found is None:
        absent("containers", REMEDY)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The Action's image."""
    return engine.build("localhost/gatewright:test")
