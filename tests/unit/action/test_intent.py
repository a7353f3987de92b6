"""What each event asks for, and which of them may change anything."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.action.hint import may_concern_us
from gatewright.action.intent import COMMANDS, READING, Inputs, Intent, Nothing, read_inputs, read_intent
from gatewright.action.run import idle
from gatewright.comments import parse
from gatewright.problem import Problem

MAIN, MINE = "refs/heads/main", "refs/heads/mine"
REPOSITORY = {"repository": {"id": 1, "default_branch": "main"}}
SHA = "c" * 40

PULL = {
    "action": "opened",
    "pull_request": {"number": 7, "head": {"sha": SHA, "repo": {"id": 1}}, "base": {"repo": {"id": 1}}},
}
FORK = {**PULL, "pull_request": {**PULL["pull_request"], "head": {"sha": SHA, "repo": {"id": 2}}}}  # type: ignore[dict-item]
GONE = {**PULL, "pull_request": {**PULL["pull_request"], "head": {"sha": SHA, "repo": None}}}  # type: ignore[dict-item]
COMMENT = {"action": "created", "issue": {"number": 7}, "comment": {"id": 99, "body": "/gate approve"}}

#: event → a payload as GitHub sends it, without what nobody reads
EVENTS: Mapping[str, Mapping[str, Any]] = {
    "pull_request": PULL,
    "pull_request_target": PULL,
    "pull_request_review": PULL,
    "pull_request_review_comment": PULL,
    "merge_group": {"action": "checks_requested", "merge_group": {"head_sha": SHA}},
    "issue_comment": COMMENT,
    "issues": {"action": "opened", "issue": {"number": 7}},
    "workflow_dispatch": {"inputs": {"command": "promote"}},
    "repository_dispatch": {"action": "mlflow", "client_payload": {"command": "promote"}},
    "schedule": {"schedule": "0 3 * * *"},
    "push": {"ref": MAIN},
    "workflow_run": {"action": "completed"},
    "release": {"action": "published"},
    "deployment": {},
    "": {},
}
NAMES = (
    *("action", "inputs", "client_payload", "command", "version", "pull_request", "head", "base", "repo", "id", "sha"),
    *("number", "issue", "comment", "body", "changes", "from", "ref", "deleted", "merge_group", "head_sha"),
)
TRUSTED = {"issue_comment", "workflow_dispatch", "repository_dispatch", "schedule", "push"}


def read(event: str, payload: Mapping[str, Any], ref: str = MAIN, **inputs: Any) -> Intent | Nothing | Problem:
    """An intent, in a repository whose default branch is main."""
    return read_intent(Inputs(**inputs), event, {**REPOSITORY, **payload}, {"GITHUB_REF": ref})


def intent(event: str, payload: Mapping[str, Any], ref: str = MAIN, **inputs: Any) -> Intent:
    """The same where there is one."""
    found = read(event, payload, ref, **inputs)
    assert isinstance(found, Intent), found
    return found


# -- what auto reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "verb"),
    [
        ("pull_request", "evaluate"),
        ("pull_request_target", "evaluate"),
        ("merge_group", "evaluate"),
        ("issue_comment", "comment"),
        ("workflow_dispatch", "promote"),
        ("repository_dispatch", "promote"),
        ("schedule", "drift"),
        ("push", "promote"),
    ],
)
def test_auto_knows_what_an_event_asks_for(event: str, verb: str) -> None:
    """As the contract lists it."""
    assert intent(event, EVENTS[event]).verb == verb


@pytest.mark.parametrize("event", ["issues", "workflow_run", "release", "deployment", ""])
def test_auto_does_not_guess_what_another_event_asks_for(event: str) -> None:
    """It says which input to set."""
    found = read(event, EVENTS[event])
    assert isinstance(found, Problem) and "set the input command" in found.hint


def test_a_pull_request_brings_its_number_and_head() -> None:
    """The thread for the comment, the commit for the check run."""
    found = intent("pull_request", PULL)
    assert (found.thread, found.head, found.fork) == (7, SHA, False)


def test_a_merge_queue_brings_the_commit_that_it_tests() -> None:
    """There is no thread, but a check run that the queue waits for."""
    found = intent("merge_group", EVENTS["merge_group"])
    assert (found.thread, found.head) == (0, SHA)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("pull_request", {**PULL, "action": "closed"}),
        ("push", {"ref": MAIN, "deleted": True}),
        ("push", {"ref": "refs/tags/v1"}),
        ("issue_comment", {**COMMENT, "comment": {"id": 1, "body": "fine by me"}}),
        ("issue_comment", {**COMMENT, "comment": {"id": 1, "body": ""}}),
        ("issue_comment", {**COMMENT, "comment": {"id": 1, "body": None}}),
        ("issue_comment", {**COMMENT, "comment": {"id": 1, "body": "> /gate approve\n\nshall I?"}}),
    ],
)
def test_some_events_ask_for_nothing(event: str, payload: Mapping[str, Any]) -> None:
    """A closed pull request, a deleted branch, a tag, and most comments."""
    assert isinstance(read(event, payload), Nothing)


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_a_command_that_was_changed_or_deleted_is_looked_at_and_not_obeyed(action: str) -> None:
    """What stands now is shown again."""
    assert intent("issue_comment", {**COMMENT, "action": action}).verb == "refresh"


def test_a_comment_that_was_a_command_before_it_was_edited_counts_as_one() -> None:
    """An approval that was edited into something harmless has to be taken off the count."""
    was = {**COMMENT, "action": "edited", "changes": {"body": {"from": "/gate approve"}}}
    assert intent("issue_comment", {**was, "comment": {"id": 99, "body": "oh well"}}).verb == "refresh"


@pytest.mark.parametrize(("event", "key"), [("workflow_dispatch", "inputs"), ("repository_dispatch", "client_payload")])
def test_a_dispatch_says_what_to_do_about_what(event: str, key: str) -> None:
    """A version may come as a number; what the workflow fixes cannot be overridden by whoever starts it."""
    told = {"command": "rollback", "model": "churn", "version": 9.0, "target": "production", "reason": "bad"}
    found = intent(event, {key: told}, target="staging")
    assert (found.verb, found.model, found.version) == ("rollback", "churn", "9")
    assert (found.target, found.reason) == ("staging", "bad")
    assert intent(event, {key: told}, command="promote") == replace(found, verb="promote", target="production")


@pytest.mark.parametrize("told", [{}, {"command": ""}, {"command": "drop"}, {"command": "comment"}, {"command": ["x"]}])
def test_a_dispatch_without_a_command_is_told_which_there_are(told: Mapping[str, Any]) -> None:
    """Nothing is ever promoted for want of a word."""
    found = read("workflow_dispatch", {"inputs": told})
    assert isinstance(found, Problem) and "promote" in found.hint


@pytest.mark.parametrize("event", sorted(EVENTS))
@pytest.mark.parametrize("command", COMMANDS)
def test_only_a_click_overrides_and_only_a_move(event: str, command: str) -> None:
    """Whatever else an event, a program or a workflow says of it goes unheard."""
    said = {"command": command, "override": "true", "reason": "the feed is late"}
    payload = {**EVENTS[event], "inputs": said, "client_payload": said}
    found = intent(event, payload, command=command)
    assert found.override is (event == "workflow_dispatch" and command in ("promote", "rollback"))


@pytest.mark.parametrize(("told", "meant"), [(True, True), ("True", True), ("false", False), ("", False), ([1], False)])
def test_a_ticked_box_overrides_and_nothing_like_it(told: object, meant: bool) -> None:
    """GitHub hands over a box as text or as a truth value."""
    assert intent("workflow_dispatch", {"inputs": {"command": "promote", "override": told}}).override is meant


def test_what_the_input_command_says_wins_over_the_event() -> None:
    """A workflow may always say what it is for."""
    assert intent("schedule", EVENTS["schedule"], command="status").verb == "status"


# -- who may change anything -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "command", "ref"), list(itertools.product(EVENTS, COMMANDS, [MAIN, MINE, "refs/pull/7/merge", ""]))
)
def test_only_a_trusted_event_on_the_default_branch_may_change_anything(event: str, command: str, ref: str) -> None:
    """Every event, every command, every ref: whoever may not, is left with what only reads or with a refusal."""
    found = intent(event, EVENTS[event], ref, command=command)
    if event in TRUSTED and ref == MAIN:
        assert (found.verb, found.forbidden) == (command, "")
    elif found.verb in READING:
        assert (command == "promote" and found.forbidden) or command in READING
    else:
        assert found.forbidden in ("unsafe_event", "untrusted_context") and found.because


@pytest.mark.parametrize("payload", [FORK, GONE])
@pytest.mark.parametrize("event", sorted(EVENTS))
def test_a_pull_request_from_elsewhere_may_change_nothing_whatever_the_event(
    event: str, payload: Mapping[str, Any]
) -> None:
    """A head whose repository was deleted is from elsewhere too."""
    found = intent(event, {**EVENTS[event], **payload}, command="promote")
    assert (found.verb, found.forbidden, found.fork) == ("evaluate", "untrusted_context", True)


def test_a_branch_of_the_same_repository_grants_nothing() -> None:
    """Whoever may push a branch may have written its workflow."""
    assert intent("pull_request", PULL, command="promote").forbidden == "unsafe_event"
    assert intent("workflow_dispatch", EVENTS["workflow_dispatch"], MINE).forbidden == "untrusted_context"


@pytest.mark.parametrize("event", sorted(TRUSTED - {"schedule"}))
def test_without_knowing_the_default_branch_nothing_is_trusted(event: str) -> None:
    """What cannot be told is not assumed."""
    found = read_intent(Inputs(command="promote"), event, EVENTS[event], {"GITHUB_REF": MAIN})
    assert isinstance(found, Intent) and found.forbidden == "untrusted_context"


def test_a_schedule_runs_on_the_default_branch_by_itself() -> None:
    """Its payload is too short to say so."""
    found = read_intent(Inputs(), "schedule", EVENTS["schedule"], {"GITHUB_REF": MAIN})
    assert isinstance(found, Intent) and found.forbidden == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner),
    max_leaves=12,
)


REFS = (MAIN, MINE, "refs/pull/7/merge", "refs/tags/v1", "refs/heads/main/x", "main", "")


@given(
    event=st.sampled_from(sorted(EVENTS)) | st.text(max_size=12),
    payload=st.dictionaries(st.sampled_from(NAMES), JSON),
    ref=st.sampled_from(REFS) | st.text(max_size=12),
    command=st.sampled_from(("auto", *COMMANDS)),
)
def test_no_payload_breaks_the_reading_or_gains_trust(
    event: str, payload: dict[str, Any], ref: str, command: str
) -> None:
    """A dispatch carries whatever its sender likes, and a payload of tomorrow may look otherwise."""
    found = read(event, payload, ref, command=command)
    if isinstance(found, Intent) and (event not in TRUSTED or ref != MAIN):
        assert found.verb in READING or found.forbidden
        # The last gate before anything is opened: what may not be done and is more than reading is not begun.
        assert found.verb in READING or idle(found, registry=True) is not None


# -- inputs ------------------------------------------------------------------------------------------------------


def test_inputs_are_read_as_a_runner_names_them() -> None:
    """In capitals, dashes kept, blanks around them dropped."""
    given = {"INPUT_TRACKING-URI": " http://mlflow ", "INPUT_DRY-RUN": "True", "INPUT_COMMENT": "false"}
    found = read_inputs(given)
    assert found == Inputs(tracking_uri="http://mlflow", dry_run=True, comment=False)


def test_empty_inputs_are_defaults() -> None:
    """A runner hands over an empty text for an input without a value."""
    empty = dict.fromkeys(("INPUT_COMMAND", "INPUT_POLICY", "INPUT_FAIL-ON", "INPUT_COMMENT", "INPUT_DRY-RUN"), "")
    assert read_inputs(empty) == Inputs()


@pytest.mark.parametrize(
    ("name", "value"), [("command", "demote"), ("fail-on", "sometimes"), ("dry-run", "yes"), ("comment", "1")]
)
def test_a_wrong_input_is_named_with_what_it_may_be(name: str, value: str) -> None:
    """A dry run that is spelt wrong is no real one."""
    found = read_inputs({f"INPUT_{name.upper()}": value})
    assert isinstance(found, Problem)
    assert (found.file, found.hint[:6]) == (f"input {name}", "write ")


# -- a glance ----------------------------------------------------------------------------------------------------

SPOKEN = [
    "/gate approve",
    "\n\n  /gate approve fraud/12",
    "/GATE approve",
    "Nice work!\n\n/gate approve",
    "&#47;gate approve",
    "\\/gate approve",
    "／gate approve",
    "\u200b/gate approve",
    "/g\u0430te approve",
    "/gate aprove",
    "\u2028/gate approve",
    "&#103;ate approve",
]


@pytest.mark.parametrize("body", SPOKEN)
def test_a_glance_lets_everything_through_that_might_be_a_command(body: str) -> None:
    """Look-alikes too: they deserve their hint."""
    assert may_concern_us(body)


@pytest.mark.parametrize("body", ["", "  \n", "looks good", "/shrug", "I do not", "@ben: `see` > #4"])
def test_most_comments_are_dismissed_at_a_glance(body: str) -> None:
    """In the time that Python takes to start."""
    assert not may_concern_us(body)


@given(st.text() | st.lists(st.sampled_from([*SPOKEN, "gate", "/", " ", "\n", "&", "a", "\u0430"])).map("".join))
def test_what_a_glance_dismisses_says_nothing_to_the_reader_of_comments_either(body: str) -> None:
    """So that nothing is dismissed that would have been obeyed, or answered."""
    assert may_concern_us(body) or parse(body) is None
