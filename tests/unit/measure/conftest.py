"""A registry that counts, and the one question that these tests put to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import pytest

from gatewright.evidence import Evidence
from gatewright.measure import PATHS, measure
from gatewright.paths import Path
from gatewright.policy.model import Champion, Check, Place, Policy, Target
from gatewright.registry import Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Model, Version

NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)


class Counted(MemoryRegistry):
    """A registry in memory that counts what is read of it."""

    def __init__(self, **held: Any) -> None:
        super().__init__(**held)
        self.reads: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _read(self, what: str) -> None:
        with self._lock:
            self.reads[what] += 1

    def model(self, name: str) -> Model | None:
        """Counts, and reads a model."""
        self._read(f"model {name}")
        return super().model(name)

    def run(self, run_id: str) -> Run | None:
        """Counts, and reads a run."""
        self._read(f"run {run_id}")
        return super().run(run_id)

    def logged_model(self, model_id: str) -> Run | None:
        """Counts, and reads a logged model."""
        self._read(f"logged model {model_id}")
        return super().logged_model(model_id)

    def open(self, version: Version, path: str) -> bytes | None:
        """Counts, and reads a file."""
        self._read(f"{path} of {version}")
        return super().open(version, path)


def check(path: Path, against_champion: bool = False) -> Check:
    """`path`, or `path >= champion`."""
    row = PATHS.row(path)
    assert row is not None, f"no row for {path}"
    bound = {"op": ">=", "operand": Champion()} if against_champion else {}
    return Check(str(path), path, Place("policies/fraud.yaml", 1, 1), paired=row.paired, **bound)  # type: ignore[arg-type]


@pytest.fixture
def counted() -> type[Counted]:
    """A registry in memory, of what the test hands it."""
    return Counted


@pytest.fixture
def ask() -> Callable[..., Evidence]:
    """Measures paths of a candidate: (paths, candidate, champion, registry, now) → Evidence."""

    def asked(
        paths: Iterable[Path],
        candidate: Version,
        champion: Version | None = None,
        registry: MemoryRegistry | None = None,
        *,
        against: Iterable[Path] = (),
        now: datetime = NOW,
    ) -> Evidence:
        checks = (*map(check, paths), *(check(p, against_champion=True) for p in against))
        target = Target("production", checks, Place("policies/fraud.yaml", 1, 1), stage="Production")
        policy = Policy("policies/fraud.yaml", candidate.model, (target,))
        return measure(policy, target, candidate, champion, registry or MemoryRegistry(), now)

    return asked
