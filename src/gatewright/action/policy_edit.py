"""A pull request that edits the policy is told what its edit would change; the trusted policy still decides."""

from __future__ import annotations

from dataclasses import replace

from gatewright import gate
from gatewright.action import shown
from gatewright.action.job import Job
from gatewright.case import Gate
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy, Target
from gatewright.problem import GatewrightError, PolicyError
from gatewright.report.escape import code, markdown
from gatewright.report.model import Report
from gatewright.subject import Subject

TITLE = "### This pull request edits the policy"
AFTER = "The policy of the trusted branch decided above. What stands here takes effect after the merge."


def section(job: Job, ours: Gate, subject: Subject, report: Report) -> str:
    """Markdown about the edit; "" where the pull request leaves the policy alone, or where there is none."""
    if not job.intent.head or not job.intent.thread:
        return ""
    try:
        edited = _edited(job)
        if edited is None:
            return ""
        return "\n\n".join((TITLE, AFTER, "\n".join(_changes(ours, edited, subject, report)))) + "\n"
    except PolicyError as error:
        for problem in error.problems:
            job.runner.mark(shown.of_problem(problem))
        told = "\n".join(f"- {markdown(str(p))}" for p in error.problems)
        return f"{TITLE}\n\nIt cannot be used as it stands, and would stop the gate after the merge:\n\n{told}\n"
    except GatewrightError as error:
        return f"{TITLE}\n\nWhat it would change could not be told: {markdown(str(error))}\n"


def _edited(job: Job) -> tuple[Policy, ...] | None:
    """The policies as the pull request has them; None if it does not touch them."""
    folder = job.inputs.policy.strip("/").removeprefix("./")
    changed = job.forge.changed_files(job.intent.thread) or ()
    if not any(path == folder or path.startswith(f"{folder}/") for path in changed):
        return None
    files = job.forge.files(folder, job.intent.head)
    return read_policies(files.texts, PATHS) if files else ()


def _changes(ours: Gate, edited: tuple[Policy, ...], subject: Subject, report: Report) -> list[str]:
    before = ours.policy
    after = next((p for p in edited if p.model == before.model), None)
    if after is None:
        return [f"- {markdown(before.model)} would have no policy: nothing of it could be promoted."]
    lines = [_lost(target) for target in before.targets if after.target(target.name) is None]
    for target in after.targets:
        old = before.target(target.name)
        if old is None:
            lines.append(f"- **{markdown(target.name)}** would be a new target.")
        elif before.digest(old) != after.digest(target):
            lines += _verdicts(ours, after, old, target, subject, report)
    return lines or ["- Nothing that decides would change."]


def _lost(target: Target) -> str:
    return f"- **{markdown(target.name)}** would be no target any more."


def _verdicts(ours: Gate, after: Policy, old: Target, new: Target, subject: Subject, report: Report) -> list[str]:
    """How one target's verdict, and who must agree, would change.

    What the edit would have measured elsewhere is not measured: a pull request may not choose what is read with the
    gate's own credentials.
    """
    name = f"**{markdown(new.name)}**"
    lines = []
    if old.approvals != new.approvals:
        who = "; ".join(map(str, new.approvals)) or "nobody"
        lines.append(f"- {name}: would ask for the approval of {code(who)}.")
    if (ours.policy.holdout, ours.policy.latency, ours.policy.live) != (after.holdout, after.latency, after.live):
        return [*lines, f"- {name}: measures something else, so its verdict is known after the merge."]
    judged = report if report.target.name == old.name and report.verdict else gate.evaluate(ours, subject, old.name)
    anew = gate.evaluate(replace(ours, policy=after), subject, new.name)
    was, would = (r.verdict.outcome if r.verdict else "error" for r in (judged, anew))
    said = f"stays **{was}**" if was == would else f"**{was}** would become **{would}**"
    return [*lines, f"- {name}: the verdict on {code(str(anew.candidate))} {said}."]
