"""Rollbacks and overrides typed against a real MLflow server, on SQLite and PostgreSQL, also when much goes wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.entry import MOVED
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, ended, gatewright, start, within, write_policy
from real.faults import Faults
from real.tracking import Store
from real.versions import make_version

MARK = "gatewright.rolled_back.production"


class Desk:
    """`octo`, a server, a policy, and a model whose versions were promoted one after the other."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder = store, model, folder
        self.client = store.client()
        lines = ("stage: Production", "alias: champion", "checks: [run.accuracy > 0.9]", "override: {from: [octo]}")
        write_policy(folder, model, ["production:", *(f"  {line}" for line in lines)])

    def register(self, *accuracies: float, **kind: Any) -> None:
        """Registers a version for each."""
        for accuracy in accuracies:
            make_version(self.client, self.model, metrics={"accuracy": accuracy}, **kind)

    def climb(self, *accuracies: float, **kind: Any) -> None:
        """Registers versions and promotes each."""
        self.register(*accuracies, **kind)
        for number in range(1, len(accuracies) + 1):
            assert self.promote(number)["decision"] == "promoted"

    def type(self, *words: str, uri: str = "", **env: str) -> Ended:
        """Runs a command as octo."""
        variables = {"LOGNAME": "octo", **env}
        return within(*words, uri=uri or self.store.uri, folder=self.folder, env=variables)

    def promote(self, number: int, *more: str) -> dict[str, Any]:
        """What `--json` says of a promotion."""
        return self.type("promote", f"{self.model}/{number}", "--to", "production", "--json", *more).json

    def words(self, *more: str) -> tuple[str, ...]:
        """A rollback as typed."""
        return ("rollback", self.model, "--from", "production", "--reason", "it is slow", "--json", *more)

    def back(self, *more: str) -> dict[str, Any]:
        """What `--json` says of a rollback."""
        return self.type(*self.words(*more)).json

    def shown(self) -> tuple[list[int], int]:
        """Who is in the stage, and where the alias points, as MLflow's own client sees it."""
        found = self.client.search_model_versions(f"name='{self.model}'")
        staged = [int(v.version) for v in found if v.current_stage == "Production"]
        return staged, int(self.client.get_model_version_by_alias(self.model, "champion").version)

    def moves(self) -> list[tuple[str, int | None, int | None]]:
        """The moves in the ledger: what, which version, in whose place."""
        ledger = MlflowLedger(connect(self.store.uri))
        return [(r.kind, r.version, r.replaces) for r in ledger.rows(self.model) if r.kind in MOVED]

    def proved(self) -> bool:
        """Whether the ledger is unbroken and nothing is left open in it."""
        still_open = self.type("status", self.model, "--json").json["lock"]
        return self.type("audit", "verify", self.model).code == 0 and still_open is None


@pytest.fixture
def desk(mlflow_server: Store, unique: str, tmp_path: Path) -> Desk:
    """A desk before the server on SQLite."""
    return Desk(mlflow_server, unique, tmp_path)


def changes(proxy: Faults) -> list[str]:
    """The requests that changed the registry; the ledger is written as runs and artifacts."""
    found = (r.path for r in proxy.requests if r.method != "GET")
    return [p.rpartition("/")[2] for p in found if "/registered-models/" in p or "/model-versions/" in p]


@pytest.mark.server
def test_a_rollback_from_end_to_end(desk: Desk, faults: Faults) -> None:
    """The version is loaded and compared first; then one transition brings it back and archives the faulty one."""
    desk.climb(0.91, 0.95)
    faults.reset()
    end = desk.type(*desk.words(), uri=faults.uri)
    told = end.json
    assert (end.code, told["decision"], told["version"], told["previous_version"]) == (0, "rolled_back", 1, 2)
    assert {c["check"]: c["status"] for c in told["checks"]} == {"model.loads": "pass", "signature.compatible": "pass"}
    assert desk.shown() == ([1], 1)
    faulty = desk.client.get_model_version(desk.model, "2")
    assert faulty.current_stage == "Archived"
    assert faulty.tags[MARK].startswith("back to v1 by octo at ") and faulty.tags[MARK].endswith(": it is slow")
    assert desk.moves()[-1] == ("rolled_back", 1, 2)
    assert desk.proved()
    assert changes(faults) == ["transition-stage", "alias", "set-tag"]


@pytest.mark.server
def test_by_stage_alone_one_call_changes_who_serves(desk: Desk, faults: Faults) -> None:
    """The tag that follows changes no stage and no alias."""
    lines = ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"]
    write_policy(desk.folder, desk.model, lines)
    desk.climb(0.91, 0.95, model=False)
    faults.reset()
    end = desk.type(*desk.words("--fast"), uri=faults.uri)
    assert end.json["decision"] == "rolled_back"
    assert changes(faults) == ["transition-stage", "set-tag"]


@pytest.mark.server
def test_a_version_whose_files_are_gone_does_not_come_back_unless_nobody_looks(desk: Desk) -> None:
    """Exit 3 and nothing changed; `--fast` is named, and goes."""
    desk.climb(0.91, 0.95)
    name = str(desk.client.get_model_version(desk.model, "1").source).rpartition("/")[2]
    (folder,) = desk.store.artifacts.glob(f"*/models/{name}")
    shutil.rmtree(folder)
    end = desk.type(*desk.words())
    assert (end.code, end.json["decision"]) == (3, "error"), end
    assert desk.shown() == ([2], 2)
    assert desk.back("--fast")["decision"] == "rolled_back"
    assert desk.shown() == ([1], 1)


@pytest.mark.server
def test_a_version_that_no_longer_takes_what_is_sent_does_not_come_back(desk: Desk) -> None:
    """It has no signature, the present holder has one: exit 1, and the difference is named."""
    desk.register(0.91, signature=None)
    desk.register(0.95)
    for number in (1, 2):
        desk.promote(number)
    end = desk.type(*desk.words())
    assert (end.code, end.json["decision"], end.json["reason"]) == (1, "refused", "checks_failed"), end
    assert "has no signature" in end.json["checks"][1]["because"]
    assert desk.shown() == ([2], 2)


@pytest.mark.server
def test_what_was_rolled_back_returns_only_by_an_override_that_is_shown_in_red(desk: Desk) -> None:
    """Refused for everybody, possible for whom the policy names, and visible ever after."""
    desk.climb(0.91, 0.95, model=False)
    desk.back("--fast")
    assert desk.promote(2)["reason"] == "vetoed"
    stranger = desk.type(
        *("promote", f"{desk.model}/2", "--to", "production", "--override", "--reason", "because", "--json"),
        LOGNAME="mona",
    )
    assert (stranger.code, stranger.json["reason"]) == (1, "not_authorized")
    told = desk.promote(2, "--override", "--reason", "the alarm was false", "--html", "report.html")
    assert (told["decision"], told["reason"], told["why"]) == ("promoted", "overridden", "the alarm was false")
    assert "was rolled back from production by octo" in told["overridden"][0]
    assert "not proved by GitHub" in told["detail"] and "octo (not proved)" in desk.type("history", desk.model).out
    assert '<div class="said overridden">' in (desk.folder / "report.html").read_text(encoding="utf-8")
    assert desk.moves()[-1] == ("overridden", 2, 1)


@pytest.mark.server
@pytest.mark.parametrize(
    "words",
    [("rollback", "MODEL", "--from", "production"), ("promote", "MODEL/1", "--to", "production", "--override")],
    ids=["rollback", "override"],
)
def test_a_reason_is_owed(words: tuple[str, ...], desk: Desk) -> None:
    """Exit 2, and nothing is read."""
    named = tuple(w.replace("MODEL", desk.model) for w in words)
    assert gatewright(*named, uri="http://127.0.0.1:9", folder=desk.folder).code == 2
    blank = gatewright(*named, "--reason", "  ", uri="http://127.0.0.1:9", folder=desk.folder)
    assert (blank.code, "a reason is owed" in blank.err) == (2, True)


@pytest.mark.postgres
def test_four_rollbacks_at_once_go_one_step_back(mlflow_postgres_server: Store, unique: str, tmp_path: Path) -> None:
    """Two servers on one database: one run moves, the others see it done, held, or find the next version back."""
    store = mlflow_postgres_server
    desk = Desk(store, unique, tmp_path)
    desk.climb(0.91, 0.95, 0.97, model=False)
    words = desk.words("--fast", "--to-version", "2")
    runs = [start(*words, uri=store.uris[i % 2], folder=tmp_path) for i in range(4)]
    said = [ended(run).json for run in runs]
    assert [s["decision"] for s in said].count("rolled_back") == 1, said
    assert {s["reason"] for s in said if s["decision"] != "rolled_back"} <= {
        *("lock_held", "already_promoted", "champion_changed")
    }
    assert desk.shown() == ([2], 2)
    assert desk.moves()[-1] == ("rolled_back", 2, 3)
