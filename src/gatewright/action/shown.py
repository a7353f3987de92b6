"""What GitHub shows of an ending: sticky comment, check run, deployment, remarks on policy lines, outputs. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gatewright.action.intent import Intent
from gatewright.action.runner import Level, Mark
from gatewright.decision import Reason
from gatewright.forge import Annotation, Check, Deployment
from gatewright.forge.marker import room
from gatewright.problem import PolicyError, Problem
from gatewright.report import data, drifted, markdown
from gatewright.report.cells import tally
from gatewright.report.markdown import Links
from gatewright.report.model import Failure, Inspection, Report, Split
from gatewright.thread import request_key
from gatewright.verdict import Result, Status

Outcome = Literal["success", "failure", "pending", "undetermined"]

#: characters that GitHub takes in a check run's summary
LONGEST_CHECK = 65_535

#: remarks of one level that GitHub shows of a step, and characters that one may well have
MOST_MARKS, LONGEST_MARK = 10, 1000

_CUT = "\n\n_The rest does not fit into a comment._\n"
_MARKER = re.compile(r"\A<!--.*?-->\n")
_LEVELS: Mapping[Status, Level] = {"fail": "error", "error": "error", "inconclusive": "error", "warn": "warning"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the run stands. url: the run's page. commit: of the trusted policy, whose files `blob` shows.

    beside: whether what the run itself remarks stands beside the pull request's head anyway.
    """

    url: str = ""
    commit: str = ""
    blob: str = ""
    beside: bool = False

    def links(self, file: str) -> Links:
        return Links(report=self.url, policy=f"{self.blob}/{file}" if self.blob else "")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be published; None or empty where there is nothing to.

    key: names the sticky comment. request: names the issue that is opened, under `title`, for a request that `waits`
    and has no thread. It is closed once that is `settled`: as done if the version `moved`. page: what an HTML
    report is about.
    """

    key: str = ""
    comment: str = ""
    request: str = ""
    title: str = ""
    waits: bool = False
    settled: bool = False
    moved: bool = False
    page: Report | Split | Inspection | None = None
    check: Check | None = None
    deployment: Deployment | None = None
    marks: tuple[Mark, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)


def of_report(report: Report, intent: Intent, place: Place, now: datetime, extra: str = "") -> Shown:
    """Everything that is shown of an evaluation, a promotion or a rollback. extra: Markdown to stand at the end."""
    name = key(report.candidate.model, report.target.name)
    links, extra = place.links(report.policy.file), _fitted(extra, room(name) // 4)
    body = markdown.comment(report, now, links=links, longest=room(name) - len(extra) - 1)
    body = "\n".join(filter(None, (_MARKER.sub("", body), extra)))
    marks = tuple(remarks(report))
    return Shown(
        key=name,
        comment=body,
        request=request_key(report.candidate.model, report.candidate.number, report.target.name),
        title=_title(report),
        waits=report.decision.kind == "pending",
        settled=_is_settled(report),
        moved=report.decision.kind != "refused",
        page=report,
        check=_check(report, intent, place, body, marks),
        deployment=deployment(report, place),
        marks=marks,
        outputs=outputs(data.document(report)),
    )


def _is_settled(report: Report) -> bool:
    """Whether a request has come to its end. A veto is none: whoever said it may lift it, which takes an open issue."""
    ends = ("promoted", "rolled_back", "noop", "refused")
    return report.decision.kind in ends and not (report.decision.kind == "refused" and report.standing.vetoed_by)


def _title(report: Report) -> str:
    target, candidate = report.target.name, report.candidate
    return f"Roll {target} back to {candidate}" if report.rollback else f"Promote {candidate} to {target}"


def of_inspection(found: Inspection, name: str) -> Shown:
    """Everything that is shown of what has drifted. name: the issue's key."""
    decision, reason = "noop", ""
    if found.findings:
        decision, reason = "evaluated", Reason.DRIFT.code
    elif found.undetermined:
        decision, reason = "error", Reason.UNDETERMINED.code
    model = found.drifts[0].model if len(found.drifts) == 1 else ""
    document = {"decision": decision, "reason": reason, "model": model, **data.document(found)}
    return Shown(
        comment=_fitted(drifted.body(found), room(name)),
        title=drifted.title(found),
        page=found,
        marks=tuple(_drifts(found)),
        outputs=outputs(document),
    )


def _drifts(found: Inspection) -> Iterator[Mark]:
    """A remark for each model, as long as there are few."""
    for drift in [d for d in found.drifts if d.findings][:MOST_MARKS]:
        said = "; ".join(f.sentence for f in drift.findings)
        yield Mark("warning", f"{drift.model}: {said}"[:LONGEST_MARK], title="Drift")
    for drift in found.undetermined[:MOST_MARKS]:
        said = "; ".join(f"{u.what}: {u.why}" for u in drift.unread)
        yield Mark("error", f"{drift.model}: {said}"[:LONGEST_MARK], title="Not determined")


def of_failure(failure: Failure, intent: Intent, place: Place) -> Shown:
    """Everything that is shown of what ended before there was anything to judge."""
    body = _MARKER.sub("", markdown.failure(failure))
    subject = failure.subject
    model = subject.model if subject else failure.model
    document = data.document(failure)
    check = None
    if intent.head:
        title = str(failure.error).splitlines()[0][:250]
        name = check_name(model, failure.target)
        check = Check(name, intent.head, "", "undetermined", title, body[:LONGEST_CHECK], url=place.url)
    return Shown(
        key=key(model, failure.target),
        comment=body,
        check=check,
        marks=tuple(_problems(failure)),
        outputs=outputs(document),
    )


def ended(decision: str, reason: Reason, because: str) -> Shown:
    """What is shown where nothing was begun: a command that may not be carried out here, or none at all."""
    level: Level = "notice" if decision == "noop" else "warning"
    document = {"schema": data.SCHEMA, "decision": decision, "reason": reason.code, "detail": because, "verdict": None}
    mark = Mark(level, f"{reason.meaning} {because[:1].upper()}{because[1:]}.".strip(), title="Gatewright")
    return Shown(comment=f"{because}\n", marks=(mark,), outputs=outputs(document))


def _fitted(body: str, limit: int) -> str:
    """Whole lines of a text, as many as there is room for."""
    if len(body) <= limit:
        return body
    kept = body[: limit - len(_CUT)]
    return kept[: kept.rfind("\n") + 1].rstrip() + _CUT


def key(model: str, target: str) -> str:
    """What one sticky comment is about."""
    return f"{model}/{target}"


def check_name(model: str, target: str) -> str:
    """The check run's name, which rules of a branch may ask for."""
    return " ".join(filter(None, ("gatewright:", model, target and f"→ {target}")))


def outputs(document: Mapping[str, object]) -> dict[str, str]:
    """The Action's outputs, those of them that a document has."""
    names = {
        "decision": "decision",
        "reason": "reason",
        "verdict": "verdict",
        "evidence-digest": "evidence_digest",
        "model": "model",
        "version": "version",
        "previous-version": "previous_version",
    }
    told = {name: _plain(document.get(source)) for name, source in names.items()}
    return {**told, "result": as_text(document)}


def as_text(document: Mapping[str, object]) -> str:
    """A result in one line."""
    return json.dumps(document, ensure_ascii=False)


def deployment(report: Report, place: Place) -> Deployment | None:
    """A move, in GitHub's history of the target. Each model has environments of its own: none ends another's."""
    kind = report.decision.kind
    if kind not in ("promoted", "rolled_back") or report.entry is None:
        return None
    candidate, target = report.candidate, report.target.name
    evidence = report.evidence.digest if report.evidence else ""
    told = {"model": candidate.model, "version": str(candidate.number), "target": target, "evidence": evidence}
    return Deployment(
        key=f"{candidate} to {target}, entry {report.entry.n}",
        ref=place.commit,
        environment=f"{candidate.model}/{target}",
        state="success",
        description=f"{candidate} holds {target}",
        url=place.url,
        payload=told,
        task="promote-model" if kind == "promoted" else "rollback-model",
    )


def remarks(report: Report) -> Iterator[Mark]:
    """One remark on the line of each check that does not simply hold."""
    for result in report.verdict.results if report.verdict else ():
        level = _LEVELS.get(result.status)
        if level is not None:
            place = result.check.place
            title = f"{result.check.title}: {_word(result)}"
            yield Mark(level, result.because, title, place.file, place.line)


def _word(result: Result) -> str:
    return {"fail": "failed", "error": "undetermined", "warn": "warns"}.get(result.status, result.status)


def _check(report: Report, intent: Intent, place: Place, body: str, marks: tuple[Mark, ...]) -> Check | None:
    if not intent.head:
        return None
    title = f"{report.decision.kind}: {tally(report.verdict)}" if report.verdict else report.decision.reason.meaning
    return Check(
        check_name(report.candidate.model, report.target.name),
        intent.head,
        report.evidence.digest if report.evidence else "",
        outcome(report),
        title[:250],
        body[:LONGEST_CHECK],
        url=place.url,
        annotations=() if place.beside else tuple(map(_annotation, marks)),
    )


def outcome(report: Report) -> Outcome:
    """What the check run says: it succeeds only if nothing stands against a move but the word to do it."""
    decision, verdict = report.decision, report.verdict
    if decision.kind in ("promoted", "noop", "rolled_back"):
        return "success"
    if decision.kind == "error" or (verdict is not None and verdict.outcome == "error"):
        return "undetermined"
    if decision.kind == "refused" or (verdict is not None and verdict.outcome != "pass"):
        return "failure"
    return "success" if report.standing.met else "pending"


def _annotation(mark: Mark) -> Annotation:
    level: Literal["failure", "warning", "notice"] = "failure" if mark.level == "error" else mark.level
    return Annotation(mark.file, max(mark.line, 1), mark.message, level, mark.title)


def _problems(failure: Failure) -> Iterator[Mark]:
    error = failure.error
    if isinstance(error, PolicyError):
        yield from map(of_problem, error.problems)
    else:
        yield Mark("error", str(error), title="Gatewright")


def of_problem(problem: Problem) -> Mark:
    """A problem where it stands in its file; a problem of an input has no file."""
    said = problem.text + (f" ({problem.hint})" if problem.hint else "")
    if not problem.line:
        return Mark("error", f"{problem.file}: {said}", "Gatewright")
    return Mark("error", said, "Policy", problem.file, problem.line)


def _plain(value: object) -> str:
    return "" if value is None else str(value)
