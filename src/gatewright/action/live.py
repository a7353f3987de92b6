"""A live split as the Action starts, shows and ends it: by a comment, a dispatch, or every night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gatewright import split
from gatewright.action import shown
from gatewright.action.job import Job, subject_and_target
from gatewright.action.publish import announce
from gatewright.action.runner import Level, Mark
from gatewright.action.shown import Shown
from gatewright.action.verbs import Ended, printed, show
from gatewright.alerts import Run
from gatewright.case import Gate
from gatewright.decision import exit_code
from gatewright.problem import GatewrightError, UsageError
from gatewright.record import stamp
from gatewright.report import data
from gatewright.report.live import headline
from gatewright.report.model import Failure, Split
from gatewright.report.summary import failed, tried
from gatewright.subject import Subject


def start(job: Job) -> Ended:
    """Gives a version its share of a target's traffic; without a name, that of the ladder's last target."""
    ours = job.gate(job.policy())
    target = job.intent.target or ours.policy.targets[-1].name
    subject, _ = subject_and_target(ours, job.intent.version, target)
    return _done(job, ours, lambda g: split.start(g, subject, target, why=job.intent.reason), subject, target)


def status(job: Job) -> Ended:
    """Shows how the split stands; changes nothing."""
    return _done(job, job.gate(job.policy()), split.status)


def act(job: Job) -> Ended:
    """Carries out what the plan says: the nightly job."""
    return _done(job, job.gate(job.policy()), lambda g: split.status(g, act=True))


def keep(job: Job) -> Ended:
    """Ends the split: everybody sees the champion again."""
    return _ended(job, promote=False)


def promote(job: Job) -> Ended:
    """Ends the split by promoting the challenger, if it was shown to be better."""
    return _ended(job, promote=True)


def _ended(job: Job, *, promote: bool) -> Ended:
    if not job.intent.reason:
        raise UsageError("the end of a split owes a reason", "say why: the ledger keeps it")
    return _done(job, job.gate(job.policy()), lambda g: split.stop(g, promote=promote, why=job.intent.reason))


def _done(
    job: Job, ours: Gate, verb: Callable[[Gate], Split], subject: Subject | None = None, target: str = ""
) -> Ended:
    if job.inputs.dry_run:
        raise UsageError("a live split is not rehearsed", "leave dry-run out; live status changes nothing")
    run = Run(ours.registry.address, ours.actor, stamp(job.now()), ours.nonce(), job.place.url)
    try:
        found = verb(ours)
    except GatewrightError as error:
        if job.intent.comment and isinstance(error, UsageError):
            raise  # the writer's mistake, which concerns nobody else in the thread
        failure = Failure(error, ours.policy.model, subject, target)
        show(job, shown.of_failure(failure, job.intent, job.place), printed(failure), failed(failure))
        announce(job.forge, job.webhook, failure, run, job.runner)
        return Ended(error.exit_code, "error")
    show(job, _shown(job, found), printed(found), tried(found, job.now()))
    announce(job.forge, job.webhook, found, run, job.runner)
    return Ended(exit_code(found.decision, found.report.verdict if found.report else None), found.decision.kind)


def _shown(job: Job, found: Split) -> Shown:
    """What GitHub shows; of a promotion that it led to, everything that is shown of one, and the split below it."""
    now, report = job.now(), found.report
    outputs = shown.outputs(data.document(found))
    if report is not None and found.decision.kind in ("promoted", "pending"):
        below = tried(replace(found, report=None), now)
        ending = shown.of_report(report, job.intent, job.place, now, below)
        return replace(ending, outputs=outputs, page=found)
    page = tried(found, now)
    level: Level = "notice" if found.decision.kind in ("started", "evaluated", "noop") else "warning"
    mark = Mark(level, " ".join(filter(None, (headline(found), found.decision.detail))), title=found.title)
    return Shown(key=f"live {found.policy.model}", comment=page, page=found, marks=(mark,), outputs=outputs)
