"""Check runs: what stands beside a commit and, if the repository's rules ask for it, holds back a merge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewright.forge import Annotation, Check, Posted
from gatewright.forge.site import Site
from gatewright.problem import Undetermined

#: GitHub takes no more annotations in one request
BATCH = 50

#: A required check that is neutral or skipped counts as passed: nothing here ends in either.
_STATES: Mapping[str, dict[str, str]] = {
    "success": {"status": "completed", "conclusion": "success"},
    "failure": {"status": "completed", "conclusion": "failure"},
    "undetermined": {"status": "completed", "conclusion": "action_required"},
    "pending": {"status": "in_progress"},
}


def show(site: Site, check: Check) -> Posted:
    """Writes a check run, or changes the one that it already is."""
    what = f"show the check {check.name!r} on {check.head[:12]}"
    found = _find(site, what, check)
    if found is None:
        run = _create(site, what, check)
    else:
        path = (*site.path, "check-runs", str(found["id"]))
        run = site.rest.send(what, "PATCH", *path, body=_body(check))
    while _sent(run) < len(check.annotations):
        run = _annotated(site, what, run, check)
    return Posted(int(run["id"]), str(run["html_url"] or ""))


def _create(site: Site, what: str, check: Check) -> dict[str, Any]:
    body = {"name": check.name, "head_sha": check.head, **_body(check, check.annotations[:BATCH])}

    def post() -> dict[str, Any]:
        made: dict[str, Any] = site.rest.send(what, "POST", *site.path, "check-runs", body=body, repeatable=False)
        return {**made, "output": {"annotations_count": len(body["output"].get("annotations", ()))}}

    return site.rest.create(post, lambda: _find(site, what, check))


def _annotated(site: Site, what: str, run: dict[str, Any], check: Check) -> dict[str, Any]:
    """The run with at most one more batch of annotations: GitHub adds them to those that are there."""
    path, sent = (*site.path, "check-runs", str(run["id"])), _sent(run)
    body = _body(check, check.annotations[sent : sent + BATCH])

    def post() -> dict[str, Any]:
        made: dict[str, Any] = site.rest.send(what, "PATCH", *path, body=body, repeatable=False)
        return {**made, "output": {"annotations_count": sent + len(body["output"]["annotations"])}}

    def find() -> dict[str, Any] | None:
        now = site.rest.get(what, *path)
        return now if now is not None and _sent(now) > sent else None

    return site.rest.create(post, find)


def _sent(run: dict[str, Any]) -> int:
    return int(run["output"]["annotations_count"])


def _find(site: Site, what: str, check: Check) -> dict[str, Any] | None:
    """The check run to change: the newest of its name, if it is about the same evidence.

    GitHub goes by the newest run of a name, so an older one is never brought up to date in its place, and one that
    is somebody else's, perhaps a job's, is never touched.
    """
    path = (*site.path, "commits", check.head, "check-runs")
    listed = site.rest.pages(what, *path, key="check_runs", check_name=check.name, filter="latest")
    if listed is None:
        raise Undetermined(f"could not {what}", "GitHub does not know that commit", "Check that it was pushed.")
    newest = max(listed, key=lambda r: int(r["id"]), default=None)
    return newest if newest is not None and _fits(newest, check) else None


def _fits(run: dict[str, Any], check: Check) -> bool:
    """Whether a run can become this one: completed does not go back, and annotations cannot be taken back."""
    back = run["status"] == "completed" and check.outcome == "pending"
    have, want = _sent(run), len(check.annotations)
    return (
        run["external_id"] == check.external_id and not back and (have == want or (have < want and have % BATCH == 0))
    )


def _body(check: Check, annotations: tuple[Annotation, ...] = ()) -> dict[str, Any]:
    output: dict[str, Any] = {"title": check.title, "summary": check.summary}
    if check.text:
        output["text"] = check.text
    if annotations:
        output["annotations"] = [_annotation(a) for a in annotations]
    body = {"external_id": check.external_id, **_STATES[check.outcome], "output": output}
    return body | ({"details_url": check.url} if check.url else {})


def _annotation(annotation: Annotation) -> dict[str, Any]:
    place = {"path": annotation.path, "start_line": annotation.line, "end_line": annotation.line}
    made = {**place, "annotation_level": annotation.level, "message": annotation.message}
    return made | ({"title": annotation.title} if annotation.title else {})
