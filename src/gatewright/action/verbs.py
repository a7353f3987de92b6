"""The verbs of the gate as the Action does them: what is meant is found, done, and shown everywhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from gatewright import gate
from gatewright.action import policy_edit, shown
from gatewright.action.intent import Intent
from gatewright.action.job import Job, subject_and_target
from gatewright.action.publish import announce, publish
from gatewright.action.runner import Mark, Runner
from gatewright.action.shown import Shown
from gatewright.action.trend import history, remembered, trend
from gatewright.alerts import Run
from gatewright.approvals import about
from gatewright.case import Gate
from gatewright.decision import Decision, Reason, answered, exit_code
from gatewright.problem import GatewrightError, UsageError
from gatewright.record import stamp
from gatewright.rehearsal import rehearse
from gatewright.report import data, html, terminal
from gatewright.report.model import Failure, Inspection, Report, Split, Status
from gatewright.report.summary import failed, standing, summary
from gatewright.rollback import Wish
from gatewright.subject import Subject

WIDTH = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a verb ended: the exit code of the command line, and the decision.

    counted: False if a comment set it off whose word does not count.
    """

    code: int
    decision: str
    counted: bool = True


def evaluate(job: Job) -> Ended:
    """Judges; where a promotion was asked for that may not be done here, says so."""

    def verb(ours: Gate, subject: Subject, target: str) -> Report:
        report = gate.evaluate(ours, subject, target)
        if not job.intent.forbidden:
            return report
        decision = Decision("evaluated", forbidding(job.intent), f"Nothing is moved: {job.intent.because}")
        return replace(report, decision=decision)

    ours = job.gate(job.policy())
    return done(job, ours, *subject_and_target(ours, job.intent.version, job.intent.target), verb)


def promote(job: Job) -> Ended:
    """Moves the version that is meant, or asks those who must agree."""
    ours = job.gate(job.policy())
    return done(job, ours, *subject_and_target(ours, job.intent.version, job.intent.target), moving(job))


def moving(job: Job) -> Callable[[Gate, Subject, str], Report]:
    """A promotion, for the reason that was given."""
    intent = job.intent
    if intent.override and not intent.reason:
        raise UsageError("an override owes a reason", "say why: the ledger keeps it")
    return lambda ours, subject, target: _rehearsed(
        job, ours, lambda g: gate.promote(g, subject, target, why=intent.reason, override=intent.override)
    )


def rollback(job: Job) -> Ended:
    """Brings the last good version back, or the one that is named."""
    intent = job.intent
    ours = job.gate(job.policy())
    if not intent.reason:
        raise UsageError("a rollback owes a reason", "say why: the ledger keeps it")
    if not intent.target and len(ours.policy.targets) > 1:
        known = ", ".join(t.name for t in ours.policy.targets)
        raise UsageError("no target is named to take the version from", f"name one of {known}", "ambiguous_subject")
    to = intent.version
    if to and not to.isdecimal():
        raise UsageError(f'"{to}" is no version number', "write 9, or nothing for the last good one", "wrong_version")
    subject = Subject(ours.policy.model, int(to) if to else None)
    return done(
        job, ours, subject, intent.target or ours.policy.targets[0].name, returning(job, int(to) if to else None)
    )


def returning(job: Job, to: int | None) -> Callable[[Gate, Subject, str], Report]:
    """A rollback to a version, or to the last good one."""
    intent = job.intent
    return lambda ours, _, target: _rehearsed(
        job, ours, lambda g: gate.rollback(g, Wish(target, intent.reason, to, override=intent.override))
    )


def status(job: Job) -> Ended:
    """Shows who holds what, and what waits."""
    found = gate.status(job.gate(job.policy()))
    told = {"model": found.model, "result": shown.as_text(data.document(found))}
    key = f"status {found.model}"
    ending = Shown(key=key, comment=standing(found), outputs={"decision": "noop", "reason": "", **told})
    show(job, ending, printed(found), standing(found))
    return Ended(0, "noop")


def done(job: Job, ours: Gate, subject: Subject, target: str, verb: Callable[[Gate, Subject, str], Report]) -> Ended:
    """Does one thing to one version and target, shows what came of it, and tells whoever is to be told."""
    run = Run(ours.registry.address, ours.actor, stamp(job.now()), ours.nonce(), job.place.url)
    try:
        report = verb(ours, subject, target)
    except GatewrightError as error:
        if job.intent.comment and isinstance(error, UsageError):
            raise  # the writer's mistake, which concerns nobody else in the thread
        failure = Failure(error, ours.policy.model, subject, target)
        show(job, shown.of_failure(failure, job.intent, job.place), printed(failure), failed(failure))
        announce(job.forge, job.webhook, failure, run, job.runner)
        return Ended(error.exit_code, "error")
    comment = job.intent.comment
    report = replace(report, decision=answered(report.decision, report.standing, comment))
    extra = policy_edit.section(job, ours, subject, report)
    rows = remembered(ours)
    drawn = trend(ours, rows, report)
    page = summary(report, job.now(), trend=drawn, history=history(ours, rows), extra=extra)
    show(job, shown.of_report(report, job.intent, job.place, job.now(), extra), printed(report), page)
    announce(job.forge, job.webhook, report, run, job.runner)
    code, counted = exit_code(report.decision, report.verdict), about(report.standing, comment) is None
    return Ended(code, report.decision.kind, counted)


def forbidding(intent: Intent) -> Reason:
    """The reason for which an intent may change nothing."""
    return next(r for r in Reason if r.code == intent.forbidden)


def _rehearsed(job: Job, ours: Gate, command: Callable[[Gate], Report]) -> Report:
    return rehearse(ours, command) if job.inputs.dry_run else command(ours)


# -- what is seen ------------------------------------------------------------------------------------------------


def show(job: Job, ending: Shown, log: str, page: str) -> None:
    """Publishes an ending everywhere; the outputs last, so that they hold the comment's address."""
    url = publish(job.forge, job.intent, ending, job.runner, comment=job.inputs.comment)
    outputs = {**ending.outputs, "comment-url": url, "report-path": html_report(job, ending)}
    tell(job.runner, replace(ending, outputs=outputs), log, page)


def tell(runner: Runner, ending: Shown, log: str, page: str = "") -> None:
    """Log, remarks, summary and outputs."""
    runner.print(log)
    for mark in ending.marks:
        runner.mark(mark)
    runner.summary(page or ending.comment)
    runner.output(ending.outputs)


def printed(thing: Report | Split | Failure | Status | Inspection) -> str:
    """What a terminal would show, without colours."""
    into = io.StringIO()
    terminal.render(thing, Console(file=into, width=WIDTH, color_system=None, force_terminal=False))
    return into.getvalue()


def html_report(job: Job, ending: Shown) -> str:
    """Writes the page that was asked for; a page that cannot be written changes nothing else."""
    if not job.inputs.html_report or ending.page is None:
        return ""
    path = Path(job.inputs.html_report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html.page(ending.page), encoding="utf-8")
    except OSError as error:
        job.runner.mark(Mark("warning", f"{path} cannot be written: {error.strerror}", "No HTML report"))
        return ""
    return str(path)
