"""What an event asks for, and whether it may change anything. Pure: an event's payload is a hint, never a fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gatewright.comments import parse
from gatewright.problem import Problem

Verb = Literal[
    "evaluate",
    "promote",
    "rollback",
    "drift",
    "live",
    "live start",
    "live status",
    "live stop keep",
    "live stop promote",
    "status",
    "comment",
    "refresh",
]
FailOn = Literal["verdict", "error", "never"]

COMMANDS: tuple[Verb, ...] = (
    *("evaluate", "promote", "rollback", "drift"),
    *("live", "live start", "live status", "live stop keep", "live stop promote", "status"),
)
FAIL_ON: tuple[FailOn, ...] = ("verdict", "error", "never")

#: events whose workflow file GitHub takes from a branch that only the repository's writers reach
TRUSTED = ("issue_comment", "workflow_dispatch", "repository_dispatch", "schedule", "push")

#: verbs that only read
READING = ("evaluate", "live status", "status", "refresh")

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The Action's inputs as the workflow gives them; "" where it gives none."""

    command: Verb | Literal["auto"] = "auto"
    model: str = ""
    version: str = ""
    target: str = ""
    reason: str = ""
    policy: str = "policies"
    policy_ref: str = ""
    tracking_uri: str = ""
    registry_uri: str = ""
    github_token: str = ""
    team_token: str = ""
    html_report: str = ""
    fail_on: FailOn = "verdict"
    comment: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to do.

    forbidden: "" if it may write to the registry, else the reason code for which it may not; because: in a sentence.
    thread: the issue or pull request that it is about, comment: the comment that set it off; 0 for none.
    head: the commit that a check run belongs to. model, version, target: as asked, "" for the default. override: to go
    ahead against the policy, if that names who asks.
    """

    verb: Verb
    forbidden: str = ""
    because: str = ""
    thread: int = 0
    comment: int = 0
    head: str = ""
    fork: bool = False
    model: str = ""
    version: str = ""
    target: str = ""
    reason: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do. reason: a stable code; because: for people."""

    because: str
    reason: str = "no_command"


def read_inputs(environment: Mapping[str, str]) -> Inputs | Problem:
    """The inputs as a runner hands them over: `INPUT_` and the name in capitals, dashes kept."""

    def given(name: str, otherwise: str = "") -> str:
        return environment.get(f"INPUT_{name.upper()}", "").strip() or otherwise

    command, fail_on = given("command", "auto"), given("fail-on", "verdict")
    if command != "auto" and command not in COMMANDS:
        return _wrong("command", f'"{command}" is no command', f"write auto, {', '.join(COMMANDS)}")
    if fail_on not in FAIL_ON:
        return _wrong("fail-on", f'"{fail_on}" is no choice', f"write {', '.join(FAIL_ON)}")
    switches = {}
    for name, otherwise in (("comment", "true"), ("dry-run", "false")):
        text = given(name, otherwise)
        if text.lower() not in ("true", "false"):
            return _wrong(name, f'"{text}" is neither true nor false', "write true or false")
        switches[name] = text.lower() == "true"
    return Inputs(
        command=command,  # type: ignore[arg-type]  # one of COMMANDS, as checked above
        model=given("model"),
        version=given("version"),
        target=given("target"),
        reason=given("reason"),
        policy=given("policy", "policies"),
        policy_ref=given("policy-ref"),
        tracking_uri=given("tracking-uri"),
        registry_uri=given("registry-uri"),
        github_token=given("github-token"),
        team_token=given("team-token"),
        html_report=given("html-report"),
        fail_on=fail_on,
        comment=switches["comment"],
        dry_run=switches["dry-run"],
    )


def read_intent(
    inputs: Inputs, event: str, payload: Payload, environment: Mapping[str, str]
) -> Intent | Nothing | Problem:
    """What to do about an event.

    environment: the runner's variables, of which GITHUB_REF says which ref's workflow runs. Whoever may not write is
    left with what only reads: a promotion becomes an evaluation, and what has no such half carries `forbidden`.
    """
    found = _read(inputs, event, payload)
    if not isinstance(found, Intent):
        return found
    found = replace(found, override=found.verb in ("promote", "rollback") and _overrides(event, payload))
    forbidden, because = distrust(event, payload, environment.get("GITHUB_REF", ""))
    if not forbidden or found.verb in READING:
        return found
    verb: Verb = "evaluate" if found.verb == "promote" else found.verb
    return replace(found, verb=verb, forbidden=forbidden, because=because)


def distrust(event: str, payload: Payload, ref: str) -> tuple[str, str]:
    """Why an event may not change the registry: a reason code and a sentence; two empty texts if it may.

    A pull request's workflow is the pull request's own, so nothing that such an event starts can be trusted with a
    move. Everything else is trusted on the default branch alone. What cannot be told is not trusted.
    """
    if _from_fork(payload):
        return "untrusted_context", "the pull request comes from a fork"
    if event not in TRUSTED:
        return "unsafe_event", f"a workflow that {event or 'no known event'} starts may be anybody's"
    if event == "schedule" and not payload.get("repository"):
        return "", ""  # GitHub runs schedules of the default branch alone
    branch = _text(_part(payload, "repository").get("default_branch"))
    if not branch or ref != f"refs/heads/{branch}":
        return "untrusted_context", f"it runs on {ref or 'no known ref'}, not on the default branch"
    return "", ""


def _read(inputs: Inputs, event: str, payload: Payload) -> Intent | Nothing | Problem:
    inputs = _told(inputs, _part(payload, _DISPATCHES.get(event, "")))
    if inputs.command != "auto":
        return _asked(inputs, inputs.command, payload)
    reader = _EVENTS.get(event)
    if reader is None:
        hint = f"set the input command; auto knows {', '.join(sorted(_EVENTS))}"
        return _wrong("command", f"auto does not know what to do on {event or 'no event'}", hint)
    return reader(inputs, payload)


def _asked(inputs: Inputs, verb: Verb, payload: Payload) -> Intent:
    """A verb, about what the inputs name, in the thread that the event belongs to."""
    pull, issue = _part(payload, "pull_request"), _part(payload, "issue")
    head = _part(pull, "head").get("sha") or _part(payload, "merge_group").get("head_sha")
    return Intent(
        verb,
        thread=_number(pull.get("number")) or _number(issue.get("number")),
        head=_text(head),
        fork=_from_fork(payload),
        model=inputs.model,
        version=inputs.version,
        target=inputs.target,
        reason=inputs.reason,
    )


def _overrides(event: str, payload: Payload) -> bool:
    """Whether somebody who started the workflow by hand said so: no push, program or workflow says it for them."""
    return event == "workflow_dispatch" and _text(_part(payload, "inputs").get("override")).lower() == "true"


def _pull_request(inputs: Inputs, payload: Payload) -> Intent | Nothing | Problem:
    if payload.get("action") == "closed":
        return Nothing("the pull request is closed")
    return _asked(inputs, "evaluate", payload)


def _issue_comment(inputs: Inputs, payload: Payload) -> Intent | Nothing | Problem:
    """The command itself is read again from the thread; here it only matters whether there may be one."""
    comment, what = _part(payload, "comment"), payload.get("action")
    bodies = (comment.get("body"), _part(payload, "changes", "body").get("from"))
    if all(parse(str(body or "")) is None for body in bodies):
        return Nothing("the comment holds no command")
    verb: Verb = "comment" if what == "created" else "refresh"
    return replace(_asked(inputs, verb, payload), comment=_number(comment.get("id")))


def _push(inputs: Inputs, payload: Payload) -> Intent | Nothing | Problem:
    if payload.get("deleted"):
        return Nothing("the branch was deleted")
    if str(payload.get("ref", "")).startswith("refs/tags/"):
        return Nothing("a tag was pushed")
    return _asked(inputs, "promote", payload)


def _schedule(inputs: Inputs, payload: Payload) -> Intent | Nothing | Problem:
    return _asked(inputs, "drift", payload)


def _dispatch(inputs: Inputs, payload: Payload) -> Intent | Nothing | Problem:
    """A dispatch that names no command, or one that there is not."""
    command = _text(_part(payload, "inputs").get("command")) or _text(_part(payload, "client_payload").get("command"))
    said = f'"{command}" is no command' if command else "no command is given"
    return _wrong("command", said, f"set the input command, or give one with the event: {', '.join(COMMANDS)}")


def _told(inputs: Inputs, given: Payload) -> Inputs:
    """The inputs with what whoever dispatched the event says besides; what the workflow itself fixes wins."""
    said = {k: _text(v) for k, v in given.items()}
    names = ("model", "version", "target", "reason")
    told = {name: getattr(inputs, name) or said.get(name, "") for name in names}
    known = inputs.command == "auto" and said.get("command") in COMMANDS
    return replace(inputs, command=said["command"] if known else inputs.command, **told)  # type: ignore[arg-type]


def _text(value: object) -> str:
    """A value of a dispatch, where a version may be a number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()


def _from_fork(payload: Payload) -> bool:
    """Whether a pull request's head lies elsewhere; a head whose repository is gone does."""
    if not payload.get("pull_request"):
        return False
    head, base = (_part(payload, "pull_request", side, "repo").get("id") for side in ("head", "base"))
    return head is None or head != base


def _part(payload: Payload, *names: str) -> Payload:
    """What lies at the end of a path of names; empty where anything on the way is missing or of another kind."""
    found: Any = payload
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _wrong(name: str, text: str, hint: str) -> Problem:
    return Problem(f"input {name}", 0, 0, text, hint)


_EVENTS: Mapping[str, Callable[[Inputs, Payload], Intent | Nothing | Problem]] = {
    "pull_request": _pull_request,
    "pull_request_target": _pull_request,
    "merge_group": _pull_request,
    "issue_comment": _issue_comment,
    "push": _push,
    "schedule": _schedule,
    "workflow_dispatch": _dispatch,
    "repository_dispatch": _dispatch,
}

#: event → where it holds what its sender says
_DISPATCHES: Mapping[str, str] = {"workflow_dispatch": "inputs", "repository_dispatch": "client_payload"}
