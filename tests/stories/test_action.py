"""The Action from outside: an event in, everything that GitHub and the registry then show out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from real.github.server import GitHub
from real.github.world import Comment, Thread
from real.tracking import Store
from real.versions import make_version
from real.workflow import TOKEN, Step, Workflow, finished

POLICY = """\
version: 1
model: {model}
targets:
  staging:
    stage: Staging
    checks:
      - run.accuracy > {bound}
      - run.loss < 0.5
  production:
    after: staging
    alias: champion
    checks:
      - include: staging
      - run.accuracy >= champion
  clinic:
    alias: clinic
    checks:
      - run.accuracy > 90%
    approvals:
      - {{name: two leads, from: [ben, carla], count: 2}}
"""

GOOD, BETTER, BAD = {"accuracy": 0.93, "loss": 0.2}, {"accuracy": 0.96, "loss": 0.1}, {"accuracy": 0.81, "loss": 0.9}

pytestmark = pytest.mark.server


class Desk:
    """A repository with a policy on its default branch, a model in a registry, and the Action between them."""

    def __init__(self, github: GitHub, store: Store, model: str, folder: Path) -> None:
        self.github, self.store, self.model = github, store, model
        self.world, self.client = github.world, store.client()
        self.workflow = Workflow(github, store.uri, folder)
        self.commit("90%")

    def policy(self, bound: str) -> str:
        return POLICY.format(model=self.model, bound=bound)

    def commit(self, bound: str) -> None:
        """Puts a policy on the default branch."""
        self.world.commit({"policies/fraud.yaml": self.policy(bound)})

    def register(self, *metrics: dict[str, float], model: bool = False) -> None:
        """Registers a version for each. model: one that can be loaded."""
        for logged in metrics:
            make_version(self.client, self.model, metrics=logged, model=model)

    def pull(self, files: dict[str, str] | None = None, **fields: object) -> Thread:
        """Opens a pull request."""
        return self.world.pull("anna", files, **fields)

    def stages(self) -> dict[int, str]:
        """The registry as MLflow's own client sees it."""
        found = self.client.search_model_versions(f"name='{self.model}'")
        return {int(v.version): str(v.current_stage) for v in found}

    def aliases(self) -> dict[str, int]:
        """Where the aliases point."""
        return {k: int(v) for k, v in self.client.get_registered_model(self.model).aliases.items()}

    def own(self, thread: Thread) -> list[str]:
        """What we said in a thread."""
        return [c.body for c in thread.comments if c.author is self.world.bot]


@pytest.fixture
def desk(mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Desk]:
    """A desk with no versions yet; in the end, every request and answer was as GitHub describes them."""
    with GitHub() as github:
        yield Desk(github, mlflow_server, unique, tmp_path)
        assert github.violations == []


# -- a pull request ----------------------------------------------------------------------------------------------


def test_a_pull_request_gets_a_comment_and_a_check_and_moves_nothing(desk: Desk) -> None:
    """The newest version is judged for the first rung that it does not hold."""
    desk.register(GOOD)
    thread = desk.pull()
    step = desk.workflow.opened(thread)
    (comment,), (check,) = desk.own(thread), desk.world.repository.checks
    assert (step.code, step.decision) == (0, ("evaluated", "no_approvals_needed")), step
    assert f"{desk.model}/1 → staging" in comment and "It would pass" in comment
    assert (check.head_sha, check.conclusion, check.external_id) == (
        thread.head,
        "success",
        step.outputs["evidence-digest"],
    )
    assert desk.stages() == {1: "None"}


def test_a_second_push_changes_the_comment_instead_of_adding_one(desk: Desk) -> None:
    """One comment a thread, model and target, whatever happens; a version that got worse turns the check red."""
    desk.register(GOOD)
    thread = desk.pull()
    desk.workflow.opened(thread)
    desk.register(BAD)
    desk.world.push(thread.number, "anna", {"train.py": "fit(2)\n"})
    step = desk.workflow.opened(thread)
    (comment,) = desk.own(thread)
    assert (step.code, step.outputs["verdict"]) == (1, "fail")
    assert f"{desk.model}/2 → staging" in comment and "It would be refused" in comment
    assert [(c.head_sha, c.conclusion) for c in desk.world.repository.checks][-1] == (thread.head, "failure")


def test_a_failed_check_is_annotated_on_its_line_of_the_policy(desk: Desk) -> None:
    """File, line and reason, as a workflow command."""
    desk.register(BAD)
    step = desk.workflow.opened(desk.pull())
    (first, second) = step.commands("error")
    assert first[0] == "file=policies/fraud.yaml,line=7,title=run.accuracy > 90%25%3A failed"
    assert "line=8" in second[0]
    assert "is not above" in first[1]


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "pull_request_review", "workflow_run"])
def test_no_event_of_a_pull_request_can_move_anything(desk: Desk, event: str) -> None:
    """A workflow that asks for a promotion there gets an evaluation."""
    desk.register(GOOD)
    payload = desk.workflow.pull(desk.pull())
    step = desk.workflow.event(event, payload, command="promote", target="staging")
    assert (step.code, step.outputs["decision"]) == (0, "evaluated"), step
    assert step.outputs["reason"] == "unsafe_event"
    assert desk.stages() == {1: "None"}


def test_a_fork_can_move_nothing_and_its_author_is_told(desk: Desk) -> None:
    """Its token may only read: what cannot be posted is a warning, and stands in the summary."""
    desk.register(GOOD)
    desk.world.tokens[TOKEN].denied = ("POST",)
    thread = desk.pull(fork=True)
    step = desk.workflow.opened(thread, fork=True, command="promote")
    assert (step.code, step.decision) == (0, ("evaluated", "untrusted_context")), step
    assert "comes from a fork" in step.summary
    assert len(step.commands("warning")) >= 2 and desk.own(thread) == []
    assert desk.stages() == {1: "None"}


def test_a_fork_that_is_given_no_registry_is_no_failure(desk: Desk) -> None:
    """Its workflow has no secrets; the job stays green, and says how to go on."""
    step = desk.workflow.opened(desk.pull(fork=True), fork=True, tracking_uri="")
    assert (step.code, step.decision) == (0, ("noop", "untrusted_context")), step
    assert "/gate evaluate" in step.summary


def test_the_policy_is_read_from_the_default_branch_and_not_from_the_checkout(desk: Desk) -> None:
    """A pull request that lowers the threshold is judged by the threshold that stands."""
    desk.register(BAD)
    thread = desk.pull({"policies/fraud.yaml": desk.policy("50%")})
    step = desk.workflow.opened(thread)
    assert step.outputs["verdict"] == "fail"
    (comment,) = desk.own(thread)
    assert "This pull request edits the policy" in comment


def test_a_pull_request_that_edits_the_policy_is_told_which_verdicts_would_change(desk: Desk) -> None:
    """Before the merge, not after it."""
    desk.register({"accuracy": 0.81, "loss": 0.1})
    thread = desk.pull({"policies/fraud.yaml": desk.policy("50%")})
    desk.workflow.opened(thread)
    (comment,) = desk.own(thread)
    assert f"**staging**: the verdict on `{desk.model}/1` **fail** would become **pass**" in comment


def test_a_pull_request_whose_policy_has_errors_is_told_where(desk: Desk) -> None:
    """On the very line, while the policy of the default branch still decides."""
    desk.register(GOOD)
    thread = desk.pull({"policies/fraud.yaml": desk.policy("90%").replace("stage:", "stagee:", 1)})
    step = desk.workflow.opened(thread)
    assert step.outputs["verdict"] == "pass"
    assert any("file=policies/fraud.yaml,line=5" in told for told, _ in step.commands("error"))
    assert "unknown key" in desk.own(thread)[0]


def test_a_merge_queue_gets_its_check_and_no_comment(desk: Desk) -> None:
    """There is no thread to comment in."""
    desk.register(GOOD)
    thread = desk.pull()
    payload = {"action": "checks_requested", "merge_group": {"head_sha": thread.head}}
    step = desk.workflow.event("merge_group", payload, ref="refs/heads/gh-readonly-queue/main/pr-1")
    (check,) = desk.world.repository.checks
    assert (step.code, check.conclusion, step.outputs["comment-url"]) == (0, "success", ""), step
    assert desk.own(thread) == [] and step.commands("warning") == []


# -- moves -------------------------------------------------------------------------------------------------------


def test_a_dispatched_promotion_moves_the_version_and_is_in_githubs_history(desk: Desk) -> None:
    """Registry, deployment, outputs and summary tell the same."""
    desk.register(GOOD)
    step = desk.workflow.dispatched(command="promote", model=desk.model, version="1", target="staging")
    assert (step.code, step.decision) == (0, ("promoted", "no_approvals_needed")), step
    assert desk.stages() == {1: "Staging"}
    (deployment,) = desk.world.repository.deployments
    assert deployment.environment == f"{desk.model}/staging"
    assert [s["state"] for s in deployment.statuses] == ["success"]
    assert "```mermaid" in step.summary and "+ staging  v1" in step.summary


def test_a_dispatch_on_another_branch_moves_nothing(desk: Desk) -> None:
    """Whoever can push a branch can change its workflow."""
    desk.register(GOOD)
    step = desk.workflow.dispatched(command="promote", target="staging", ref="refs/heads/mine")
    assert step.decision == ("evaluated", "untrusted_context"), step
    assert desk.stages() == {1: "None"}


def test_a_push_to_the_default_branch_promotes_rung_by_rung(desk: Desk) -> None:
    """Each push takes the newest version one rung up, until people are to be asked."""
    desk.register(GOOD)
    payload = {"ref": "refs/heads/main"}
    ends = [desk.workflow.event("push", payload).outputs["decision"] for _ in range(3)]
    assert ends == ["promoted", "promoted", "pending"]
    assert (desk.stages(), desk.aliases()) == ({1: "Staging"}, {"champion": 1})


def test_a_push_does_not_take_a_version_out_of_the_stage_that_it_has_climbed_to(desk: Desk) -> None:
    """Staging and production are stages, and a version has one: at the top there is nothing left to do."""
    text = desk.policy("90%").replace("    alias: champion", "    stage: Production\n    alias: champion")
    desk.world.commit({"policies/fraud.yaml": text[: text.index("  clinic:")]})
    desk.register(GOOD)
    payload = {"ref": "refs/heads/main"}
    ends = [desk.workflow.event("push", payload).outputs["decision"] for _ in range(3)]
    assert ends == ["promoted", "promoted", "noop"]
    assert (desk.stages(), desk.aliases()) == ({1: "Production"}, {"champion": 1})


def test_a_dry_run_says_what_it_would_do_and_does_nothing(desk: Desk) -> None:
    """Neither in the registry nor in GitHub's history."""
    desk.register(GOOD)
    step = desk.workflow.event("push", {"ref": "refs/heads/main"}, dry_run="true")
    assert step.decision == ("evaluated", "dry_run")
    assert (desk.stages(), desk.world.repository.deployments) == ({1: "None"}, [])


def test_a_dispatch_from_elsewhere_starts_the_gate(desk: Desk) -> None:
    """As the relay for MLflow's webhooks sends it."""
    desk.register(GOOD)
    payload = {"action": "mlflow", "client_payload": {"command": "promote", "model": desk.model, "version": 1}}
    step = desk.workflow.event("repository_dispatch", payload)
    assert (step.outputs["decision"], desk.stages()) == ("promoted", {1: "Staging"})


# -- what is not asked, and what goes wrong ----------------------------------------------------------------------


def test_a_comment_that_is_no_command_ends_before_anything_is_asked(desk: Desk) -> None:
    """Neither GitHub nor MLflow hears of it."""
    thread = desk.pull()
    step = desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", "Nice work! Shall we merge it?"))
    assert (step.code, step.decision) == (0, ("noop", "no_command"))
    assert desk.github.requests == []


def test_a_registry_that_cannot_be_reached_says_nothing_about_the_model(desk: Desk) -> None:
    """Exit 3, a check that asks for action, and a comment that says so."""
    thread = desk.pull()
    step = desk.workflow.opened(thread, tracking_uri="http://127.0.0.1:9", target="staging", version="1")
    assert (step.code, step.decision) == (3, ("error", "undetermined"))
    (check,) = desk.world.repository.checks
    assert check.conclusion == "action_required"
    assert "says nothing about the model" in desk.own(thread)[0]


@pytest.mark.parametrize(("fail_on", "code"), [("verdict", 1), ("error", 0), ("never", 0)])
def test_fail_on_chooses_what_turns_the_job_red(desk: Desk, fail_on: str, code: int) -> None:
    """A refusal is red only where the workflow wants it to be."""
    desk.register(BAD)
    assert desk.workflow.opened(desk.pull(), fail_on=fail_on).code == code


def test_a_policy_with_errors_on_the_default_branch_stops_everything(desk: Desk) -> None:
    """It is never read as no policy, and its lines are annotated."""
    desk.world.commit({"policies/fraud.yaml": "version: 1\nmodel: fraud\ntargets: {}\n"})
    step = desk.workflow.opened(desk.pull())
    assert (step.code, step.decision) == (2, ("error", "policy_error"))
    assert any("file=policies/fraud.yaml,line=3" in told for told, _ in step.commands("error"))


def test_a_default_branch_without_a_policy_lets_nothing_by(desk: Desk) -> None:
    """No policy is not a policy that asks for nothing."""
    desk.register(GOOD)
    step = desk.workflow.dispatched(command="promote", policy="rules")
    named = desk.workflow.event("workflow_dispatch", {"inputs": {}}, command="promote", policy="rules")
    assert named.decision == ("error", "policy_error") and "has no policy there" in named.log
    assert step.outputs["decision"] == "promoted", "the folder is the workflow's to say, not the form's"


def test_what_a_registry_says_is_no_workflow_command_and_no_output(desk: Desk) -> None:
    """A metric's name may hold anything: it commands nobody and ends no output early."""
    name = f"{desk.model}\n::error::owned\n::set-output name=decision::promoted"
    desk.register({**GOOD, "accuracy": 0.5})
    step = desk.workflow.dispatched(command="evaluate", version=name)
    assert step.outputs["decision"] == "error"
    assert [m for _, m in step.commands("error") if m.startswith("owned")] == []
    assert step.commands("set-output") == []


def test_tokens_and_passwords_are_masked_before_anything_is_said(desk: Desk) -> None:
    """Those of the inputs, and what an address holds."""
    step = desk.workflow.opened(desk.pull(), tracking_uri="http://joe:sesame%21open@127.0.0.1:9", team_token="ght_x1")
    masked = {m for _, m in step.commands("add-mask")}
    assert {TOKEN, "ght_x1", "sesame%2521open", "sesame!open"} <= masked
    first = step.log.splitlines()
    assert all(line.startswith("::add-mask::") for line in first[: len(masked)])


def test_the_result_is_the_json_of_the_contract(desk: Desk) -> None:
    """Later steps read it with fromJSON."""
    desk.register(GOOD)
    step = desk.workflow.opened(desk.pull(), html_report="out/report.html")
    assert step.result["schema"] == 1 and step.result["model"] == desk.model
    assert json.loads(step.outputs["result"])["checks"][0]["policy_line"] == "policies/fraud.yaml:7"
    assert step.outputs["report-path"] == "out/report.html"
    assert step.outputs["comment-url"].startswith("https://")


# -- comments ----------------------------------------------------------------------------------------------------


def test_a_comment_promotes_for_whoever_may_write(desk: Desk) -> None:
    """The comment is acknowledged, the version moves, and the ledger knows who asked."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/1 to staging\n\nit is time")
    step = desk.workflow.commented(thread, comment)
    assert (step.code, step.decision) == (0, ("promoted", "no_approvals_needed")), step
    assert desk.stages() == {1: "Staging"}
    assert [r for _, r in comment.reactions] == ["eyes", "rocket"]
    (check,) = desk.world.repository.checks
    assert (check.head_sha, check.conclusion) == (thread.head, "success")


def test_a_comment_of_somebody_who_may_only_read_moves_nothing(desk: Desk) -> None:
    """Anybody may comment in a public repository; the answer says what is needed, and the job stays green."""
    desk.register(GOOD)
    desk.world.repository.permissions["mallory"] = "read"
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "mallory", f"/gate promote {desk.model}/1 to staging")
    step = desk.workflow.commented(thread, comment)
    assert (step.code, step.decision) == (0, ("noop", "not_authorized")), step
    assert desk.stages() == {1: "None"}
    assert "write access is needed" in desk.own(thread)[0]
    assert [r for _, r in comment.reactions] == ["eyes", "-1"]


def test_a_comment_is_read_again_and_not_taken_from_the_event(desk: Desk) -> None:
    """The payload may be old: what was edited since is not obeyed, what was deleted neither."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    first = desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/1 to staging")
    second = desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/1 to staging")
    desk.world.edit(first, "ben", f"/gate promote {desk.model}/1 to staging please")
    desk.world.delete(second)
    steps = [desk.workflow.commented(thread, comment) for comment in (first, second)]
    assert [s.decision for s in steps] == [("noop", "edited_comment"), ("noop", "no_command")]
    assert desk.stages() == {1: "None"}


def test_a_comment_about_another_model_is_left_to_its_own_workflow(desk: Desk) -> None:
    """Where each model has a workflow of its own, a comment starts all of them, and one of them acts."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "ben", "/gate promote churn/1 to staging")
    step = desk.workflow.commented(thread, comment, model=desk.model)
    assert (step.code, step.decision) == (0, ("noop", "no_command"))
    assert (desk.own(thread), desk.stages()) == ([], {1: "None"})


def test_a_command_that_names_what_there_is_not_is_answered_and_turns_no_job_red(desk: Desk) -> None:
    """Whoever mistypes a target gets a word in the thread, and nobody else a mail about a failed job."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/1 to stagging")
    step = desk.workflow.commented(thread, comment)
    assert (step.code, step.decision) == (0, ("noop", "policy_error")), step
    assert "no target" in desk.own(thread)[0] and "staging" in desk.own(thread)[0]
    assert [r for _, r in comment.reactions] == ["eyes", "confused"]


def test_help_is_answered(desk: Desk) -> None:
    """With every verb."""
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "mallory", "/gate help")
    step = desk.workflow.commented(thread, comment)
    assert step.code == 0 and "unapprove" in desk.own(thread)[0]
    assert [r for _, r in comment.reactions] == ["eyes", "+1"]


def test_a_comment_that_almost_is_a_command_gets_a_hint(desk: Desk) -> None:
    """Silence would be taken for consent."""
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "ben", "/gate aprove")
    step = desk.workflow.commented(thread, comment)
    assert (step.code, step.outputs["decision"]) == (0, "noop")
    assert "approve" in desk.own(thread)[0]
    assert [r for _, r in comment.reactions] == ["eyes", "confused"]


def test_two_people_approve_by_comment_and_the_version_moves(desk: Desk) -> None:
    """Registry, comment, check, deployment and ledger agree; whoever has no say is told so, and counts for nothing."""
    desk.register(GOOD)
    desk.world.repository.permissions["anna"] = "write"
    thread = desk.pull()

    def say(who: str, text: str) -> tuple[Comment, Step]:
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        comment = desk.world.comment(thread.number, who, text, at)
        return comment, desk.workflow.commented(thread, comment)

    _, asked = say("anna", f"/gate promote {desk.model}/1 to clinic")
    assert asked.decision == ("pending", "approvals_missing"), asked
    line = re.search(r"`(/gate approve [^`]+)`", desk.own(thread)[0])
    assert line is not None and line[1].endswith(f"digest {asked.outputs['evidence-digest'][:12]}")
    ends = {who: say(who, f"{line[1]}\n\nlooks right") for who in ("mallory", "anna", "ben")}
    assert {who: (step.code, step.decision) for who, (_, step) in ends.items()} == {
        "mallory": (0, ("noop", "not_authorized")),
        "anna": (0, ("pending", "self_approval")),
        "ben": (0, ("pending", "approvals_missing")),
    }
    reactions = {who: [r for _, r in comment.reactions] for who, (comment, _) in ends.items()}
    assert reactions == {"mallory": ["eyes", "-1"], "anna": ["eyes", "confused"], "ben": ["eyes", "+1"]}
    before = len(desk.github.requests)
    comment, last = say("carla", line[1])
    assert last.decision == ("promoted", "approvals_met"), last
    asked_of_github = desk.github.requests[before:]
    assert len(asked_of_github) <= 25, desk.github.seen()
    # Once for the command and for who has agreed, once more right before the move.
    assert sum("issueOrPullRequest" in str(r.body) for r in asked_of_github) == 2
    assert desk.aliases() == {"clinic": 1}
    assert [r for _, r in comment.reactions] == ["eyes", "rocket"]
    (shown, reply), check = desk.own(thread), desk.world.repository.checks[-1]
    assert "v1 is now clinic" in shown and re.search(r"\*\*ben\*\* \(.*\*\*carla\*\* \(", shown) and "mallory" in shown
    assert "mallory has no say in this" in reply
    assert (check.head_sha, check.conclusion) == (thread.head, "success")
    assert [d.environment for d in desk.world.repository.deployments] == [f"{desk.model}/clinic"]
    rows = MlflowLedger(connect(desk.store.uri, None)).rows(desk.model)
    assert [(r.kind, r.by) for r in rows[1:]] == [
        ("requested", "anna"),
        ("approved", "ben"),
        ("approved", "carla"),
        ("intended", "carla"),
        ("promoted", "carla"),
    ]


def test_an_approval_where_nobody_is_asked_moves_nothing(desk: Desk) -> None:
    """A word of agreement starts no promotion that the policy leaves to whoever asks for it."""
    desk.register(GOOD)
    thread = desk.pull()
    step = desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", "/gate approve"))
    assert step.decision == ("noop", "no_approvals_needed")
    assert desk.stages() == {1: "None"}


def test_a_request_without_a_thread_opens_an_issue(desk: Desk) -> None:
    """Asked for by hand, it needs a place where people can agree; asking again opens no second one."""
    desk.register(GOOD)
    ends = [desk.workflow.dispatched(command="promote", version="1", target="clinic") for _ in range(2)]
    (issue,) = desk.world.repository.threads.values()
    assert [e.decision for e in ends] == [("pending", "approvals_missing")] * 2
    assert issue.title == f"Promote {desk.model}/1 to clinic" and "two leads" in issue.body
    desk.workflow.dispatched(command="evaluate", version="1", target="clinic")
    assert issue.state == "open" and "approvals" in issue.body
    assert ends[0].outputs["comment-url"].endswith(f"/issues/{issue.number}")


def test_a_rollback_by_hand_brings_the_last_good_version_back(desk: Desk) -> None:
    """And is a deployment of its own in GitHub's history."""
    desk.register(GOOD, BETTER, model=True)
    for version in ("1", "2"):
        desk.workflow.dispatched(command="promote", version=version, target="staging")
        desk.workflow.dispatched(command="promote", version=version, target="production")
    step = desk.workflow.dispatched(command="rollback", target="production", reason="it is wrong about Tuesdays")
    assert step.outputs["decision"] == "rolled_back", step
    assert (step.outputs["version"], desk.aliases()) == ("1", {"champion": 1})
    assert desk.world.repository.deployments[-1].task == "rollback-model"


def test_a_rollback_without_a_reason_is_no_rollback(desk: Desk) -> None:
    """The ledger would have nothing to say to whoever asks in a year."""
    step = desk.workflow.dispatched(command="rollback", target="production")
    assert (step.code, step.outputs["decision"]) == (2, "error")
    assert "owes a reason" in step.log


# -- resilience --------------------------------------------------------------------------------------------------


def test_a_run_for_a_comment_asks_github_no_more_than_25_times(desk: Desk) -> None:
    """GITHUB_TOKEN has a thousand requests an hour for the whole repository."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    comment = desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/1 to staging")
    assert desk.workflow.commented(thread, comment).outputs["decision"] == "promoted"
    assert len(desk.github.requests) <= 25, desk.github.seen()


def test_everything_that_a_run_shows_is_there(desk: Desk) -> None:
    """One comment, check run, deployment, summary with its pictures, remarks on the policy's lines, outputs, thumbs."""
    desk.register(GOOD, BETTER, BAD)
    desk.workflow.dispatched(command="promote", version="1", target="staging")
    thread = desk.pull()
    desk.world.repository.permissions["ben"] = "write"
    moved, failed = (
        desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", f"/gate promote {desk.model}/{words}"))
        for words in ("2 to staging", "3 to staging")
    )
    (comment,) = desk.own(thread)
    assert "> [!CAUTION]" in comment and "| ❌ | **run.accuracy**" in comment
    thumbs = [{sign for _, sign in c.reactions} for c in thread.comments if c.author is not desk.world.bot]
    assert thumbs == [{"eyes", "rocket"}, {"eyes", "-1"}]
    assert moved.outputs["comment-url"] == failed.outputs["comment-url"] != ""
    for drawn in ("flowchart LR", "timeline", "promoted to staging by ben", "xychart-beta", "```diff"):
        assert drawn in moved.summary, drawn
    assert "timeline" in failed.summary and "refused to staging by ben" in failed.summary
    check = desk.world.repository.checks[-1]
    assert (check.head_sha, check.status, check.conclusion) == (thread.head, "completed", "failure")
    assert check.external_id == failed.outputs["evidence-digest"] != moved.outputs["evidence-digest"]
    assert [(a["path"], a["start_line"]) for a in check.annotations] == [("policies/fraud.yaml", n) for n in (7, 8)]
    assert [place.split(",")[1] for place, _ in failed.commands("error")] == ["line=7", "line=8"]
    made = [(d.environment, [s["state"] for s in d.statuses]) for d in desk.world.repository.deployments]
    assert made == [(f"{desk.model}/staging", ["success"])] * 2


def test_what_could_not_be_shown_is_shown_by_the_next_run_and_nothing_is_moved_twice(desk: Desk) -> None:
    """The registry has moved: a comment that GitHub refuses takes nothing back, and repeats nothing."""
    desk.register(GOOD)
    desk.world.repository.permissions["ben"] = "write"
    thread = desk.pull()
    words = f"/gate promote {desk.model}/1 to staging"
    desk.world.tokens[TOKEN].denied = ("POST /repos/{owner}/{repo}/issues/{issue_number}/comments",)
    first = desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", words))
    assert (first.code, first.outputs["decision"], desk.own(thread)) == (0, "promoted", [])
    assert any("permission" in message or "write" in message for _, message in first.commands("warning"))
    desk.world.tokens[TOKEN].denied = ()
    second = desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", words))
    assert second.decision == ("noop", "already_promoted")
    assert len(desk.own(thread)) == 1
    assert len(desk.world.repository.deployments) == 1


def test_two_runners_promote_once(desk: Desk) -> None:
    """Whoever comes second finds it done, or under way, and says so."""
    desk.register(GOOD)
    payload = {"inputs": {"command": "promote", "version": "1", "target": "staging"}}
    started = [desk.workflow.start("workflow_dispatch", payload) for _ in range(2)]
    ends = sorted(finished(one).outputs["decision"] for one in started)
    assert ends.count("promoted") == 1
    assert len(desk.world.repository.deployments) == 1
    assert desk.stages() == {1: "Staging"}


def test_a_doubled_comment_becomes_one_again(desk: Desk) -> None:
    """And one that was deleted comes back."""
    desk.register(GOOD)
    thread = desk.pull()
    desk.workflow.opened(thread)
    (own,) = thread.comments
    desk.world.comment(thread.number, desk.world.bot.login, own.body)
    desk.workflow.opened(thread)
    assert len(desk.own(thread)) == 1
    thread.comments.clear()
    desk.workflow.opened(thread)
    assert len(desk.own(thread)) == 1


def test_the_policy_of_another_ref_is_trusted_if_the_workflow_says_so(desk: Desk) -> None:
    """`policy-ref` names a branch, a tag or a commit."""
    desk.register(BAD)
    commit = desk.world.commit({"policies/fraud.yaml": desk.policy("50%").replace("< 0.5", "< 1")}, "refs/heads/lax")
    ends = [desk.workflow.opened(desk.pull(), policy_ref=ref).outputs["verdict"] for ref in ("lax", commit, "")]
    assert ends == ["pass", "pass", "fail"]


def test_a_server_without_graphql_is_asked_over_rest(desk: Desk) -> None:
    """As some GitHub Enterprise Servers are."""
    desk.register(GOOD)
    desk.github.graphql = False
    thread = desk.pull()
    assert desk.workflow.opened(thread).outputs["verdict"] == "pass"
    assert len(desk.own(thread)) == 1


def test_heavy_packages_are_never_imported_for_a_comment(desk: Desk) -> None:
    """A comment that is no command costs what Python costs; one that is close to one a little more."""
    script = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('gatewright', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "loaded = {'mlflow', 'pandas', 'requests', 'rich', 'yaml', 'gatewright.cli'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    desk.workflow.program = (sys.executable, "-c", script)
    thread = desk.pull()
    for body in ("Nice work!", "Très bien 👍", "Shall we `/gate approve` it?", "/shrug"):
        step = desk.workflow.commented(thread, desk.world.comment(thread.number, "ben", body))
        assert (step.code, step.outputs["decision"]) == (0, "noop"), step
    assert desk.github.requests == []


def test_the_issue_of_a_request_is_closed_with_its_outcome(desk: Desk) -> None:
    """Here because the policy asks nobody any more; it then says what became of the request."""
    desk.register(GOOD)
    desk.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = desk.world.repository.threads.values()
    assert issue.state == "open"
    desk.world.commit({"policies/fraud.yaml": desk.policy("90%").partition("    approvals:")[0]})
    step = desk.workflow.dispatched(command="promote", version="1", target="clinic")
    assert step.outputs["decision"] == "promoted", step
    assert (issue.state, issue.reason) == ("closed", "completed")
    assert "is now clinic" in issue.body


def test_an_approval_in_the_issue_of_a_request_is_about_that_request(desk: Desk) -> None:
    """Nobody has to spell out the version; the issue itself shows how it stands."""
    desk.register(GOOD, GOOD)
    desk.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = desk.world.repository.threads.values()
    step = desk.workflow.commented(issue, desk.world.comment(issue.number, "ben", "/gate approve"))
    assert (step.outputs["version"], step.outputs["decision"]) == ("1", "pending"), step
    assert desk.own(issue) == []
    assert "two leads" in issue.body


def test_an_approval_that_is_edited_is_looked_at_again_and_moves_nothing(desk: Desk) -> None:
    """The request stays open, and its issue with it."""
    desk.register(GOOD)
    desk.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = desk.world.repository.threads.values()
    comment = desk.world.comment(issue.number, "ben", "/gate approve")
    desk.world.edit(comment, "ben", "/gate approve, I think")
    step = desk.workflow.commented(issue, comment, "edited")
    assert (step.code, step.outputs["decision"], step.outputs["version"]) == (0, "evaluated", "1"), step
    assert (issue.state, desk.stages()) == ("open", {1: "None"})


def test_a_promotion_shows_what_its_predecessors_were_worth(desk: Desk) -> None:
    """One line for the values, one for the limits of the day, out of the ledger."""
    desk.register(GOOD, BETTER)
    first, second = (desk.workflow.dispatched(command="promote", version=v, target="staging") for v in ("1", "2"))
    assert "xychart-beta" not in first.summary
    assert "x-axis [v1, v2]" in second.summary
    assert "line [0.93, 0.96]" in second.summary and "line [0.9, 0.9]" in second.summary


def test_a_pull_request_cannot_choose_what_is_measured(desk: Desk) -> None:
    """Its policy is judged on what the trusted policy reads: another holdout is opened after the merge, not before."""
    desk.register(GOOD)
    other = "holdout: {data: /etc/passwd, target: x, task: binary}\ntargets:"
    text = desk.policy("90%").replace("targets:", other).replace("run.loss < 0.5", "holdout.rows > 1")
    thread = desk.pull({"policies/fraud.yaml": text})
    desk.workflow.opened(thread)
    assert "measures something else, so its verdict is known after the merge" in desk.own(thread)[0]
