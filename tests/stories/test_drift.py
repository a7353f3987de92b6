"""Hands in a real registry, seen by `gatewright drift` as it is typed and as it runs every night."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, forked, within, write_policy
from real.faults import Do, Drop, Faults, Request
from real.github.server import GitHub
from real.github.world import Thread
from real.tracking import Store
from real.versions import make_version
from real.workflow import Step, Workflow

pytestmark = pytest.mark.server

TARGETS = [
    "staging:",
    "  stage: Staging",
    "  stale_after: 30d",
    "  checks: [run.accuracy > 0.9]",
    "production:",
    "  after: staging",
    "  stage: Production",
    "  alias: champion",
    "  checks: [run.accuracy > 0.9]",
    "copied:",
    "  copy_to: MODEL.prod",
    "  checks: [run.accuracy > 0.9]",
]
DAY = 86400.0


class Desk:
    """A model whose versions went through the gate: 2 in production, 3 in staging, 2 copied; 1 is archived."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder, self.clock = store, model, folder, 0.0
        self.client: Any = store.client()
        write_policy(folder, model, [line.replace("MODEL", model) for line in TARGETS])
        for _ in range(4):
            self.register()
        for number in (1, 2):
            self.promote(number, "staging")
            self.promote(number, "production")
        self.promote(3, "staging")
        self.promote(2, "copied")

    def register(self, **kind: Any) -> int:
        return make_version(self.client, self.model, metrics={"accuracy": 0.95}, **kind)

    def type(self, *words: str, uri: str = "") -> Ended:
        return within(*words, uri=uri or self.store.uri, folder=self.folder, clock=self.clock)

    def promote(self, number: int, to: str) -> None:
        ended = self.type("promote", f"{self.model}/{number}", "--to", to)
        assert ended.code == 0, ended

    def drift(self, *more: str) -> tuple[int, list[tuple[str, int | None, str]]]:
        """Exit code and findings of the model."""
        ended = self.type("drift", self.model, "--json", *more)
        (found,) = ended.json["models"]
        assert found["unread"] == []
        return ended.code, [(f["code"], f["version"], f["target"]) for f in found["findings"]]

    def stage(self, number: int, stage: str, archive: bool = False) -> None:
        self.client.transition_model_version_stage(self.model, str(number), stage, archive_existing_versions=archive)

    def alias(self, alias: str, number: int) -> None:
        self.client.set_registered_model_alias(self.model, alias, str(number))

    def run_of(self, number: int) -> str:
        return str(self.client.get_model_version(self.model, str(number)).run_id)

    def kinds(self) -> list[str]:
        return [r.kind for r in MlflowLedger(connect(self.store.uri)).rows(self.model)]


@pytest.fixture
def desk(mlflow_server: Store, unique: str, tmp_path: Path) -> Desk:
    """A desk at the shared server."""
    return Desk(mlflow_server, unique, tmp_path)


HANDS: dict[str, tuple[Callable[[Desk], object], tuple[str, int | None, str]]] = {
    "another into staging": (lambda d: d.stage(4, "Staging", True), ("moved_by_hand", 4, "staging")),
    "the holder of staging archived": (lambda d: d.stage(3, "Archived"), ("moved_by_hand", 3, "staging")),
    "a second into production": (lambda d: d.stage(1, "Production"), ("two_holders", None, "production")),
    "another into production": (lambda d: d.stage(4, "Production", True), ("stage_alias_disagree", None, "production")),
    "the alias moved": (lambda d: d.alias("champion", 4), ("stage_alias_disagree", None, "production")),
    "the alias deleted": (
        lambda d: d.client.delete_registered_model_alias(d.model, "champion"),
        ("stage_alias_disagree", 2, "production"),
    ),
    "another copied": (
        lambda d: d.client.copy_model_version(f"models:/{d.model}/1", f"{d.model}.prod"),
        ("moved_by_hand", 1, "copied"),
    ),
    "the run deleted": (lambda d: d.client.delete_run(d.run_of(3)), ("deleted_run", 3, "staging")),
}


@pytest.mark.parametrize("hand", HANDS)
def test_each_hand_is_found_once_and_what_the_gate_did_is_not_found(desk: Desk, hand: str) -> None:
    """Through MLflow's own client, as anybody would."""
    assert desk.drift() == (0, [])
    act, finding = HANDS[hand]
    act(desk)
    assert desk.drift() == (1, [finding])


def test_rolling_back_is_no_drift(desk: Desk) -> None:
    """The faulty version is archived, the earlier one returns, alias and all."""
    words = ("rollback", desk.model, "--from", "production", "--reason", "it is slow", "--fast")
    assert desk.type(*words).code == 0
    assert desk.drift() == (0, [])


def test_a_signature_that_is_missing_and_files_on_one_machine_are_found(desk: Desk, tmp_path: Path) -> None:
    """The version is in the target by the gate, and should not stand there as it does."""
    number = desk.register(signature=None)
    desk.promote(number, "staging")
    assert desk.drift() == (1, [("missing_signature", number, "staging")])
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("signature: {inputs: '[]'}\n", encoding="utf-8")
    desk.store.sql(
        "UPDATE model_versions SET source = :where, storage_location = NULL WHERE name = :name AND version = :number",
        where=folder.as_uri(),
        name=desk.model,
        number=number,
    )
    assert ("local_artifacts", number, "staging") in desk.drift()[1]
    (folder / "MLmodel").unlink()
    assert ("missing_files", number, "staging") in desk.drift()[1]
    run = desk.run_of(number)
    for table in ("tags", "latest_metrics", "metrics", "params", "runs"):  # as `mlflow gc` does
        desk.store.sql(f"DELETE FROM {table} WHERE run_uuid = :run", run=run)
    assert ("deleted_run", number, "staging") in desk.drift()[1]


def test_a_move_whose_run_died_is_found_once_its_lease_is_over(desk: Desk, faults: Faults) -> None:
    """Until then it may still be at work, and who holds what cannot be told; adopting finishes or aborts it."""
    runs: list[BaseProcess] = []

    def kill(request: Request) -> None:
        runs[0].kill()
        wait([runs[0].sentinel])

    faults.when(lambda r: r.path.endswith("/log-parameter"), Do(kill, after=True))
    runs.append(forked("promote", f"{desk.model}/4", "--to", "staging", uri=faults.uri, folder=desk.folder))
    runs[0].join(120)
    unread = desk.type("drift", desk.model, "--json", "--dry-run")
    assert (unread.code, unread.json["findings"]) == (3, 0)
    desk.clock = 600
    assert desk.drift() == (1, [("unfinished_move", 4, "staging")])
    assert desk.type("adopt", desk.model, "--reason", "the runner died").code == 0
    assert desk.drift() == (0, [])


def test_an_existing_registry_is_adopted_and_a_rollback_goes_behind_it(
    mlflow_server: Store, unique: str, tmp_path: Path
) -> None:
    """Two versions were moved by hand before anybody thought of a gate."""
    client = mlflow_server.client()
    write_policy(tmp_path, unique, ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"])
    for number in (1, 2):
        make_version(client, unique, metrics={"accuracy": 0.95})
        client.transition_model_version_stage(unique, str(number), "Production", archive_existing_versions=True)

    def typed(*words: str) -> dict[str, Any]:
        return within(*words, "--json", uri=mlflow_server.uri, folder=tmp_path).json

    assert typed("drift", unique)["models"][0]["findings"][0]["code"] == "unrecorded_holder"
    assert typed("adopt", unique, "--dry-run")["ledger"] == []
    assert typed("adopt", unique)["decision"] == "adopted"
    assert typed("drift", unique)["findings"] == 0
    assert typed("adopt", unique)["decision"] == "noop"
    back = typed("rollback", unique, "--from", "production", "--reason", "it is slow", "--fast")
    assert (back["decision"], back["version"]) == ("rolled_back", 1)
    assert "no earlier holder of production: v1 is the newest archived version" in " ".join(back["notes"])
    assert typed("drift", unique)["findings"] == 0


def test_a_hand_is_put_back_or_acknowledged(desk: Desk) -> None:
    """Either way drift is quiet afterwards, and the ledger has what was found, and that it is gone."""
    desk.stage(4, "Staging", True)
    assert desk.drift() == (1, [("moved_by_hand", 4, "staging")])
    refused = desk.type("adopt", desk.model, "--json")
    assert (refused.code, refused.json["reason"]) == (1, "reason_owed")
    assert desk.type("adopt", desk.model, "--reason", "the vendor asked for it").code == 0
    assert desk.drift() == (0, [])
    desk.stage(3, "Staging", True)
    desk.promote(4, "staging")
    assert desk.drift() == (0, [])
    assert desk.kinds().count("drift") == 2
    assert desk.type("audit", "verify", desk.model).code == 0


def test_a_stale_version_is_archived_only_when_that_is_asked_for(desk: Desk) -> None:
    """Shown first, then done, and the ledger knows."""
    desk.clock = 31 * DAY
    assert desk.drift("--fix", "archive-stale") == (1, [("stale", 3, "staging")])
    assert desk.client.get_model_version(desk.model, "3").current_stage == "Staging"
    ended = desk.type("drift", desk.model, "--fix", "archive-stale", "--apply", "--json")
    assert [a["decision"] for a in ended.json["archived"]] == ["archived"]
    assert desk.client.get_model_version(desk.model, "3").current_stage == "Archived"
    assert desk.drift() == (0, [])
    assert desk.type("drift", "--apply").code == 2


def test_every_model_with_a_policy_or_a_ledger_is_looked_at(desk: Desk) -> None:
    """Without a policy, the targets are those that the ledger remembers."""
    write_policy(desk.folder, f"{desk.model}.other", ["production:", "  stage: Production", "  checks: [signature]"])
    desk.stage(4, "Staging", True)
    found = {m["model"]: m for m in desk.type("drift", "--json", "--dry-run").json["models"]}
    assert found[f"{desk.model}.other"]["findings"] == []
    assert found[desk.model]["policy"] is False
    assert [f["code"] for f in found[desk.model]["findings"]] == ["moved_by_hand"]


def test_a_registry_that_cannot_be_read_is_undetermined(desk: Desk) -> None:
    """Exit 3, and nothing that could be taken for "no drift"."""
    with Faults(desk.store.uri) as proxy:
        proxy.when(lambda r: r.path.endswith("MLmodel"), Drop())
        ended = desk.type("drift", desk.model, uri=proxy.uri)
    assert ended.code == 3
    assert "no drift" not in ended.out and "undetermined" in ended.out
    assert desk.type("drift", desk.model, uri="http://127.0.0.1:9").code == 3


# -- every night on GitHub ---------------------------------------------------------------------------------------


class Night:
    """The nightly workflow of a repository with the desk's policy."""

    def __init__(self, desk: Desk, github: GitHub) -> None:
        self.desk, self.world = desk, github.world
        text = (desk.folder / "policies" / "policy.yaml").read_text(encoding="utf-8")
        self.world.commit({"policies/policy.yaml": text})
        self.workflow = Workflow(github, desk.store.uri, desk.folder)

    def run(self, **inputs: str) -> Step:
        """One run on schedule."""
        return self.workflow.event("schedule", {"schedule": "17 3 * * *"}, **inputs)

    def issues(self) -> list[Thread]:
        return [t for t in self.world.repository.threads.values() if not t.head]


@pytest.fixture
def night(own_mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Night]:
    """A night at a server of its own; in the end, every request and answer was as GitHub describes them."""
    with GitHub() as github:
        yield Night(Desk(own_mlflow_server, unique, tmp_path), github)
        assert github.violations == []


def test_one_issue_is_opened_brought_up_to_date_and_closed(night: Night) -> None:
    """Whatever is found, nothing is moved."""
    step = night.run()
    assert (step.code, step.decision, night.issues()) == (0, ("noop", ""), []), step
    night.desk.stage(4, "Staging", True)
    for _ in range(2):
        step = night.run()
        assert (step.code, step.decision) == (1, ("evaluated", "drift")), step
    (issue,) = night.issues()
    assert "1 finding in 1 model" in issue.title
    assert "moved\\_by\\_hand" in issue.body or "`moved_by_hand`" in issue.body
    assert step.outputs["comment-url"].endswith(f"/issues/{issue.number}")
    assert json.loads(step.outputs["result"])["findings"] == 1
    night.desk.alias("champion", 4)
    night.run()
    assert "2 findings" in issue.title and "`stage_alias_disagree`" in issue.body
    night.desk.stage(3, "Staging", True)
    night.desk.alias("champion", 2)
    step = night.run()
    assert (step.code, issue.state) == (0, "closed")
    assert "nothing is left" in issue.comments[-1].body
    assert night.desk.kinds().count("drift") == 3


def test_a_night_that_could_not_read_everything_closes_nothing(night: Night) -> None:
    """The job is red, and the issue stays as it was."""
    night.desk.stage(4, "Staging", True)
    night.run()
    night.desk.stage(3, "Staging", True)
    with Faults(night.desk.store.uri) as proxy:
        proxy.when(lambda r: r.path.endswith("MLmodel"), Drop())
        step = night.run(tracking_uri=proxy.uri)
    (issue,) = night.issues()
    assert (step.code, step.decision, issue.state) == (3, ("error", "undetermined"), "open"), step


def test_a_look_at_one_model_and_a_rehearsal_leave_the_issue_alone(night: Night) -> None:
    """They say nothing about the others, or are to change nothing."""
    night.desk.stage(4, "Staging", True)
    for inputs in ({"model": night.desk.model}, {"dry_run": "true"}, {"comment": "false"}):
        step = night.run(**inputs)
        assert (step.code, night.issues()) == (1, []), step
        assert "moved_by_hand" in step.summary


def test_a_stranger_cannot_pose_as_the_issue(night: Night) -> None:
    """The marker alone is not enough."""
    forged = night.world.issue("mallory", body="<!-- gatewright drift -->\nnothing to see\n", labels=["gatewright"])
    night.desk.stage(4, "Staging", True)
    night.run()
    assert forged.body.endswith("nothing to see\n")
    assert len(night.issues()) == 2
