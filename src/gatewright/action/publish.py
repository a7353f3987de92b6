"""Showing on GitHub what came of a run. The gate has done its work by then: what cannot be shown is a warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gatewright.action.intent import Intent
from gatewright.action.runner import Mark, Runner
from gatewright.action.shown import Shown
from gatewright.alerts import Run, event_of, follow_up
from gatewright.forge import Forge, Posted, Reaction
from gatewright.problem import GatewrightError
from gatewright.report.model import Failure, Inspection, Report, Split
from gatewright.webhook import Webhook

T = TypeVar("T")


def publish(forge: Forge, intent: Intent, shown: Shown, runner: Runner, *, comment: bool) -> str:
    """Posts comment or issue, check run and deployment; returns the address where it can be talked about.

    comment: whether a comment is wanted. The next run shows again what this one could not.
    """
    deployment, check = shown.deployment, shown.check
    if deployment is not None:
        tried(runner, lambda: forge.deploy(deployment))
    if check is not None:
        tried(runner, lambda: forge.check(check))
    if not comment or not shown.key:
        return ""
    posted = tried(runner, lambda: _said(forge, intent, shown))
    return posted.url if posted else ""


def announce(
    forge: Forge, hook: Webhook | None, report: Report | Split | Failure | Inspection, run: Run, runner: Runner
) -> None:
    """Tells the webhook how it ended, and opens the issue that follows an override."""
    later = follow_up(report, run) if isinstance(report, Report) else None
    if later is not None:
        tried(runner, lambda: forge.open_issue(later.key, later.title, later.body, ("override",)))
    event = event_of(report, run)
    failure = hook.tell(event) if hook and event else ""
    if failure:
        runner.mark(Mark("warning", failure, "Alert not delivered"))


def react(forge: Forge, intent: Intent, reaction: Reaction, runner: Runner) -> None:
    """Tells the author of the comment that it was seen, or what came of it."""
    if intent.comment:
        tried(runner, lambda: forge.react(intent.comment, reaction))


def _said(forge: Forge, intent: Intent, shown: Shown) -> Posted | None:
    """Where it is talked about: the thread, or else an issue that is opened for the request and closed with it."""
    if intent.head:
        return forge.comment(intent.thread, shown.key, shown.comment) if intent.thread else None
    asked = shown.request and (intent.thread or shown.waits or shown.settled)
    issue = forge.find_issue(shown.request) if asked else None
    if intent.thread and (issue is None or issue.id != intent.thread):
        return forge.comment(intent.thread, shown.key, shown.comment)
    if issue is None and not shown.waits:
        return None
    issue = forge.open_issue(shown.request, shown.title, shown.comment)
    if shown.settled:
        forge.close_issue(issue.id, done=shown.moved)
    return issue


def tried(runner: Runner, show: Callable[[], T]) -> T | None:
    """What was published; None, and a warning, where it could not be."""
    try:
        return show()
    except GatewrightError as error:
        runner.mark(Mark("warning", str(error), "Not shown on GitHub"))
        return None
