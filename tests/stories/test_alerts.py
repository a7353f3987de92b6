"""A webhook is told of every decision, GitHub of every override, and neither changes what was decided."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, gatewright, within, write_policy
from real.github.server import GitHub, Says
from real.receiver import Delivery, receiver
from real.tracking import Store
from real.versions import make_version
from real.workflow import Step, Workflow

KEY = base64.b64encode(b"k" * 32).decode()
SECRET = f"whsec_{KEY}"

POLICY = """\
version: 1
model: {model}
targets:
  production:
    alias: champion
    checks: [run.accuracy > 90%]
    override: {{from: [anna]}}
"""

pytestmark = pytest.mark.server


class Terminal:
    """`octo` at a command line, with a model whose policy asks for an accuracy and, for the clinic, for people."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder = store, model, folder
        targets = ["production:", "  alias: champion", "  checks: [run.accuracy > 90%]", "  override: {from: [octo]}"]
        targets += ["clinic:", "  alias: clinic", "  checks: [run.accuracy > 90%]"]
        write_policy(folder, model, [*targets, "  approvals: [{name: lead, from: [ben], count: 1}]"])

    def register(self, *accuracies: float) -> None:
        for accuracy in accuracies:
            make_version(self.store.client(), self.model, metrics={"accuracy": accuracy})

    def type(self, *words: str, url: str, **env: str) -> Ended:
        variables = {"LOGNAME": "octo", "GATEWRIGHT_ALERT_URL": url, "GATEWRIGHT_ALERT_SECRET": SECRET, **env}
        return within(*words, uri=self.store.uri, folder=self.folder, env=variables)

    def promote(self, number: int, *more: str, to: str = "production", url: str, **env: str) -> Ended:
        return self.type("promote", f"{self.model}/{number}", "--to", to, *more, url=url, **env)

    def aliases(self) -> dict[str, int]:
        return {k: int(v) for k, v in self.store.client().get_registered_model(self.model).aliases.items()}


@pytest.fixture
def terminal(mlflow_server: Store, unique: str, tmp_path: Path) -> Terminal:
    """No versions yet."""
    return Terminal(mlflow_server, unique, tmp_path)


def event(delivery: Delivery) -> dict[str, Any]:
    """What a delivery says."""
    found: dict[str, Any] = json.loads(delivery.body)
    return found


def kinds(deliveries: list[Delivery]) -> list[str]:
    """The last word of each event's type."""
    return [event(d)["type"].rpartition(".")[2] for d in deliveries]


def test_every_decision_is_told_and_the_receiver_of_the_page_takes_each(terminal: Terminal) -> None:
    """Promoted, refused, pending once, overridden, rolled back; checked by the code that docs/alerts.md gives."""
    terminal.register(0.95, 0.8, 0.97)
    with receiver() as there:
        assert terminal.promote(1, url=there.url).code == 0
        assert terminal.promote(2, url=there.url).code == 1
        for _ in range(2):
            assert terminal.promote(3, to="clinic", url=there.url).code == 0
        assert terminal.promote(2, "--override", "--reason", "the feed is late", url=there.url).code == 0
        assert (
            terminal.type(
                *("rollback", terminal.model, "--from", "production", "--reason", "slow", "--fast"), url=there.url
            ).code
            == 0
        ), "rollback"
        assert terminal.promote(1, url=there.url).code == 0, "nothing to do"
        told = list(there.deliveries)
    assert kinds(told) == ["promoted", "refused", "pending", "overridden", "rolled_back"]
    for one in told:
        assert page_receiver()(SECRET, one.headers, one.body) == event(one)
        assert {**one.headers}["webhook-id"] == event(one)["id"]
    assert event(told[3])["data"]["why"] == "the feed is late"
    assert event(told[3])["data"]["overridden"] and event(told[3])["data"]["actor"]["login"] == "octo"
    rows = MlflowLedger(connect(terminal.store.uri)).rows(terminal.model)
    assert event(told[0])["data"]["ledger"]["digest"] in {r.digest for r in rows}


def page_receiver() -> Any:
    """`verified` as docs/alerts.md shows it."""
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verified"]


def test_the_pages_receiver_turns_away_what_was_changed_and_what_is_old(terminal: Terminal) -> None:
    """Another body, id or secret, and a delivery that was recorded and sent again."""
    terminal.register(0.95)
    with receiver() as there:
        terminal.promote(1, url=there.url)
        (one,) = there.deliveries
    take, other = page_receiver(), "whsec_" + base64.b64encode(b"x" * 32).decode()
    old = str(int(one.headers["webhook-timestamp"]) - 3600)
    for secret, headers, content in (
        (SECRET, one.headers, one.body.replace(b"promoted", b"refused_")),
        (SECRET, {**one.headers, "webhook-id": "another"}, one.body),
        (SECRET, {**one.headers, "webhook-timestamp": old}, one.body),
        (other, one.headers, one.body),
    ):
        with pytest.raises(ValueError, match=r"signature|old"):
            take(secret, headers, content)


def test_an_alert_that_fails_is_said_and_changes_nothing(terminal: Terminal) -> None:
    """The version holds the target, the exit code is 0, and neither address nor secret is in what is said."""
    terminal.register(0.95)
    with receiver(404) as there:
        told = terminal.promote(1, "--json", url=there.url)
    assert (told.code, told.json["decision"], terminal.aliases()) == (0, "promoted", {"champion": 1})
    assert "alert not delivered: 127.0.0.1" in told.err and "it answers 404" in told.err
    assert not [s for s in (KEY, "s3cr3t-path") if s in told.out + told.err]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_report_that_cannot_be_written_keeps_no_alert_back(terminal: Terminal) -> None:
    """The version has moved, whatever becomes of the page about it: the disk filled up meanwhile."""
    terminal.register(0.95)
    with receiver() as there:
        told = terminal.promote(1, "--html", "/dev/full", url=there.url)
        assert (told.code, terminal.aliases(), kinds(there.deliveries)) == (2, {"champion": 1}, ["promoted"])


def test_what_cannot_be_told_ends_the_command_before_anything_moves(terminal: Terminal) -> None:
    """A wrong secret is a wrong command."""
    terminal.register(0.95)
    told = terminal.promote(1, url="https://hooks.example/s3cr3t-path", GATEWRIGHT_ALERT_SECRET="n0t-a-secret!")
    assert (told.code, terminal.aliases()) == (2, {})
    assert "GATEWRIGHT_ALERT_SECRET is no base64" in told.err
    assert not [s for s in ("n0t-a-secret", "s3cr3t-path") if s in told.out + told.err]


def test_a_registry_that_does_not_answer_is_told_as_an_error(terminal: Terminal) -> None:
    """Nothing was decided, and somebody waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with receiver() as there:
        variables = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        words = ("promote", f"{terminal.model}/1", "--to", "production")
        told = gatewright(*words, uri=f"http://127.0.0.1:{port}", folder=terminal.folder, env=variables)
        assert told.code == 3
        assert kinds(there.deliveries) == ["error"]
        assert event(there.deliveries[0])["data"]["version"] == 1


def test_what_only_reads_or_rehearses_tells_nobody(terminal: Terminal) -> None:
    """An evaluation, a dry run, and a wrong command."""
    terminal.register(0.8)
    with receiver() as there:
        terminal.type("evaluate", f"{terminal.model}/1", "--to", "production", url=there.url)
        terminal.promote(1, "--dry-run", url=there.url)
        assert terminal.promote(1, to="nowhere", url=there.url).code == 2
        assert there.deliveries == []


# -- the Action --------------------------------------------------------------------------------------------------


class Repository:
    """A repository whose policy lets anna override, and the Action in it."""

    def __init__(self, github: GitHub, store: Store, model: str, folder: Path) -> None:
        self.world, self.model, self.client = github.world, model, store.client()
        self.workflow = Workflow(github, store.uri, folder)
        self.world.commit({"policies/policy.yaml": POLICY.format(model=model)})
        make_version(self.client, model, metrics={"accuracy": 0.8})

    def override(self, by: str = "anna", **inputs: str) -> Step:
        given = {"command": "promote", "version": "1", "target": "production", "override": "true"}
        return self.workflow.dispatched(by=by, **given, **inputs)

    def aliases(self) -> dict[str, int]:
        return {k: int(v) for k, v in self.client.get_registered_model(self.model).aliases.items()}


@pytest.fixture
def repository(mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Repository]:
    """One version, which the policy would refuse."""
    with GitHub() as github:
        yield Repository(github, mlflow_server, unique, tmp_path)
        assert github.violations == []


def test_a_policy_that_stops_the_gate_is_told_and_answered(repository: Repository) -> None:
    """Nothing was even begun with, so that nothing else would show it: not the thread, not the registry."""
    world = repository.world
    world.repository.permissions["anna"] = "write"
    world.commit({"policies/policy.yaml": "version: 1\nmodel: fraud\ntargets: {}\n"})
    thread = world.pull("anna")
    with receiver() as there:
        repository.workflow.variables = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        steps = [repository.workflow.dispatched(command="promote")]
        comments = [world.comment(thread.number, who, "/gate promote") for who in ("anna", "mallory")]
        steps += [repository.workflow.commented(thread, comment) for comment in comments]
        repository.workflow.opened(thread)
        told = list(there.deliveries)
    assert [(s.code, s.decision) for s in steps] == [(2, ("error", "policy_error"))] * 3, steps
    assert kinds(told) == ["error", "error"], "once for the click, once for anna; a stranger sets off no alert"
    assert event(told[0])["data"]["reason"] == "policy_error"
    assert [[r for _, r in c.reactions] for c in comments] == [["confused"], ["confused"]]
    answers = [c.body for c in thread.comments if c.author is world.bot]
    assert len(answers) == 2 and all("The policy cannot be used" in a for a in answers), answers
    assert f"about comment {comments[0].id}" in answers[0] and "policy.yaml:3" in answers[0]


def test_a_policy_that_cannot_be_read_is_told(repository: Repository) -> None:
    """GitHub is out, and somebody has to know that nothing moves."""
    limit = Says(403, '{"message": "API rate limit exceeded"}', {"Retry-After": "3600"})
    repository.workflow.github.fault(limit, "graphql")
    with receiver() as there:
        repository.workflow.variables = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        step = repository.workflow.dispatched(command="promote")
        (one,) = there.deliveries
    assert (step.code, step.decision) == (3, ("error", "rate_limited")), step
    assert (kinds([one]), event(one)["data"]["reason"]) == (["error"], "rate_limited")
    assert event(one)["source"] == repository.workflow.uri


def test_an_override_opens_one_issue_and_tells_the_webhook(repository: Repository) -> None:
    """Who, why and against what, for somebody to look into afterwards."""
    with receiver() as there:
        repository.workflow.variables = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        step = repository.override(reason="the feed is late")
        assert (step.code, step.decision) == (0, ("promoted", "overridden")), step
        assert kinds(there.deliveries) == ["overridden"]
        assert event(there.deliveries[0])["data"]["url"].endswith("/actions/runs/77")
        masked = {m for _, m in step.commands("add-mask")}
        assert {SECRET, there.url} <= masked
    (issue,) = repository.world.repository.threads.values()
    assert issue.title == f"Override: {repository.model}/1 was promoted to production"
    assert {"gatewright", "override"} <= set(issue.labels)
    assert all(word in issue.body for word in ("anna", "the feed is late", "run.accuracy"))
    again = repository.override(reason="the feed is late")
    assert again.outputs["decision"] == "noop"
    assert len(repository.world.repository.threads) == 1


def test_somebody_whom_the_policy_does_not_name_overrides_nothing(repository: Repository) -> None:
    """The registry stays, and no issue is opened."""
    step = repository.override(by="ben", reason="because")
    assert step.decision == ("refused", "not_authorized")
    assert (repository.aliases(), repository.world.repository.threads) == ({}, {})


def test_an_override_owes_a_reason_and_a_person(repository: Repository) -> None:
    """Silence is a wrong input; what a program sends, or a workflow fixes, is judged as if it had not been said."""
    assert repository.override().code == 2
    asked = {"command": "promote", "version": "1", "target": "production", "override": "true", "reason": "x"}
    for event, payload in (
        ("repository_dispatch", {"action": "promote", "client_payload": asked}),
        ("push", {"ref": "refs/heads/main", "inputs": asked}),
        ("workflow_dispatch", {"inputs": {**asked, "override": "false"}}),
    ):
        step = repository.workflow.event(event, payload, **asked)
        assert step.decision == ("refused", "checks_failed"), event
    assert (repository.aliases(), repository.world.repository.threads) == ({}, {})


def test_an_alert_that_fails_is_a_warning_in_the_action(repository: Repository) -> None:
    """The decision and the colour of the job stay."""
    with receiver(410) as there:
        repository.workflow.variables = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        step = repository.override(reason="the feed is late")
    assert (step.code, repository.aliases()) == (0, {"champion": 1})
    assert [m for p, m in step.commands("warning") if "Alert not delivered" in p and "it answers 410" in m]


@pytest.mark.parametrize("broken", ["the policy", "GitHub"])
def test_a_run_that_does_not_even_begin_is_told(broken: str, repository: Repository) -> None:
    """Neither a policy with errors nor a forge that does not answer leaves a night in which nobody hears anything."""
    if broken == "the policy":
        repository.world.commit({"policies/policy.yaml": "version: 1\nmodel: [\n"})
    with receiver() as there:
        given = {"GATEWRIGHT_ALERT_URL": there.url, "GATEWRIGHT_ALERT_SECRET": SECRET}
        repository.workflow.variables = given
        if broken == "GitHub":
            repository.workflow.variables = {**given, "GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_GRAPHQL_URL": ""}
        step = repository.workflow.event("schedule", {"schedule": "17 3 * * *"})
        assert step.code in (2, 3) and step.outputs["decision"] == "error", step
        assert kinds(there.deliveries) == ["error"]
    told = event(there.deliveries[0])["data"]
    assert (told["decision"], told["actor"]["via"]) == ("error", "github")
    assert ("policy.yaml" in told["sentence"]) == (broken == "the policy")
