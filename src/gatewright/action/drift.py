"""The nightly look at everything: what was found is one issue, opened, brought up to date, and closed at last."""

from __future__ import annotations

from dataclasses import replace

from gatewright.action.job import Job
from gatewright.action.publish import announce, tried
from gatewright.action.shown import Shown, of_inspection
from gatewright.action.verbs import Ended, html_report, printed, tell
from gatewright.alerts import Run
from gatewright.drift import exit_code
from gatewright.forge import Posted
from gatewright.inspection import inspect, remember
from gatewright.record import stamp
from gatewright.report import drifted
from gatewright.report.model import Inspection

#: names the issue: there is one in a repository
KEY = "drift"


def drift(job: Job) -> Ended:
    """Looks at every model, or at the one that is named, and shows what was found. Moves nothing."""
    grounds = job.grounds()
    run = Run(grounds.registry.address, job.actor, stamp(job.now()), grounds.nonce(), job.place.url)
    found = inspect(grounds, job.policies, job.intent.model)
    if not job.inputs.dry_run:
        found = tuple(remember(grounds, one) for one in found)
    inspection = Inspection(found)
    ending, url = of_inspection(inspection, KEY), _issue(job, inspection)
    outputs = {**ending.outputs, "comment-url": url, "report-path": html_report(job, ending)}
    tell(job.runner, replace(ending, outputs=outputs), printed(inspection), drifted.page(inspection))
    announce(job.forge, job.webhook, inspection, run, job.runner)
    return Ended(exit_code(found), outputs["decision"])


def _issue(job: Job, found: Inspection) -> str:
    """The issue's address; "" where there is none.

    A look at one model says nothing about the others, so that only a look at all may change the issue; what could not
    be read closes nothing.
    """
    if job.intent.model or job.inputs.dry_run or not job.inputs.comment:
        return ""
    posted = tried(job.runner, lambda: _told(job, found))
    return posted.url if posted else ""


def _told(job: Job, found: Inspection) -> Posted | None:
    if found.findings:
        ending: Shown = of_inspection(found, KEY)
        return job.forge.open_issue(KEY, ending.title, ending.comment)
    issue = None if found.undetermined else job.forge.find_issue(KEY)
    if issue is not None:
        job.forge.comment(issue.id, f"{KEY} is gone", drifted.gone(found))
        job.forge.close_issue(issue.id)
    return issue
