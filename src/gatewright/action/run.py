"""`gatewright action`: reads the event, lets the gate do its work, and publishes what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from gatewright.action import live, shown
from gatewright.action.admission import may_start
from gatewright.action.converse import apologise, obey, refresh
from gatewright.action.drift import drift
from gatewright.action.intent import READING, FailOn, Intent, Nothing, Verb, read_inputs, read_intent
from gatewright.action.job import Job, open_job, read_event, secrets, source, with_policies
from gatewright.action.publish import announce
from gatewright.action.runner import Runner
from gatewright.action.shown import Shown
from gatewright.action.verbs import Ended, evaluate, forbidding, promote, rollback, status, tell
from gatewright.alerts import Run
from gatewright.connection.refusal import ending
from gatewright.decision import Reason
from gatewright.forge import Person
from gatewright.problem import Problem, Undetermined, UsageError
from gatewright.record import stamp
from gatewright.report.model import Failure


def action(environment: Mapping[str, str], now: Callable[[], datetime]) -> int:
    """Does what the event asks for; returns the exit code that `fail-on` leaves of it."""
    runner = Runner(environment)
    inputs = read_inputs(environment)
    if isinstance(inputs, Problem):
        return _wrong(runner, inputs)
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
        return allowed(inputs.fail_on, _done(job, environment))
    except Exception as error:  # exit code 1 would be a verdict, and a trace in the log may hold commands to the runner
        return allowed(inputs.fail_on, _say(runner, Failure(ending(error), inputs.model, None, inputs.target)))


def _done(job: Job, environment: Mapping[str, str]) -> int:
    """Does what is asked; what keeps it from beginning is told to whoever waits for it: the webhook, the writer."""
    run = Run(source(job.inputs, environment), job.actor, stamp(job.now()), uuid.uuid4().hex, job.place.url)
    try:
        return _VERBS[job.intent.verb](with_policies(job, environment)).code
    except Exception as error:
        failure = Failure(ending(error), job.intent.model, None, job.intent.target)
        code = _say(job.runner, failure)
        if _is_worth_an_alert(job):
            announce(job.forge, job.webhook, failure, run, job.runner)
        if job.intent.verb == "comment":
            apologise(job, failure)
        return code


def _is_worth_an_alert(job: Job) -> bool:
    """Whether whoever set the run off may start anything: a stranger's comment sets off no alert either."""
    if not job.intent.comment:
        return True
    try:
        return may_start(job.forge, Person(job.actor.login, job.actor.id or 0))
    except Undetermined:
        return True


def _say(runner: Runner, failure: Failure) -> int:
    """Shows in the run itself what went wrong; the exit code."""
    ending = shown.of_failure(failure, Intent("evaluate"), shown.Place())
    tell(runner, replace(ending, key=""), str(failure.error))
    return failure.error.exit_code


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
