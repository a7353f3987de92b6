"""Rollbacks and overrides typed against a real MLflow server, on SQLite and PostgreSQL, also when much goes wrong."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.entry import MOVED
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, ended, forked, gatewright, start, within, write_policy
from real.faults import Cut, Delay, Do, Drop, Fault, Faults, Request, Twice
from real.tracking import Store
from real.versions import make_version

STAGED = ("stage: Production", "alias: champion")
COPIED = ("copy_to: MODEL.prod", "alias: champion")
MARK = "gatewright.rolled_back.production"


class Desk:
    """`octo`, a server, a policy, and a model whose versions were promoted one after the other."""

    def __init__(self, store: Store, model: str, folder: Path, way: tuple[str, ...] = STAGED) -> None:
        self.store, self.model, self.folder = store, model, folder
        self.client, self.clock, self.copied = store.client(), 0.0, way == COPIED
        #: where stage, alias and mark are
        self.home = f"{model}.prod" if self.copied else model
        lines = (*way, "checks: [run.accuracy > 0.9]", "override: {from: [octo]}")
        write_policy(folder, model, ["production:", *(f"  {line.replace('MODEL', model)}" for line in lines)])

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
        return within(*words, uri=uri or self.store.uri, folder=self.folder, clock=self.clock, env=variables)

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
        """Who is in the stage, and where the alias points, as MLflow's own client sees it; of a copy, its origin."""
        if self.copied:
            origin = int(str(self.client.get_model_version_by_alias(self.home, "champion").source).rpartition("/")[2])
            return [origin], origin
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


def killed_at(number: int, after: bool, proxy: Faults, desk: Desk) -> bool:
    """Runs a rollback to version 1 and kills its process at a request; False if it ended before."""
    runs: list[BaseProcess] = []
    struck: list[Request] = []

    def kill(request: Request) -> None:
        struck.append(request)
        runs[0].kill()
        wait([runs[0].sentinel])

    proxy.reset()
    proxy.at(number, Do(kill, after=after))
    runs.append(forked(*desk.words("--fast"), uri=proxy.uri, folder=desk.folder))
    runs[0].join(60)
    assert runs[0].exitcode == (-signal.SIGKILL if struck else 0)
    return bool(struck)


def settled(desk: Desk, step: float = 600.0) -> int:
    """The next command, after the lease: it finishes or aborts what it finds. Who holds the target then."""
    desk.clock += step
    desk.promote(3)  # it fails its check: nothing is done but what was left
    (staged,), pointed = desk.shown()
    assert staged == pointed
    faulty = desk.client.get_model_version(desk.home, "2")
    kind, version, replaces = desk.moves()[-1]
    assert version == staged
    if staged == 1:
        assert (kind, replaces) == ("rolled_back", 2)
        assert MARK in faulty.tags
        assert desk.copied or faulty.current_stage == "Archived"
    return staged


def again(desk: Desk) -> None:
    """Version 2 takes the target back, so that it can be rolled back once more."""
    if desk.shown() == ([1], 1):
        told = desk.promote(2, "--override", "--reason", "once more")
        assert told["decision"] == "promoted", told
        desk.client.delete_model_version_tag(desk.home, "2", MARK)


def killed_at_every(desk: Desk, proxy: Faults, after: bool, every: int) -> None:
    """Kills a rollback at every few requests of its run, and looks at what the next command leaves."""
    desk.climb(0.91, 0.95, model=False)
    desk.register(0.5, model=False)
    seen = set()
    number = 2 if after else 1
    while killed_at(number, after, proxy, desk):
        seen.add(settled(desk))
        again(desk)
        number += every
    assert number > 10
    assert seen == {1, 2}
    assert desk.proved()


@pytest.mark.server
@pytest.mark.parametrize("after", [False, True], ids=["request not sent", "answer lost"])
def test_a_rollback_killed_at_any_request_is_before_or_after_once_anything_is_run(
    after: bool, desk: Desk, faults: Faults
) -> None:
    """On SQLite: stage, alias and mark together or none of them, and the ledger says which."""
    killed_at_every(desk, faults, after, every=5)


@pytest.mark.postgres
@pytest.mark.parametrize("way", [STAGED, COPIED], ids=["stage and alias", "copy and alias"])
def test_a_rollback_killed_on_postgresql_is_before_or_after_once_anything_is_run(
    way: tuple[str, ...],
    mlflow_postgres_server: Store,
    faults_before: Callable[[str], Faults],
    unique: str,
    tmp_path: Path,
) -> None:
    """Some requests, their answers lost; the next command goes to the other server of the same database."""
    proxy = faults_before(mlflow_postgres_server.uris[1])
    killed_at_every(Desk(mlflow_postgres_server, unique, tmp_path, way), proxy, True, every=7)


FAULTS: dict[str, Fault] = {
    "dropped before": Drop(),
    "dropped after": Drop(forward=True),
    "delayed": Delay(3),
    "sent twice": Twice(),
    "cut short": Cut(),
}
QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


@pytest.mark.server
@pytest.mark.parametrize("kind", FAULTS)
def test_a_network_that_misbehaves_at_any_request_leaves_no_lie(kind: str, desk: Desk, faults: Faults) -> None:
    """One request is hit: the run ends well or undetermined, and the next command makes ledger and registry agree.

    Every fifth request of the run; each kind of fault begins at another.
    """
    desk.climb(0.91, 0.95, model=False)
    desk.register(0.5, model=False)
    for number in range(1 + list(FAULTS).index(kind), 100, len(FAULTS)):
        faults.reset()
        faults.at(number, FAULTS[kind])
        end = desk.type(*desk.words("--fast"), uri=faults.uri, **QUICK)
        assert end.code in (0, 3), end
        if faults.count < number:
            assert number > 10
            assert desk.proved()
            return
        assert settled(desk) == 1 or end.code == 3
        again(desk)


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
