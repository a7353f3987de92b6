"""Approvals from outside: people comment on GitHub, the Action runs, and a version moves or does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, gatewright
from real.github.server import Does, GitHub, Says
from real.github.world import Comment, Thread
from real.tracking import Store
from real.workflow import TOKEN, Step, finished
from stories.test_action import BETTER, GOOD, Desk

POLICY = """\
version: 1
model: {model}
targets:
  clinic:
    stage: Production
    alias: clinic
    checks: [run.accuracy > {bound}]
    approvals:
      - {{name: two leads, from: [ben, carla{pin}{team}], count: 2}}
    rollback: {{approvals: [{{name: one lead, from: [ben, carla]}}]}}
    override: {override}
"""

TEAM_TOKEN = "ghs_teams0000000000000"
NOBODY_MOVED = {1: "None"}

pytestmark = pytest.mark.server


class Ward(Desk):
    """A desk whose one target needs two leads, and a pull request of anna's."""

    def __init__(self, github: GitHub, store: Store, model: str, folder: Path) -> None:
        super().__init__(github, store, model, folder)
        self.world.token(TEAM_TOKEN, self.world.bot, reads_teams=True)
        self.world.repository.permissions["anna"] = "write"
        self.rule()
        self.register(GOOD)

    def rule(self, bound: str = "90%", pin: str = "", team: str = "", override: str = "{from: [octo]}") -> None:
        """Puts the policy on the default branch. pin: carla's account. team: who else may approve."""
        more = f', "{team}"' if team else ""
        text = POLICY.format(model=self.model, bound=bound, pin=pin, team=more, override=override)
        self.world.commit({"policies/fraud.yaml": text})

    def write(self, thread: Thread, who: str, text: str, ago: timedelta = timedelta()) -> Comment:
        """Somebody comments, now or some time ago."""
        at = datetime.now(timezone.utc) - ago
        return self.world.comment(thread.number, who, text, at.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def says(self, thread: Thread, who: str, text: str, **inputs: str) -> Step:
        """Somebody comments, and the comment starts a run."""
        return self.workflow.commented(thread, self.write(thread, who, text), **inputs)

    def asked(self, thread: Thread) -> str:
        """Anna asks for version 1; the line to copy comes back."""
        step = self.says(thread, "anna", f"/gate promote {self.model}/1 to clinic")
        assert step.decision == ("pending", "approvals_missing"), step
        return f"/gate approve {self.model}/1 to clinic digest {step.outputs['evidence-digest'][:12]}"

    def told(self, step: Step) -> dict[str, str]:
        """Whose word does not count, and the reason code."""
        return {n["login"]: n["because"] for n in step.result["approvals"]["not_counted"]}

    def kinds(self) -> list[str]:
        """What the ledger holds, in order."""
        return [row.kind for row in MlflowLedger(connect(self.store.uri, None)).rows(self.model)]


@pytest.fixture
def ward(mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Ward]:
    """A ward with one good version; in the end, every request and answer was as GitHub describes them."""
    with GitHub() as github:
        yield Ward(github, mlflow_server, unique, tmp_path)
        assert github.violations == []


# -- from a pull request to the move -----------------------------------------------------------------------------


def test_a_pull_request_is_judged_and_approved_and_the_version_moves(ward: Ward) -> None:
    """Nobody has to ask in words: the pull request asks in its author's name, who therefore does not approve."""
    thread = ward.pull()
    opened = ward.workflow.opened(thread)
    assert opened.outputs["decision"] == "evaluated", opened
    line = f"/gate approve {ward.model}/1 to clinic digest {opened.outputs['evidence-digest'][:12]}"
    first, own = ward.says(thread, "ben", line), ward.says(thread, "anna", line)
    assert (first.decision, own.decision) == (("pending", "approvals_missing"), ("pending", "self_approval"))
    assert [c["login"] for c in first.result["approvals"]["counted"]] == ["ben"]
    last = ward.says(thread, "carla", line)
    assert last.decision == ("promoted", "approvals_met"), last
    assert (ward.stages(), ward.aliases()) == ({1: "Production"}, {"clinic": 1})
    (comment,), checks = ward.own(thread), ward.world.repository.checks
    assert "v1 is now clinic" in comment and "anna" in comment
    assert (checks[-1].head_sha, checks[-1].conclusion) == (thread.head, "success")
    assert checks[-1].external_id == last.outputs["evidence-digest"]
    assert [d.environment for d in ward.world.repository.deployments] == [f"{ward.model}/clinic"]
    assert ward.kinds() == ["opened", "approved", "requested", "approved", "intended", "promoted"]


def test_every_approval_that_does_not_count_is_explained_where_people_look(ward: Ward) -> None:
    """Edited, quoted, stale, an outsider's, the author's, a bot's, for another version: each with its reason."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.write(thread, "mallory", line)
    ward.write(thread, "anna", line)
    ward.world.edit(ward.write(thread, "ben", "nice!"), "ben", line)
    ward.write(thread, "dan", f"> {line}")
    ward.write(thread, "carla", f"/gate approve {ward.model}/1 to clinic digest 0123456789ab")
    ward.world.account("robo[bot]", 77, "Bot")
    ward.write(thread, "robo[bot]", line)
    ward.write(thread, "eve", f"/gate approve {ward.model}/7")
    step = ward.says(thread, "anna", f"/gate evaluate {ward.model}/1 to clinic")
    assert ward.told(step) == {
        "mallory": "not_authorized",
        "anna": "self_approval",
        "ben": "edited_comment",
        "carla": "stale_digest",
        "robo[bot]": "bot_comment",
        "eve": "wrong_version",
    }
    (comment,) = ward.own(thread)
    for said in (
        *("the policy names ben, carla", "one who asked for it", "it was edited by ben", "is no person"),
        *("it is for the evidence 0123456789ab", "this is"),
    ):
        assert said in comment, said
    assert "dan" not in comment
    assert ward.stages() == NOBODY_MOVED


def test_an_app_that_writes_in_a_persons_name_decides_nothing(ward: Ward) -> None:
    """Neither its approval nor its command is the person's."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.write(thread, "ben", line).app = "helper"
    step = ward.says(thread, "carla", line)
    assert (step.decision, ward.told(step)) == (("pending", "approvals_missing"), {"ben": "bot_comment"}), step
    assert "it was written by the app helper in ben's name" in ward.own(thread)[0]
    asked = ward.write(thread, "anna", f"/gate promote {ward.model}/1 to clinic")
    asked.app = "helper"
    assert ward.workflow.commented(thread, asked).decision == ("noop", "bot_comment")


def test_a_stricter_policy_makes_what_was_approved_stale(ward: Ward) -> None:
    """No verdict and no approval outlives the rules it was given under."""
    thread = ward.pull()
    line = ward.asked(thread)
    assert ward.says(thread, "ben", line).decision == ("pending", "approvals_missing")
    ward.rule(bound="92%")
    step = ward.says(thread, "carla", line)
    assert step.decision == ("pending", "stale_digest"), step
    assert ward.told(step) == {"ben": "stale_digest", "carla": "stale_digest"}
    assert ward.stages() == NOBODY_MOVED


def test_a_push_that_changes_no_evidence_voids_no_approval(ward: Ward) -> None:
    """Approvals are for the evidence and not for the commit; one whose own run was cancelled counts in the next."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.write(thread, "ben", line)
    ward.world.push(thread.number, "anna", {"README.md": "a typo less\n"})
    pushed = ward.workflow.opened(thread)
    assert [c["login"] for c in pushed.result["approvals"]["counted"]] == ["ben"]
    assert ward.says(thread, "carla", line).decision == ("promoted", "approvals_met")


def test_an_approval_grows_old(ward: Ward) -> None:
    """Seven days unless the policy says otherwise; the same people are asked again."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.write(thread, "ben", line, ago=timedelta(days=8))
    step = ward.says(thread, "carla", line)
    assert step.decision == ("pending", "expired"), step
    assert "it is 8.0 days old and holds for 7" in ward.own(thread)[0]
    assert ward.says(thread, "ben", line).decision == ("promoted", "approvals_met")


def test_a_hidden_approval_counts_and_is_marked(ward: Ward) -> None:
    """Hiding is not taking back."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.write(thread, "ben", line).minimized = True
    step = ward.says(thread, "carla", line)
    assert step.decision == ("promoted", "approvals_met"), step
    assert "hidden" in ward.own(thread)[0]


def test_a_login_that_was_registered_again_is_somebody_else(ward: Ward) -> None:
    """The policy pins the account; whoever has its name now is told which account is meant."""
    ward.rule(pin="#4711")
    thread = ward.pull()
    line = ward.asked(thread)
    assert ward.world.account("carla").id != 4711
    ward.says(thread, "ben", line)
    ward.world.repository.permissions["carla"] = "write"
    step = ward.says(thread, "carla", line)
    assert step.decision == ("pending", "not_authorized"), step
    (carla,) = step.result["approvals"]["not_counted"]
    assert "the policy means carla#4711" in carla["detail"]
    assert ward.stages() == NOBODY_MOVED


def test_an_approval_that_is_deleted_is_taken_back(ward: Ward) -> None:
    """Although the ledger holds it: an approval is live, to the last moment."""
    thread = ward.pull()
    line = ward.asked(thread)
    comment = ward.write(thread, "ben", line)
    assert ward.workflow.commented(thread, comment).decision == ("pending", "approvals_missing")
    ward.world.delete(comment)
    step = ward.says(thread, "carla", line)
    assert step.decision == ("pending", "approvals_missing"), step
    assert ward.told(step) == {"ben": "edited_comment"}


def test_two_approvals_in_the_same_second_from_two_runners_are_one_promotion(ward: Ward) -> None:
    """Both runs see both approvals; one moves the version, the other finds it moved, or being moved."""
    thread = ward.pull()
    line = ward.asked(thread)
    comments = [ward.write(thread, who, line) for who in ("ben", "carla")]
    comments[1].created = comments[1].updated = comments[0].created
    runs = [ward.workflow.start_commented(thread, comment) for comment in comments]
    ends = [finished(run) for run in runs]
    assert sorted(e.outputs["decision"] == "promoted" for e in ends) == [False, True], ends
    (other,) = (e for e in ends if e.outputs["decision"] != "promoted")
    assert other.outputs["reason"] in {"already_promoted", "lock_held"}, other
    assert (ward.stages(), ward.aliases()) == ({1: "Production"}, {"clinic": 1})
    kinds = ward.kinds()
    assert (kinds.count("promoted"), kinds.count("approved"), kinds[-1]) == (1, 2, "promoted")
    assert len(ward.world.repository.deployments) == 1


def test_nobody_fills_two_places_and_people_are_moved_to_where_they_are_needed(ward: Ward) -> None:
    """Ben is in both rules and came first: he makes room for carla, who is in one."""
    rules = "{name: leads, from: [ben, carla]}, {name: risk, from: [ben, dora]}"
    text = POLICY.format(model=ward.model, bound="90%", pin="", team="", override="{from: [octo]}")
    one = "      - {name: two leads, from: [ben, carla], count: 2}\n"
    assert one in text
    ward.world.commit({"policies/fraud.yaml": text.replace("approvals:\n" + one, f"approvals: [{rules}]\n")})
    thread = ward.pull()
    line = ward.asked(thread)
    ward.says(thread, "anna", "/gate hold")
    first = ward.says(thread, "ben", line)
    assert [(r["name"], r["have"]) for r in first.result["approvals"]["rules"]] == [("leads", 1), ("risk", 0)]
    second = ward.says(thread, "carla", line)
    assert {c["login"]: c["rule"] for c in second.result["approvals"]["counted"]} == {"ben": "risk", "carla": "leads"}
    assert ward.says(thread, "anna", "/gate unhold").decision == ("promoted", "approvals_met")


def test_a_server_without_graphql_counts_the_same(ward: Ward) -> None:
    """Read over REST, where a comment that was touched counts as edited."""
    ward.github.graphql = False
    thread = ward.pull()
    line = ward.asked(thread)
    ward.world.edit(ward.write(thread, "ben", "nice!"), "ben", line)
    step = ward.says(thread, "carla", line)
    assert (step.decision, ward.told(step)) == (("pending", "approvals_missing"), {"ben": "edited_comment"})
    assert ward.says(thread, "ben", line).decision == ("promoted", "approvals_met")


def test_a_pull_request_of_a_fork_is_approved_by_the_policy_of_the_default_branch(ward: Ward) -> None:
    """Its own policy asks nobody; it is told what would change, and whoever may write moves what may be moved."""
    text = POLICY.format(model=ward.model, bound="1%", pin="", team="", override="{from: [mallory]}")
    lax = text.replace("count: 2", "count: 1")
    thread = ward.world.pull("mallory", {"policies/fraud.yaml": lax}, fork=True)
    opened = ward.workflow.opened(thread, fork=True, command="promote")
    assert opened.decision == ("evaluated", "untrusted_context"), opened
    (comment,) = ward.own(thread)
    assert "This pull request edits the policy" in comment
    assert "would ask for the approval of `any 1 of ben, carla`" in comment
    line = f"/gate approve {ward.model}/1 to clinic digest {opened.outputs['evidence-digest'][:12]}"
    assert ward.says(thread, "mallory", line).decision == ("noop", "not_authorized")
    assert ward.says(thread, "ben", line).decision == ("pending", "approvals_missing")
    assert ward.says(thread, "carla", line).decision == ("promoted", "approvals_met")


def test_a_limit_that_outlasts_the_run_decides_nothing(ward: Ward) -> None:
    """It comes right before the move: the lock is given back, the registry is as it was, and any later run goes on."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.says(thread, "ben", line)
    comment = ward.write(thread, "carla", line)
    limit = Says(403, '{"message": "API rate limit exceeded"}', {"Retry-After": "3600"})
    ward.github.fault(Does(lambda: ward.github.fault(limit, "graphql", times=1)), "reactions")
    step = ward.workflow.commented(thread, comment)
    assert (step.code, step.decision) == (3, ("error", "rate_limited")), step
    assert ward.stages() == NOBODY_MOVED
    assert ward.kinds() == ["opened", "requested", "approved", "approved", "intended", "aborted"]
    again = ward.says(thread, "anna", f"/gate promote {ward.model}/1 to clinic")
    assert again.decision == ("promoted", "approvals_met"), again


# -- objections --------------------------------------------------------------------------------------------------


def test_a_veto_outlives_its_comment_and_ends_with_its_author(ward: Ward) -> None:
    """Deleting it lifts nothing; nobody else lifts it; whoever said it does."""
    thread = ward.pull()
    line = ward.asked(thread)
    veto = ward.write(thread, "ben", "/gate reject the labels leak")
    assert ward.workflow.commented(thread, veto).decision == ("refused", "vetoed")
    ward.world.delete(veto)
    assert ward.says(thread, "carla", line).decision == ("refused", "vetoed")
    assert ward.says(thread, "carla", "/gate unreject").decision == ("refused", "vetoed")
    assert "the labels leak" in ward.own(thread)[0]
    ward.says(thread, "ben", "/gate unreject")
    step = ward.says(thread, "ben", line)
    assert step.decision == ("promoted", "approvals_met"), step


def test_a_reason_is_only_ever_shown(ward: Ward) -> None:
    """Whatever it holds: it calls nobody, draws nothing, commands no runner, ends no output, and is kept as written."""
    thread = ward.pull()
    ward.asked(thread)
    reason = "$(curl evil) `x` @acme/everyone <img src=x>\n::set-output name=decision::promoted\n<!-- gatewright -->"
    step = ward.says(thread, "ben", f"/gate reject {reason}")
    assert step.decision == ("refused", "vetoed"), step
    assert step.commands("set-output") == []
    (comment,) = ward.own(thread)
    assert "curl evil" in comment
    for live in ("@acme/everyone", "<img", "`x`"):
        assert live not in comment, live
    assert comment.count("<!--") == 1
    ledger = MlflowLedger(connect(ward.store.uri, None))
    (vetoed,) = (e for e in ledger.entries(ward.model, ledger.rows(ward.model)) if e and e.kind == "vetoed")
    assert vetoed.text == reason


def test_a_hold_waits_for_whoever_held(ward: Ward) -> None:
    """A full quorum waits, its approvals are kept, and the pull request's author may hold their own."""
    thread = ward.pull()
    line = ward.asked(thread)
    assert ward.says(thread, "anna", "/gate hold until Monday").decision == ("pending", "held")
    assert [ward.says(thread, who, line).decision for who in ("ben", "carla")] == [("pending", "held")] * 2
    assert ward.says(thread, "ben", "/gate unhold").decision == ("pending", "held")
    step = ward.says(thread, "anna", "/gate unhold")
    assert step.decision == ("promoted", "approvals_met"), step


def test_a_thread_that_is_closed_decides_nothing(ward: Ward) -> None:
    """The answer says where to go."""
    thread = ward.pull()
    line = ward.asked(thread)
    ward.says(thread, "ben", line)
    thread.state = "closed"
    step = ward.says(thread, "carla", line)
    assert (step.code, step.decision) == (0, ("noop", "not_authorized")), step
    assert any("This thread is closed" in body for body in ward.own(thread))
    assert ward.stages() == NOBODY_MOVED


# -- who has a say -----------------------------------------------------------------------------------------------


def test_an_outsider_opens_nothing_and_costs_little(ward: Ward) -> None:
    """No request, no entry, no measurement; one reply however often they ask, and a handful of calls."""
    thread = ward.pull()
    for verb in ("approve", "reject", "hold", "unhold", "promote", "evaluate", "rollback"):
        before = len(ward.github.requests)
        comment = ward.write(thread, "mallory", f"/gate {verb} {ward.model}/1 to clinic")
        step = ward.workflow.commented(thread, comment)
        assert (step.code, step.decision) == (0, ("noop", "not_authorized")), step
        assert len(ward.github.requests) - before <= 10, ward.github.seen()[before:]
        assert [r for _, r in comment.reactions] == ["eyes", "-1"]
    (reply,) = ward.own(thread)
    assert "mallory has no say in this" in reply
    assert (ward.kinds(), ward.stages(), ward.world.repository.checks) == ([], NOBODY_MOVED, [])


def test_an_outsiders_edits_and_deletions_start_no_run(ward: Ward) -> None:
    """Their word never counted, so nothing depends on it."""
    thread = ward.pull()
    comment = ward.write(thread, "mallory", "/gate approve")
    ward.world.edit(comment, "mallory", "/gate approve!")
    edited = ward.workflow.commented(thread, comment, "edited")
    ward.world.delete(comment)
    deleted = ward.workflow.commented(thread, comment, "deleted")
    assert [s.decision for s in (edited, deleted)] == [("noop", "no_command")] * 2
    assert (ward.own(thread), ward.world.repository.checks) == ([], [])


def test_a_member_of_a_team_has_a_say_without_write_access(ward: Ward) -> None:
    """The team is asked with its own token; an invitation that is not accepted is no membership."""
    ward.world.team("acme/leads", dora="active", eve="pending")
    ward.rule(team="@acme/leads")
    thread = ward.pull()
    line = ward.asked(thread)
    pending = ward.says(thread, "eve", line, team_token=TEAM_TOKEN)
    assert pending.decision == ("noop", "not_authorized"), pending
    member = ward.says(thread, "dora", line, team_token=TEAM_TOKEN)
    assert member.decision == ("pending", "approvals_missing"), member
    before = len(ward.github.requests)
    last = ward.says(thread, "ben", line, team_token=TEAM_TOKEN)
    assert last.decision == ("promoted", "approvals_met"), last
    assert len(ward.github.requests) - before <= 25


def test_a_team_that_cannot_be_read_opens_nothing_and_says_how_to_repair_it(ward: Ward) -> None:
    """Not knowing is not a no: the job is red, for whoever keeps the workflow."""
    ward.world.team("acme/leads", dora="active")
    ward.rule(team="@acme/leads")
    thread = ward.pull()
    step = ward.says(thread, "dora", "/gate approve")
    assert (step.code, step.decision) == (3, ("error", "team_unreadable")), step
    assert "team-token" in ward.own(thread)[0]
    assert ward.kinds() == []


def test_whoever_left_the_team_still_ends_their_own_veto(ward: Ward) -> None:
    """What is theirs stays theirs; a new word of theirs no longer has weight."""
    ward.world.team("acme/leads", dora="active")
    ward.rule(team="@acme/leads")
    thread = ward.pull()
    ward.asked(thread)
    veto = ward.says(thread, "dora", "/gate reject", team_token=TEAM_TOKEN)
    assert veto.decision == ("refused", "vetoed"), veto
    ward.world.team("acme/leads")
    assert ward.says(thread, "carla", "/gate unreject", team_token=TEAM_TOKEN).decision == ("refused", "vetoed")
    step = ward.says(thread, "dora", "/gate unreject", team_token=TEAM_TOKEN)
    assert step.decision == ("pending", "approvals_missing"), step


def test_a_permission_that_cannot_be_read_opens_nothing(ward: Ward) -> None:
    """What somebody may do is asked before anything begins, and an outage is no permission."""
    thread = ward.pull()
    ward.world.tokens[TOKEN].denied = ("GET /repos/{owner}/{repo}/collaborators/{username}/permission",)
    step = ward.says(thread, "mallory", "/gate approve")
    assert (step.code, step.outputs["decision"], step.outputs["reason"]) == (3, "error", "undetermined"), step
    assert ward.kinds() == []


# -- requests without a pull request -----------------------------------------------------------------------------

WAYS = {
    "workflow_dispatch": "inputs",
    "repository_dispatch": "client_payload",
    "schedule": "",
}


@pytest.mark.parametrize("event", WAYS)
def test_a_request_without_a_pull_request_is_agreed_on_in_an_issue(ward: Ward, event: str) -> None:
    """The same commands there; the issue says what became of it and is closed as done."""
    asked = {"command": "promote", "model": ward.model, "version": "1", "target": "clinic"}
    if WAYS[event]:
        step = ward.workflow.event(event, {WAYS[event]: asked})
    else:
        step = ward.workflow.event(event, {"schedule": "7 3 * * *"}, **asked)
    assert step.decision == ("pending", "approvals_missing"), step
    (issue,) = ward.world.repository.threads.values()
    assert (issue.state, issue.title) == ("open", f"Promote {ward.model}/1 to clinic")
    (line,) = re.findall(r"`(/gate approve [^`]+)`", issue.body)[:1]
    assert ward.says(issue, "anna", line).decision == ("pending", "self_approval")
    assert ward.says(issue, "ben", "/gate hold a moment").decision == ("pending", "held")
    assert ward.says(issue, "ben", "/gate unhold").decision == ("pending", "approvals_missing")
    ward.says(issue, "ben", line)
    last = ward.says(issue, "carla", line)
    assert last.decision == ("promoted", "approvals_met"), last
    assert (issue.state, issue.reason) == ("closed", "completed")
    assert "is now clinic" in issue.body and re.search(r"\*\*ben\*\* \(.*\*\*carla\*\* \(", issue.body)
    assert last.outputs["comment-url"].endswith(f"/issues/{issue.number}")
    assert ward.aliases() == {"clinic": 1}


def test_a_veto_keeps_the_issue_open_for_whoever_may_lift_it(ward: Ward) -> None:
    """A closed issue takes no commands."""
    ward.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = ward.world.repository.threads.values()
    assert ward.says(issue, "ben", "/gate reject not yet").decision == ("refused", "vetoed")
    assert issue.state == "open" and "not yet" in issue.body
    assert ward.says(issue, "ben", "/gate unreject").decision == ("pending", "approvals_missing")


def test_in_the_issue_of_one_of_two_requests_a_word_is_about_that_one(ward: Ward) -> None:
    """Nobody need spell out what they stand under, whatever else is asked for; elsewhere a word must say it."""
    ward.register(BETTER)
    for version in ("1", "2"):
        ward.workflow.dispatched(command="promote", version=version, target="clinic")
    first, second = ward.world.repository.threads.values()
    held = ward.says(first, "ben", "/gate hold")
    assert (held.decision, held.outputs["version"]) == (("pending", "held"), "1")
    vetoed = ward.says(second, "ben", "/gate reject")
    assert (vetoed.decision, vetoed.outputs["version"]) == (("refused", "vetoed"), "2")
    ward.says(first, "ben", "/gate unhold")
    assert ward.says(first, "ben", "/gate approve").decision == ("pending", "approvals_missing")
    assert ward.says(first, "carla", "/gate approve").decision == ("promoted", "approvals_met")
    assert (first.state, second.state, ward.aliases()) == ("closed", "open", {"clinic": 1})


def test_elsewhere_a_word_must_say_which_of_two_requests_it_means(ward: Ward) -> None:
    """An approval that may mean both gets the line to copy, and so does one in an issue whose text is not our own."""
    ward.register(BETTER)
    for version in ("1", "2"):
        ward.workflow.dispatched(command="promote", version=version, target="clinic")
    first, _ = ward.world.repository.threads.values()
    ward.world.edit(first, "anna", first.body.replace(f"{ward.model}/1", f"{ward.model}/2"))
    for thread in (first, ward.pull()):
        comment = ward.write(thread, "carla", "/gate approve")
        step = ward.workflow.commented(thread, comment)
        assert (step.code, step.decision) == (0, ("noop", "ambiguous_subject")), step
        assert f"{ward.model}/1 to clinic, {ward.model}/2 to clinic" in ward.own(thread)[-1]


def test_in_the_issue_of_a_request_a_promotion_is_of_that_version(ward: Ward) -> None:
    """And not of the newest one, which nobody there has looked at."""
    ward.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = ward.world.repository.threads.values()
    ward.register(BETTER)
    step = ward.says(issue, "anna", "/gate promote")
    assert (step.decision, step.outputs["version"]) == (("pending", "approvals_missing"), "1"), step
    assert len(ward.world.repository.threads) == 1


def test_a_request_that_is_refused_closes_its_issue_as_not_planned(ward: Ward) -> None:
    """Whoever looks for it later sees that it came to nothing, and why."""
    ward.workflow.dispatched(command="promote", version="1", target="clinic")
    (issue,) = ward.world.repository.threads.values()
    ward.rule(bound="99%")
    step = ward.says(issue, "ben", "/gate approve")
    assert step.decision == ("refused", "checks_failed"), step
    assert (issue.state, issue.reason) == ("closed", "not_planned")
    assert "is not above" in issue.body


def test_a_rollback_that_needs_approval_has_its_issue_too(ward: Ward) -> None:
    """Its title says what it is, approvals of the promotions count for nothing, and it is closed as done."""
    ward.register(GOOD, BETTER, model=True)
    for version in ("2", "3"):
        thread = ward.pull()
        step = ward.says(thread, "anna", f"/gate promote {ward.model}/{version} to clinic")
        line = f"/gate approve {ward.model}/{version} to clinic digest {step.outputs['evidence-digest'][:12]}"
        assert [ward.says(thread, who, line).outputs["decision"] for who in ("ben", "carla")] == ["pending", "promoted"]
    before = len(ward.world.repository.threads)
    step = ward.workflow.dispatched(command="rollback", target="clinic", reason="alerts")
    assert step.decision == ("pending", "approvals_missing"), step
    (issue,) = list(ward.world.repository.threads.values())[before:]
    assert (issue.title, issue.state) == (f"Roll clinic back to {ward.model}/2", "open")
    last = ward.says(issue, "ben", f"/gate approve digest {step.outputs['evidence-digest']}")
    assert last.decision == ("rolled_back", "approvals_met"), last
    assert (issue.state, issue.reason, ward.aliases()) == ("closed", "completed", {"clinic": 2})


# -- on the command line -----------------------------------------------------------------------------------------


def typed(ward: Ward, *words: str, **env: str) -> Ended:
    """A command at somebody's terminal, with the policy of the default branch beside it."""
    tree = ward.world.repository.trees[ward.world.repository.refs["refs/heads/main"]]
    folder = ward.workflow.folder / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "fraud.yaml").write_bytes(tree["policies/fraud.yaml"])
    return gatewright(*words, "--json", uri=ward.store.uri, folder=folder.parent, env=env)


def signed_in(ward: Ward, who: str, *, reads_teams: bool = True) -> dict[str, str]:
    """The environment of somebody who has a token of their own."""
    token = f"ghp_{who}00000000000000"
    ward.world.token(token, ward.world.account(who), installation=False, reads_teams=reads_teams)
    address = {"GITHUB_API_URL": ward.github.api_url, "GITHUB_GRAPHQL_URL": ward.github.graphql_url}
    return {"GITHUB_TOKEN": token, "GITHUB_REPOSITORY": ward.world.repository.full_name, **address}


def test_whoever_is_on_call_overrides_from_a_terminal(ward: Ward) -> None:
    """The account whose token it is, looked up in the team that the policy names; nobody else, and not on a guess."""
    ward.world.team("acme/oncall", dora="active")
    ward.rule(override='{from: ["@acme/oncall"]}')
    words = ("promote", f"{ward.model}/1", "--to", "clinic", "--override", "--reason", "outage")
    ends = {
        "nobody": typed(ward, *words),
        "mallory": typed(ward, *words, **signed_in(ward, "mallory")),
        "blind": typed(ward, *words, **signed_in(ward, "dora", reads_teams=False)),
    }
    assert {who: (e.code, e.json["reason"]) for who, e in ends.items()} == {
        "nobody": (3, "team_unreadable"),
        "mallory": (1, "not_authorized"),
        "blind": (3, "team_unreadable"),
    }
    assert "GITHUB_TOKEN" in ends["nobody"].json["detail"]
    assert ward.stages() == NOBODY_MOVED
    end = typed(ward, *words, **signed_in(ward, "dora"))
    assert (end.code, end.json["reason"]) == (0, "overridden"), end
    assert [(r.kind, r.by) for r in MlflowLedger(connect(ward.store.uri, None)).rows(ward.model)][-1] == (
        "overridden",
        "dora",
    )


def test_whoever_is_on_call_overrides_by_a_click(ward: Ward) -> None:
    """The team is asked with its own token about whoever clicked; nobody else's click, and no other branch, will do."""
    ward.world.team("acme/oncall", dora="active")
    ward.rule(override='{from: ["@acme/oncall"]}')
    asked = {"command": "promote", "version": "1", "target": "clinic", "override": "true", "reason": "outage"}

    def click(by: str, ref: str = "", **inputs: str) -> tuple[str, str]:
        return ward.workflow.event("workflow_dispatch", {"inputs": asked}, by=by, ref=ref, **inputs).decision

    assert click("dora") == ("error", "team_unreadable")
    assert click("mallory", team_token=TEAM_TOKEN) == ("refused", "not_authorized")
    assert click("dora", "refs/heads/mine", team_token=TEAM_TOKEN) == ("evaluated", "untrusted_context")
    assert ward.stages() == NOBODY_MOVED
    assert click("dora", team_token=TEAM_TOKEN) == ("promoted", "overridden")
    assert ward.kinds()[-1] == "overridden"


def test_approvals_that_were_counted_on_github_count_at_a_terminal_if_the_team_can_be_asked(ward: Ward) -> None:
    """The ledger holds who said what; who is in the team is asked anew, and without an answer nobody of it counts."""
    ward.world.team("acme/leads", dora="active")
    ward.rule(team="@acme/leads")
    thread = ward.pull()
    line = ward.asked(thread)
    ward.says(thread, "anna", "/gate hold", team_token=TEAM_TOKEN)
    for who in ("ben", "dora"):
        assert ward.says(thread, who, line, team_token=TEAM_TOKEN).decision == ("pending", "held")

    def counted(**env: str) -> list[str]:
        end = typed(ward, "evaluate", f"{ward.model}/1", "--to", "clinic", **env)
        assert end.code == 0, end
        return [c["login"] for c in end.json["approvals"]["counted"]]

    assert sorted(counted(**signed_in(ward, "octo"))) == ["ben", "dora"]
    assert counted() == ["ben"]
    ward.world.team("acme/leads")
    assert counted(**signed_in(ward, "octo")) == ["ben"]
