"""Eight runs promote two versions at once: one champion, and the ledger knows which."""

from __future__ import annotations

from pathlib import Path

import pytest

from real.command import ended, gatewright, start, write_policy
from real.tracking import Store
from real.versions import make_version

PRODUCTION = ["production:", "  stage: Production", "  alias: champion", "  checks: [run.accuracy > 0.9]"]
LOSERS = {"lock_held", "champion_changed", "candidate_changed", "already_promoted"}


def race(store: Store, model: str, folder: Path) -> None:
    """Eight processes at once; then every count must agree."""
    client = store.client()
    versions = [make_version(client, model, metrics={"accuracy": a}, model=False) for a in (0.91, 0.95, 0.97)]
    write_policy(folder, model, PRODUCTION)
    first = gatewright("promote", f"{model}/1", "--to", "production", "--json", uri=store.uri, folder=folder)
    assert first.json["decision"] == "promoted", first
    runs = [
        start(
            *("promote", f"{model}/{versions[1 + i % 2]}", "--to", "production", "--json"),
            uri=store.uris[i % len(store.uris)],
            folder=folder,
        )
        for i in range(8)
    ]
    ends = [ended(run) for run in runs]
    said = [end.json for end in ends]
    winners = [s for s in said if s["decision"] == "promoted"]
    assert winners, said
    assert {s["reason"] for s in said if s["decision"] != "promoted"} <= LOSERS, said
    assert all(end.code == (3 if s["decision"] == "error" else 0) for end, s in zip(ends, said, strict=True))
    # the registry: one stage holder, one champion, the same version
    holders = [v.version for v in client.search_model_versions(f"name='{model}'") if v.current_stage == "Production"]
    champion = client.get_model_version_by_alias(model, "champion").version
    assert [str(h) for h in holders] == [str(champion)]
    # the ledger: unbroken, as many promotions as winners, the last one the champion
    assert gatewright("audit", "verify", model, uri=store.uri, folder=folder).code == 0
    history = gatewright("history", model, "--json", uri=store.uri, folder=folder).json
    promoted = [e["version"] for e in history["events"] if e["kind"] == "promoted"]
    assert len(promoted) == 1 + len(winners)
    assert str(promoted[-1]) == str(champion)


@pytest.mark.server
def test_eight_runs_at_once_leave_one_champion_on_sqlite(mlflow_server: Store, unique: str, tmp_path: Path) -> None:
    """One server, eight processes, two versions."""
    race(mlflow_server, unique, tmp_path)


@pytest.mark.postgres
def test_eight_runs_at_once_leave_one_champion_on_postgresql(
    mlflow_postgres_server: Store, unique: str, tmp_path: Path
) -> None:
    """Two servers on one database, eight processes, two versions."""
    race(mlflow_postgres_server, unique, tmp_path)
