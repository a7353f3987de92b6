"""The Action's surface: action.yml, its page, the code, and the workflows to copy say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import Any, get_args

import pytest
import yaml

from docs.pages import ROOT, first_cells, page
from gatewright.action.intent import COMMANDS, FAIL_ON, Inputs, read_inputs
from gatewright.action.shown import outputs
from gatewright.decision import Kind, Reason
from gatewright.problem import UsageError
from gatewright.report import data
from gatewright.report.model import Failure

WORKFLOWS = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
GITHUB = page("docs/github.md")

#: the contract: workflows may count on these
INPUTS = {
    *("tracking-uri", "github-token", "registry-uri", "command", "model", "version", "target", "reason", "policy"),
    *("policy-ref", "team-token", "dry-run", "fail-on", "comment", "html-report"),
}
OUTPUTS = {
    *("decision", "reason", "verdict", "result", "evidence-digest", "model", "version", "previous-version"),
    *("comment-url", "report-path"),
}


@cache
def action() -> dict[str, Any]:
    """action.yml."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    """The steps of a workflow that use the Action."""
    found = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [step for step in found if "/gatewright@" in step.get("uses", "")]


def test_action_yml_has_the_inputs_of_the_contract_and_the_code_reads_each() -> None:
    """Neither more nor fewer, each described; to override is for whoever starts a run by hand, not for a workflow."""
    assert set(action()["inputs"]) == INPUTS
    assert {f.name.replace("_", "-") for f in fields(Inputs)} - {"override"} == INPUTS
    assert all(len(told["description"]) > 20 for told in action()["inputs"].values())


def test_the_defaults_of_action_yml_are_those_of_the_code() -> None:
    """A runner that hands over the defaults gets what a runner gets that hands over nothing."""
    defaults = {f"INPUT_{k.upper()}": v["default"] for k, v in action()["inputs"].items() if "default" in v}
    assert defaults.pop("INPUT_GITHUB-TOKEN") == "${{ github.token }}"
    assert read_inputs(defaults) == read_inputs({}) == Inputs()


def test_the_choices_are_described() -> None:
    """Every command and every way to fail."""
    told = {name: action()["inputs"][name]["description"] for name in ("command", "fail-on")}
    assert set(COMMANDS) <= set(re.split(r"[(,)]| or ", told["command"].replace(", ", ",")))
    assert set(FAIL_ON) <= set(re.findall(r"\w+", told["fail-on"]))


def test_action_yml_has_the_outputs_of_the_contract_and_the_code_sets_each() -> None:
    """The comment's address and the report's path are known last."""
    assert set(action()["outputs"]) == OUTPUTS
    assert set(outputs(data.document(Failure(UsageError("x"))))) | {"comment-url", "report-path"} == OUTPUTS


def test_the_output_decision_lists_every_decision() -> None:
    """As docs/reasons.md does."""
    assert set(get_args(Kind)) <= set(re.findall(r"\w+", action()["outputs"]["decision"]["description"]))


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_the_page_lists_every_input_and_output(kind: str) -> None:
    """In the order of action.yml."""
    table = GITHUB.text.partition(f"<!-- {kind}:")[2].partition(f"<!-- /{kind}")[0]
    assert [cell.strip("`") for cell in first_cells(table)] == list(action()[kind])


def test_the_page_names_reasons_that_there_are() -> None:
    """Those of a move that is not trusted."""
    table = GITHUB.section("What may move a version")
    assert set(re.findall(r"no: `(\w+)`", table)) == {str(Reason.UNTRUSTED_CONTEXT), str(Reason.UNSAFE_EVENT)}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_to_copy_uses_inputs_that_there_are(path: Any) -> None:
    """And the page tells of it."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    (step,) = steps(workflow)
    assert set(step["with"]) <= INPUTS
    assert f"../examples/workflows/{path.name}" in set(GITHUB.links)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_to_copy_has_the_permissions_of_the_table_and_no_other(path: Any) -> None:
    """Least, at the job, none at the top; whoever writes to the registry has an environment and waits its turn."""
    columns = {
        "pull-request.yml": "pull request",
        "comments.yml": "comments",
        "promote.yml": "promote, webhook",
        "mlflow-webhook.yml": "promote, webhook",
        "rollback.yml": "rollback",
        "drift.yml": "drift",
        "live.yml": "live",
    }
    rows = [line.strip("| ").split("|") for line in GITHUB.section("Permissions").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    column = cells[0].index(columns[path.name])
    wanted = dict(row[0].strip("`").split(": ") for row in cells[2:] if row[column] == "yes")
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert (workflow["permissions"], job["permissions"]) == ({}, wanted)
    assert ("concurrency" in job) == (path.name != "pull-request.yml") and "concurrency" not in workflow
    assert ("environment" in job) == (path.name != "pull-request.yml")
