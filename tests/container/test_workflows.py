"""The workflows to copy, run by act against the stand-in and a real registry.

The Action is its real container where an engine runs one, and the process that the container would start where not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from real.act import REMEDY, Container, Stage, find_act, socket_of
from real.container import Engine
from real.github.server import GitHub
from real.github.world import Comment, Thread
from real.process import absent
from real.tracking import Store
from real.versions import make_version

POLICY = """\
version: 1
model: {model}
targets:
  staging:
    alias: staging
    checks: [run.accuracy > 90%]
"""

LIVE = """\
live:
  split: {champion: 80, challenger: 20}
  unit: user
  outcomes: {data: mlflow}
  primary: {name: bought, effect: 0.02}
targets:
"""

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def container(
    request: pytest.FixtureRequest, found: Engine | str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container | None]:
    """Where the Action runs; None for a process."""
    if not isinstance(found, Engine):
        yield None
        return
    with socket_of(found, tmp_path_factory.mktemp("socket")) as address:
        yield Container(address, found.base, request.getfixturevalue("image"))


@pytest.fixture
def bare(mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Stage]:
    """A repository with a policy, a model with two good versions, and a writer; the Action as a process."""
    program = find_act()
    if program is None:
        absent("act", REMEDY)
    assert program is not None
    for _ in range(2):
        make_version(mlflow_server.client(), unique, metrics={"accuracy": 0.93}, model=True)
    with GitHub() as github:
        github.world.commit({"policies/fraud.yaml": POLICY.format(model=unique)})
        github.world.repository.permissions["anna"] = "write"
        yield Stage(github, mlflow_server.uri, tmp_path, program)
        assert github.violations == []


@pytest.fixture
def stage(bare: Stage, container: Container | None) -> Stage:
    """The same, with the container where one can run."""
    bare.container = container
    return bare


def holder(store: Store, model: str) -> int:
    """Who holds staging, as MLflow's own client sees it."""
    return int(store.client().get_registered_model(model).aliases.get("staging", 0))


def pull(thread: Thread) -> dict[str, object]:
    """The payload of a pull request."""
    sides = {"head": {"sha": thread.head, "ref": "mine", "repo": {"id": 1}}, "base": {"ref": "main", "repo": {"id": 1}}}
    return {"action": "opened", "pull_request": {"number": thread.number, "state": "open", **sides}}


def said(thread: Thread, comment: Comment) -> dict[str, object]:
    """The payload of a comment."""
    issue = {"number": thread.number, "pull_request": {"url": "…"}}
    return {"action": "created", "issue": issue, "comment": {"id": comment.id, "body": comment.body}}


def test_the_workflow_for_pull_requests(stage: Stage) -> None:
    """It judges and comments."""
    thread = stage.github.world.pull("anna")
    played = stage.play("pull-request.yml", "pull_request", pull(thread))
    assert (played.jobs, played.outputs["verdict"]) == (["success"], "pass"), played
    assert len(thread.comments) == 1


def test_the_action_does_the_same_as_a_process(bare: Stage) -> None:
    """So that what is tested where no engine runs is worth something."""
    thread = bare.github.world.pull("anna")
    played = bare.play("pull-request.yml", "pull_request", pull(thread))
    assert (played.jobs, played.outputs["verdict"]) == (["success"], "pass"), played
    assert len(thread.comments) == 1


def test_the_workflow_for_comments(stage: Stage, mlflow_server: Store, unique: str) -> None:
    """It moves what a writer asks for, and runs no job for other comments."""
    thread = stage.github.world.pull("ben")
    idle = stage.play("comments.yml", "issue_comment", said(thread, stage.github.world.comment(1, "ben", "nice")))
    assert idle.jobs == []
    comment = stage.github.world.comment(1, "anna", f"/gate promote {unique}/1 to staging")
    played = stage.play("comments.yml", "issue_comment", said(thread, comment))
    assert (played.jobs, played.outputs["decision"]) == (["success"], "promoted"), played
    assert holder(mlflow_server, unique) == 1


def test_the_workflows_for_promotion_and_rollback(stage: Stage, mlflow_server: Store, unique: str) -> None:
    """What the form says arrives; empty fields are defaults."""
    for version in ("1", ""):
        given = {"model": "", "version": version, "target": "staging", "reason": ""}
        played = stage.play("promote.yml", "workflow_dispatch", {"ref": "refs/heads/main", "inputs": given})
        assert played.outputs["decision"] == "promoted", played
    assert holder(mlflow_server, unique) == 2
    given = {"model": "", "version": "", "target": "staging", "reason": "it is slow"}
    played = stage.play("rollback.yml", "workflow_dispatch", {"ref": "refs/heads/main", "inputs": given})
    assert played.outputs["decision"] == "rolled_back", played
    assert holder(mlflow_server, unique) == 1


def test_the_workflow_for_mlflows_webhook(stage: Stage, mlflow_server: Store, unique: str) -> None:
    """As the relay dispatches it."""
    told = {"model": unique, "version": "2"}
    payload = {"action": "mlflow-model-version", "branch": "main", "client_payload": told}
    played = stage.play("mlflow-webhook.yml", "repository_dispatch", payload)
    assert played.outputs["decision"] == "promoted", played
    assert holder(mlflow_server, unique) == 2


def test_the_workflow_for_a_live_split(stage: Stage, mlflow_server: Store, unique: str) -> None:
    """Every night while a split runs; on the other nights it has nothing to do, and is not red for it."""
    mlflow_server.client().set_registered_model_alias(unique, "staging", "1")
    stage.github.world.commit({"policies/fraud.yaml": POLICY.format(model=unique).replace("targets:\n", LIVE)})
    idle = stage.play("live.yml", "schedule", {"schedule": "41 2 * * *"})
    assert (idle.jobs, idle.outputs["reason"]) == (["success"], "no_live"), idle
    thread = stage.github.world.pull("ben")
    comment = stage.github.world.comment(1, "anna", f"/gate live start {unique}/2 to staging")
    begun = stage.play("comments.yml", "issue_comment", said(thread, comment))
    assert (begun.jobs, begun.outputs["decision"]) == (["success"], "started"), begun
    night = stage.play("live.yml", "schedule", {"schedule": "41 2 * * *"})
    assert (night.jobs, night.outputs["reason"]) == (["success"], "live_running"), night
    assert night.outputs["report-path"] == "split.html"
    assert holder(mlflow_server, unique) == 1


def test_the_workflow_for_drift(stage: Stage, mlflow_server: Store, unique: str) -> None:
    """Every night: what was moved past the gate stands in one issue in the morning."""
    mlflow_server.client().set_registered_model_alias(unique, "staging", "2")
    played = stage.play("drift.yml", "schedule", {"schedule": "17 3 * * *"})
    assert played.outputs["decision"] != "error", played
    (issue,) = stage.github.world.repository.threads.values()
    assert unique in issue.title + issue.body and issue.state == "open"
