"""Comments and issues of our own: found by a hidden marker and our account's id, and never read for facts."""

from __future__ import annotations

from typing import Any

from gatewright.forge import Person, Posted, Reaction
from gatewright.forge.marker import bears, marked, same
from gatewright.forge.site import Site

LABEL = "gatewright"


def comment(site: Site, me: Person, number: int, key: str, body: str) -> Posted:
    """Makes the one comment that `key` names say this: posts it if it is gone, changes it, removes its doubles."""
    what, full = f"show the result in #{number}", marked(key, body)
    oldest = _only(site, me, number, key, what)
    if oldest is not None and same(oldest["body"], full):
        return _posted(oldest)
    if oldest is not None and site.rest.change(what, "PATCH", *_address(site, oldest), body={"body": full}):
        return _posted(oldest)

    def post() -> Posted:
        sent = {"body": full}
        path = (*site.path, "issues", str(number), "comments")
        return _posted(site.rest.send(what, "POST", *path, body=sent, repeatable=False))

    made = site.rest.create(post, lambda: _first(_own(site, me, number, key, what)))
    # Another run may have posted in the same moment: both then keep the older comment.
    kept = _only(site, me, number, key, what)
    if kept is not None and kept["id"] != made.id:
        site.rest.change(what, "PATCH", *_address(site, kept), body={"body": full})
    return _posted(kept) if kept else made


def react(site: Site, id: int, reaction: Reaction) -> None:
    """Adds a reaction; GitHub itself sees to it that there is one of a kind."""
    path = (*site.path, "issues", "comments", str(id), "reactions")
    site.rest.send("react to a comment", "POST", *path, body={"content": reaction})


def find_issue(site: Site, me: Person, key: str) -> Posted | None:
    """The oldest open issue that bears the key's marker and is ours."""
    found = _open_issue(site, me, key)
    return Posted(int(found["number"]), found["html_url"]) if found else None


def open_issue(site: Site, me: Person, key: str, title: str, body: str, labels: tuple[str, ...]) -> Posted:
    """Opens an issue, or brings the open one up to date."""
    what, full = f"open the issue {title!r}", marked(key, body)
    found = _open_issue(site, me, key)
    if found is not None:
        if not (same(found["body"], full) and found["title"] == title):
            path = (*site.path, "issues", str(found["number"]))
            site.rest.send(what, "PATCH", *path, body={"title": title, "body": full})
        return Posted(int(found["number"]), found["html_url"])

    def post() -> Posted:
        sent = {"title": title, "body": full, "labels": list(dict.fromkeys([LABEL, *labels]))}
        made = site.rest.send(what, "POST", *site.path, "issues", body=sent, repeatable=False)
        return Posted(int(made["number"]), made["html_url"])

    return site.rest.create(post, lambda: find_issue(site, me, key))


def close_issue(site: Site, number: int, done: bool) -> None:
    """Closes an issue; closing it again changes nothing."""
    sent = {"state": "closed", "state_reason": "completed" if done else "not_planned"}
    site.rest.send(f"close #{number}", "PATCH", *site.path, "issues", str(number), body=sent)


def _open_issue(site: Site, me: Person, key: str) -> dict[str, Any] | None:
    what = "look for the issue"
    listed = site.rest.pages(what, *site.path, "issues", state="open", labels=LABEL, sort="created", direction="asc")
    found = [i for i in listed or () if not i.get("pull_request") and _ours(i, me, key)]
    return min(found, key=lambda i: int(i["number"]), default=None)


def _own(site: Site, me: Person, number: int, key: str, what: str) -> list[dict[str, Any]]:
    """Our comments that bear the marker, oldest first."""
    listed = site.rest.pages(what, *site.path, "issues", str(number), "comments")
    if listed is None:
        site.unseen(what)
    return sorted((c for c in listed if _ours(c, me, key)), key=lambda c: int(c["id"]))


def _only(site: Site, me: Person, number: int, key: str, what: str) -> dict[str, Any] | None:
    """The oldest of our comments that bear the marker; the others are removed."""
    own = _own(site, me, number, key, what)
    for double in own[1:]:
        site.rest.change(what, "DELETE", *_address(site, double))
    return own[0] if own else None


def _first(found: list[dict[str, Any]]) -> Posted | None:
    return _posted(found[0]) if found else None


def _ours(told: dict[str, Any], me: Person, key: str) -> bool:
    return bool(told["user"]) and int(told["user"]["id"]) == me.id and bears(key, told["body"])


def _address(site: Site, comment: dict[str, Any]) -> tuple[str, ...]:
    return *site.path, "issues", "comments", str(comment["id"])


def _posted(told: dict[str, Any]) -> Posted:
    return Posted(int(told["id"]), str(told["html_url"]))
