"""What is published is the image: the same stories, told by the container as GitHub's runner starts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from real.container import ContainerWorkflow, Engine
from real.github.server import GitHub
from real.postgres import REMEDY, find_postgres, postgres
from real.process import absent
from real.tracking import Store
from real.versions import make_version

POLICY = """\
version: 1
model: {model}
targets:
  staging:
    stage: Staging
    checks: [run.accuracy > 90%]
"""

SCORED = """\
version: 1
model: {model}
holdout: {{data: rows.csv, target: good, task: binary, min_slice_rows: 1}}
targets:
  staging:
    stage: Staging
    checks: [holdout.accuracy >= 75%]
"""

TRIED = """\
version: 1
model: {model}
live:
  split: {{champion: 90, challenger: 10}}
  unit: account
  outcomes: {{data: "{data}", query: "select 'a' as account, 1 as version, now() as time, 0.5 as paid"}}
  primary: paid
targets:
  production:
    alias: champion
    checks: [run.accuracy > 90%]
"""

#: bytes; what the image's own layers may take, so that nobody adds to it unawares
LARGEST = 600 * 10**6

pytestmark = [pytest.mark.server, pytest.mark.containers]


@pytest.fixture
def workflow(
    engine: Engine, image: str, mlflow_server: Store, unique: str, tmp_path: Path
) -> Iterator[ContainerWorkflow]:
    """A repository with a policy, a model with one good version, and the container between them."""
    with GitHub() as github:
        github.world.commit({"policies/fraud.yaml": POLICY.format(model=unique)})
        make_version(mlflow_server.client(), unique, metrics={"accuracy": 0.93}, model=False)
        yield ContainerWorkflow(github, mlflow_server.uri, tmp_path, engine=engine, image=image)
        assert github.violations == []


def test_a_pull_request_is_judged_in_the_container(workflow: ContainerWorkflow) -> None:
    """Comment, check, outputs and summary come out of it as out of the process."""
    thread = workflow.github.world.pull("anna")
    step = workflow.opened(thread, html_report="report.html")
    assert (step.code, step.outputs["verdict"]) == (0, "pass"), step
    assert len(thread.comments) == 1 and len(workflow.github.world.repository.checks) == 1
    assert "```mermaid" in step.summary
    assert step.outputs["report-path"] == "report.html"


def test_a_promotion_moves_the_version_from_the_container(workflow: ContainerWorkflow, unique: str) -> None:
    """Asked for by hand."""
    step = workflow.dispatched(command="promote")
    assert step.decision == ("promoted", "no_approvals_needed"), step
    assert step.outputs["version"] == "1"


def test_a_model_is_loaded_and_scored_in_the_container(
    workflow: ContainerWorkflow, mlflow_server: Store, unique: str
) -> None:
    """As MLflow saves one by default, on rows of the workspace, in a worker that is not root any more."""
    make_version(mlflow_server.client(), unique, serialization="skops")
    workflow.github.world.commit({"policies/fraud.yaml": SCORED.format(model=unique)})
    workflow.workspace = {"rows.csv": "amount,age,good\n1,30,0\n2,20,0\n3,50,1\n4,40,1\n"}
    step = workflow.dispatched(command="evaluate", version="2", target="staging")
    (check,) = step.result["checks"]
    assert (check["status"], check["value"]) == ("pass", 1.0), step
    walls = next(line for line in step.summary.splitlines() if "ran behind these walls" in line)
    assert {"user", "privileges", "limits", "calls"} <= set(re.findall(r"\w+", walls)), walls


def test_outcomes_of_a_split_are_read_from_a_database_in_the_container(
    workflow: ContainerWorkflow, mlflow_server: Store, unique: str
) -> None:
    """The image has PostgreSQL's driver; the password comes by the step's environment, and is nowhere to be seen."""
    programs = find_postgres()
    if programs is None:
        absent("postgres", REMEDY)
    assert programs is not None
    make_version(mlflow_server.client(), unique, metrics={"accuracy": 0.95}, model=False)
    mlflow_server.client().set_registered_model_alias(unique, "champion", "1")
    with postgres(programs) as address:
        account, _, place = address.partition("://")[2].partition("@")
        user, _, password = account.partition(":")
        data = f"postgresql://{user}@{place}"
        workflow.github.world.commit({"policies/fraud.yaml": TRIED.format(model=unique, data=data)})
        workflow.variables = {"GATEWRIGHT_OUTCOMES_PASSWORD": password}
        begun = workflow.dispatched(command="live start", version="2", target="production")
        assert begun.decision == ("started", "live_running"), begun
        assert "tell nothing of the champion's past" in begun.summary
        shown = workflow.dispatched(command="live status")
        assert shown.decision == ("evaluated", "live_running"), shown
        workflow.variables = {"GATEWRIGHT_OUTCOMES_PASSWORD": "wrong"}
        refused = workflow.dispatched(command="live status")
    assert refused.code == 3 and "password authentication failed" in refused.summary
    for step in (begun, shown, refused):
        assert password not in step.log + step.summary and f"{user}@" not in step.log + step.summary


def test_a_comment_without_a_command_ends_at_once(workflow: ContainerWorkflow) -> None:
    """The entry point of the image is the one that looks before it imports."""
    thread = workflow.github.world.pull("anna")
    step = workflow.commented(thread, workflow.github.world.comment(thread.number, "ben", "nice"))
    assert (step.code, step.decision) == (0, ("noop", "no_command"))
    assert workflow.github.requests == []


def test_nothing_of_the_workspace_is_imported(workflow: ContainerWorkflow) -> None:
    """A checkout may hold a json.py; it is not ours."""
    workflow.workspace = {"json.py": "raise SystemExit('owned')\n", "gatewright.py": "raise SystemExit('owned')\n"}
    step = workflow.opened(workflow.github.world.pull("anna"))
    assert (step.code, step.outputs["verdict"]) == (0, "pass"), step


def test_the_image_runs_and_holds_what_it_says(engine: Engine, image: str) -> None:
    """The command line works in it, and it holds neither tests nor a package manager of its own."""
    assert "gatewright" in engine.inside(image, "gatewright", "--version")
    size = int(engine.inside(image, "du", "-sb", "/opt/gatewright").split()[0])
    assert size < LARGEST
