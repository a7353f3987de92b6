"""`gatewright action`: reads the event, lets the gate do its work, and publishes what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from gatewright.action import live, shown
from gatewright.action.converse import obey, refresh
from gatewright.action.drift import drift
from gatewright.action.intent import READING, FailOn, Inputs, Intent, Nothing, Verb, read_inputs, read_intent
from gatewright.action.job import Job, actor, open_job, read_event, secrets
from gatewright.action.publish import sent
from gatewright.action.runner import Runner
from gatewright.action.shown import Shown
from gatewright.action.verbs import Ended, evaluate, forbidding, promote, rollback, status, tell
from gatewright.alerts import Run, event_of
from gatewright.connection.refusal import unforeseen
from gatewright.decision import Reason
from gatewright.problem import GatewrightError, Problem, UsageError
from gatewright.record import stamp
from gatewright.report.model import Failure
from gatewright.webhook import webhook


def action(environment: Mapping[str, str], now: Callable[[], datetime]) -> int:
    """Does what the event asks for; returns the exit code that `fail-on` leaves of it."""
    runner = Runner(environment)
    inputs = read_inputs(environment)
    if isinstance(inputs, Problem):
        return _wrong(runner, inputs)
    intent: Intent | Nothing | Problem | None = None
    try:
        runner.mask(secrets(inputs, environment))
        event = read_event(environment)
        intent = read_intent(inputs, environment.get("GITHUB_EVENT_NAME", ""), event, environment)
        if isinstance(intent, Problem):
            return allowed(inputs.fail_on, _wrong(runner, intent))
        stop = idle(intent, registry=bool(inputs.tracking_uri or environment.get("MLFLOW_TRACKING_URI")))
        if stop is not None:
            return allowed(inputs.fail_on, _stopped(runner, stop))
        assert isinstance(intent, Intent)
        job = open_job(inputs, intent, runner, environment, now)
        return allowed(inputs.fail_on, _VERBS[intent.verb](job).code)
    except GatewrightError as error:
        return _failed(runner, inputs, intent, environment, now(), error)
    except Exception as error:  # exit code 1 would be a verdict, and a trace in the log may hold commands to the runner
        return _failed(runner, inputs, intent, environment, now(), unforeseen(error))


def _failed(
    runner: Runner,
    inputs: Inputs,
    intent: Intent | Nothing | Problem | None,
    environment: Mapping[str, str],
    at: datetime,
    error: GatewrightError,
) -> int:
    """Shows what kept the run from its work; the webhook is told where the run was to write."""
    failure = Failure(error, inputs.model, None, inputs.target)
    ending = shown.of_failure(failure, Intent("evaluate"), shown.Place())
    tell(runner, replace(ending, key=""), str(error))
    if isinstance(intent, Intent) and intent.verb not in READING and not inputs.dry_run:
        _alert(failure, environment, at, runner)
    return allowed(inputs.fail_on, error.exit_code)


def idle(intent: Intent | Nothing, *, registry: bool) -> Shown | None:
    """What to say where nothing is to be begun: nothing was asked, or what was asked may not be done here.

    registry: whether there is an address of one. A pull request from a fork gets no secrets, so it may have none.
    """
    if isinstance(intent, Nothing):
        return shown.ended("noop", Reason.NO_COMMAND, intent.because)
    if intent.forbidden and intent.verb not in READING:
        return shown.ended("refused", forbidding(intent), f"{intent.verb} was not begun: {intent.because}")
    if intent.fork and not registry:
        because = "the pull request comes from a fork, which is given no address of a registry"
        return shown.ended("noop", Reason.UNTRUSTED_CONTEXT, f"{because}: comment /gate evaluate to have it judged")
    return None


def allowed(fail_on: FailOn, code: int) -> int:
    """The exit code that the workflow wants to see."""
    return 0 if fail_on == "never" or (fail_on == "error" and code == 1) else code


def _alert(failure: Failure, environment: Mapping[str, str], at: datetime, runner: Runner) -> None:
    """Tells the webhook, if there is one that can be used, of what kept the run from its work."""
    with suppress(UsageError):
        hook, who = webhook(environment), actor(environment)
        sent(hook, event_of(failure, Run("", who, stamp(at), uuid.uuid4().hex, who.url)), runner)


def _stopped(runner: Runner, ending: Shown) -> int:
    tell(runner, ending, ending.comment)
    return 0 if ending.outputs["decision"] == "noop" else 1


def _wrong(runner: Runner, problem: Problem) -> int:
    """A wrong input: nothing can be begun."""
    error = UsageError(f"{problem.file}: {problem.text}", problem.hint)
    ending = shown.of_failure(Failure(error), Intent("evaluate"), shown.Place())
    tell(runner, ending, str(problem))
    return error.exit_code


_VERBS: Mapping[Verb, Callable[[Job], Ended]] = {
    "evaluate": evaluate,
    "promote": promote,
    "rollback": rollback,
    "status": status,
    "comment": obey,
    "refresh": refresh,
    "drift": drift,
    "live": live.act,
    "live start": live.start,
    "live status": live.status,
    "live stop keep": live.keep,
    "live stop promote": live.promote,
}
