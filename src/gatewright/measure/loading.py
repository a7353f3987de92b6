"""Whether a version still loads: its files are fetched, and a worker process tries."""

from __future__ import annotations

import tempfile
from pathlib import Path as Folder

from gatewright.evidence import Fact
from gatewright.measure.holdout.scorer import Limits, Scorer
from gatewright.paths import Path
from gatewright.policy.model import Policy
from gatewright.problem import Undetermined
from gatewright.registry import Registry
from gatewright.subject import Version

LOADS = Path("model", "loads")

#: seconds for loading: who rolls back is waiting
_PATIENCE = 120.0


def try_loading(version: Version, policy: Policy, registry: Registry) -> Fact:
    """A fact that is known and true if the version loads, and else unreadable, with what went wrong."""
    source = f"models:/{version.model}/{version.number}"
    sandbox = policy.holdout.sandbox if policy.holdout else "report"
    with tempfile.TemporaryDirectory(prefix="gatewright-") as scratch:
        folder = Folder(scratch) / "model"
        try:
            registry.download(source, folder)
            limits = Limits(timeout_seconds=_PATIENCE)
            scorer = Scorer.open(folder, label=str(version), wants="value", sandbox=sandbox, limits=limits)
        except Undetermined as e:
            return Fact("candidate", LOADS, "unreadable", why=f"{e.what}: {e.why}", source=source)
        scorer.close()
    return Fact("candidate", LOADS, "known", True, why="it loads", source=source)
