"""Every event that GitHub publishes an example of: what is read of it, and that none gains trust it has not got."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gatewright.action.intent import COMMANDS, READING, TRUSTED, Inputs, Intent, Nothing, read_intent
from gatewright.action.run import idle
from gatewright.problem import Problem
from real.github.events import published

EXAMPLES = [
    pytest.param(event, payload, id=f"{event} {payload.get('action', '')}".strip())
    for event, payloads in sorted(published().items())
    for payload in payloads
]
PULLS = [p for p in EXAMPLES if str(p.values[0]).startswith("pull_request") or p.values[0] == "workflow_run"]


def main_of(payload: Mapping[str, Any]) -> str:
    """The ref of the default branch."""
    return f"refs/heads/{payload.get('repository', {}).get('default_branch', '')}"


def read(event: str, payload: Mapping[str, Any], ref: str, command: Any = "auto") -> Intent | Nothing | Problem:
    """What is to be done about an event whose workflow runs on a ref."""
    return read_intent(Inputs(command=command), event, payload, {"GITHUB_REF": ref})


@pytest.mark.parametrize(("event", "payload"), EXAMPLES)
def test_no_published_event_moves_anything_where_it_may_not(event: str, payload: dict[str, Any]) -> None:
    """All commands, on the default branch and on others: only trusted events on the default branch may write."""
    main = main_of(payload)
    for command in ("auto", *COMMANDS):
        for ref in (main, "refs/heads/mine", "refs/pull/7/merge", "refs/tags/v1", ""):
            found = read(event, payload, ref, command)
            if not isinstance(found, Intent) or found.verb in READING:
                continue
            if event in TRUSTED and ref == main:
                assert found.forbidden == ""
            else:
                assert found.forbidden in ("unsafe_event", "untrusted_context")
                assert idle(found, registry=True) is not None


@pytest.mark.parametrize(("event", "payload"), PULLS)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_about_a_pull_request_is_trusted_even_on_the_default_branch(
    event: str, payload: dict[str, Any], command: str
) -> None:
    """`pull_request_target` runs with the default branch's ref, on whatever a stranger proposes."""
    found = read(event, payload, main_of(payload), command)
    assert isinstance(found, Intent)
    assert found.verb in READING or found.forbidden
    assert found.verb != "promote"


def test_the_head_and_number_of_published_pull_requests_are_read() -> None:
    """For the check run and the comment."""
    for payload in published()["pull_request"]:
        found = read("pull_request", payload, "refs/pull/7/merge")
        if isinstance(found, Intent):
            assert (found.thread, found.head) == (payload["number"], payload["pull_request"]["head"]["sha"])
            assert found.fork is False
        else:
            assert payload["action"] == "closed"


@pytest.mark.parametrize("kind", ["fork", "deleted fork"])
def test_published_pull_requests_from_elsewhere_are_forks(kind: str) -> None:
    """A head whose repository is gone comes from elsewhere, too."""
    for payload in published()["pull_request"]:
        head = {**payload["pull_request"]["head"], "repo": {"id": 9} if kind == "fork" else None}
        found = read(
            "pull_request", {**payload, "pull_request": {**payload["pull_request"], "head": head}}, "", "promote"
        )
        assert isinstance(found, Intent)
        assert (found.fork, found.forbidden, found.verb) == (True, "untrusted_context", "evaluate")


def test_published_comments_say_nothing_until_they_hold_a_command() -> None:
    """Created, it is obeyed; edited or deleted, it is only looked at again."""
    verbs = {}
    for payload in published()["issue_comment"]:
        main = main_of(payload)
        assert isinstance(read("issue_comment", payload, main), Nothing)
        told = {**payload, "comment": {**payload["comment"], "body": "/gate approve"}}
        found = read("issue_comment", told, main)
        assert isinstance(found, Intent)
        assert (found.thread, found.comment) == (payload["issue"]["number"], payload["comment"]["id"])
        verbs[payload["action"]] = found.verb
    assert verbs == {"created": "comment", "edited": "refresh", "deleted": "refresh"}


@pytest.mark.parametrize(("event", "key"), [("workflow_dispatch", "inputs"), ("repository_dispatch", "client_payload")])
def test_published_dispatches_promote_if_they_say_so(event: str, key: str) -> None:
    """What the sender says is in the payload, beside what GitHub says."""
    for payload in published()[event]:
        assert isinstance(read(event, payload, main_of(payload)), Problem)
        found = read(event, {**payload, key: {"command": "promote", "version": 3}}, main_of(payload))
        assert isinstance(found, Intent)
        assert (found.verb, found.version, found.forbidden) == ("promote", "3", "")
