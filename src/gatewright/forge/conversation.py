"""Reading a thread: an issue or pull request, its comments and the people behind its commits, all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gatewright.forge import Comment, Person, Thread
from gatewright.forge.graphql import NoGraphQL
from gatewright.forge.marker import key_of
from gatewright.forge.rest import PAGE
from gatewright.forge.site import Site, from_graphql, from_rest
from gatewright.problem import Undetermined
from gatewright.thread import requested

_ACTOR = "__typename login ...on User{databaseId} ...on Bot{databaseId} ...on Mannequin{databaseId}"

_COMMENTS = f"""comments(first: 100, after: $comments) @include(if: $moreComments) {{
  pageInfo {{ hasNextPage endCursor }}
  nodes {{ fullDatabaseId body createdAt lastEditedAt isMinimized url author {{ {_ACTOR} }} editor {{ {_ACTOR} }} }}
}}"""

_USER = "login databaseId"
_AUTHORS = f"authors(first: 100) {{ totalCount nodes {{ user {{ {_USER} }} }} }}"

# `authors` has the co-authors too. 100 commits × 100 of them stay far below GitHub's limit of 500,000 nodes.
_COMMITS = f"""commits(first: 100, after: $commits) @include(if: $moreCommits) {{
  pageInfo {{ hasNextPage endCursor }}
  nodes {{ commit {{ committer {{ user {{ {_USER} }} }} {_AUTHORS} }} }}
}}"""

QUERY = f"""query(
  $owner: String!, $name: String!, $number: Int!,
  $comments: String, $commits: String, $moreComments: Boolean!, $moreCommits: Boolean!
) {{
  repository(owner: $owner, name: $name) {{
    issueOrPullRequest(number: $number) {{
      __typename
      ...on Issue {{
        title url issueState: state body lastEditedAt author {{ {_ACTOR} }} editor {{ {_ACTOR} }} {_COMMENTS}
      }}
      ...on PullRequest {{
        title url pullState: state author {{ {_ACTOR} }} headRefOid baseRefName isCrossRepository {_COMMENTS} {_COMMITS}
      }}
    }}
  }}
}}"""

#: GitHub's REST interface tells no more commits of a pull request than this
_MOST_COMMITS = 250

#: how often a thread of several pages is read for two readings to agree
_READINGS = 4

_COAUTHOR = re.compile(r"(?im)^co-authored-by:.*<(?P<id>\d+)\+(?P<login>[\w-]+)@users\.noreply\.[\w.-]+>[ \t]*$")


def read(site: Site, number: int, me: Callable[[], Person]) -> Thread | None:
    """A thread with all its comments; None if there is no such thread. me: the account that we speak for."""
    try:
        return _by_graphql(site, number, me)
    except NoGraphQL:
        return _by_rest(site, number)


def _by_graphql(site: Site, number: int, me: Callable[[], Person]) -> Thread | None:
    what = f"read the comments of #{number}"
    cursors: dict[str, str | None] = {"comments": None, "commits": None}
    found: dict[str, list[Any]] = {"comments": [], "commits": []}
    more = {"comments", "commits"}
    thread: dict[str, Any] = {}
    while more:
        wanted = {f"more{name.title()}": name in more for name in cursors}
        data = site.graphql.ask(what, QUERY, **site.about, number=number, **cursors, **wanted)
        found_thread = (data["repository"] or site.unseen(what))["issueOrPullRequest"]
        if found_thread is None:
            return None
        thread = found_thread
        for name in sorted(more):
            page = thread.get(name) or {"nodes": [], "pageInfo": {"hasNextPage": False}}
            found[name] += _whole(what, page["nodes"])
            if not page["pageInfo"]["hasNextPage"]:
                more.remove(name)
            elif page["pageInfo"]["endCursor"] in (None, cursors[name]):
                raise Undetermined(f"could not {what}", "GitHub gives the same page again", "Try again in a moment.")
            else:
                cursors[name] = page["pageInfo"]["endCursor"]
    read = _thread(number, thread, found["comments"], found["commits"])
    return replace(read, opened_for=_opened_for(thread, me))


def _opened_for(told: dict[str, Any], me: Callable[[], Person]) -> tuple[str, int, str] | None:
    """The request that we opened an issue for; None unless its text is ours from the first word to the last."""
    request = requested(key_of(told.get("body")))
    if request is None:
        return None
    writers = (told["author"], told["editor"] if told["lastEditedAt"] else told["author"])
    people = map(from_graphql, writers)
    return request if all(person and person.id == me().id for person in people) else None


def _whole(what: str, nodes: list[Any] | None) -> list[Any]:
    if nodes is None or None in nodes:
        raise Undetermined(f"could not {what}", "GitHub leaves some of them out", "Check what the token may read.")
    return nodes


def _thread(number: int, told: dict[str, Any], comments: list[Any], commits: list[Any]) -> Thread:
    authors = (a for c in commits for a in [*_all_authors(number, c), c["commit"]["committer"]] if a)
    return Thread(
        number,
        told["title"],
        from_graphql(told["author"]),
        (told.get("pullState") or told["issueState"]).lower(),
        told["url"],
        tuple(sorted(map(_comment, comments), key=lambda c: c.id)),
        told.get("headRefOid", ""),
        told.get("baseRefName", ""),
        told.get("isCrossRepository", False),
        _distinct(from_graphql(a["user"]) for a in authors),
    )


def _all_authors(number: int, node: dict[str, Any]) -> list[Any]:
    """Everybody whom a commit names: whoever stood beyond the end of a list could approve their own work."""
    told = node["commit"]["authors"]
    if told["totalCount"] > len(told["nodes"]):
        why = f"one of its commits names {told['totalCount']} authors, more than GitHub tells"
        raise Undetermined(f"could not read the commits of #{number}", why, "Squash the pull request's commits.")
    return list(told["nodes"])


def _comment(told: dict[str, Any]) -> Comment:
    return Comment(
        int(told["fullDatabaseId"]),
        from_graphql(told["author"]),
        told["body"],
        told["createdAt"],
        told["lastEditedAt"] or "",
        from_graphql(told["editor"]),
        told["isMinimized"],
        told["url"],
    )


def _distinct(people: Iterable[Person | None]) -> tuple[Person, ...]:
    return tuple({p.id: p for p in people if p}.values())


def _by_rest(site: Site, number: int) -> Thread | None:
    """The same over REST, which does not tell who changed an issue's text: nothing counts as opened for anything."""
    what = f"read the comments of #{number}"
    issue = site.rest.get(what, *site.path, "issues", str(number))
    if issue is None:
        return None
    comments = _steady_comments(site, what, number, issue["comments"])
    if comments is None:
        return None
    thread = Thread(
        number,
        issue["title"],
        from_rest(issue["user"]),
        issue["state"],
        issue["html_url"],
        tuple(sorted(map(_comment_of_rest, comments), key=lambda c: c.id)),
    )
    return _with_commits(site, thread) if issue.get("pull_request") else thread


def _steady_comments(site: Site, what: str, number: int, expected: int) -> list[Any] | None:
    """All comments, over as many pages as there are. expected: how many the issue says that it has.

    Pages are counted off by place, so a comment that is deleted between two of them moves another one across the seam,
    unread: perhaps a veto. Then the deleted one was read, and is not read again. So several pages are read until two
    readings in a row are the same.
    """
    before: list[Any] | None = None
    for _ in range(_READINGS):
        told = site.rest.pages(what, *site.path, "issues", str(number), "comments")
        if told is None or max(len(told), expected) < PAGE or told == before:
            return told
        before = told
    why = f"comments come and go while they are read, {_READINGS} times over"
    raise Undetermined(f"could not {what}", why, "Try again when the thread is quiet.")


def _comment_of_rest(told: dict[str, Any]) -> Comment:
    """REST does not tell of edits, only of changes: a comment that was touched counts as edited.

    It tells seconds: an edit within the second of the writing leaves no trace here. GraphQL would tell of it.
    """
    edited = told["updated_at"] if told["updated_at"] != told["created_at"] else ""
    author, app = from_rest(told["user"]), told.get("performed_via_github_app")
    return Comment(
        int(told["id"]),
        author,
        told["body"] or "",
        told["created_at"],
        edited,
        url=told["html_url"],
        app=str(app.get("slug") or app.get("name") or "(unnamed)") if app else "",
    )


def confirm(site: Site, comment: Comment) -> Comment | None:
    """A comment as it stands this moment, with the app that wrote it, of which GraphQL does not tell.

    None if it is gone. Another text than the one that was read is an edit since. When it was touched is no proof of
    one, for more than edits touch it, and where edits are told they were told already.
    """
    told = site.rest.get(f"read comment {comment.id} again", *site.path, "issues", "comments", str(comment.id))
    if told is None:
        return None
    now = _comment_of_rest(told)
    same = now.body.strip().splitlines() == comment.body.strip().splitlines()
    edited = comment.edited if same else now.edited or now.created
    return replace(comment, author=now.author, body=now.body, edited=edited, app=now.app)


def _with_commits(site: Site, thread: Thread) -> Thread:
    what, number = f"read the commits of #{thread.number}", str(thread.number)
    pull = site.rest.get(what, *site.path, "pulls", number)
    commits = site.rest.pages(what, *site.path, "pulls", number, "commits")
    if pull is None or commits is None:
        site.unseen(what)
    if len(commits) >= _MOST_COMMITS:
        why = f"this server tells of {_MOST_COMMITS} commits at most, so who wrote the others is not known"
        raise Undetermined(f"could not {what}", why, "Squash the pull request's commits.")
    named = [from_rest(c[who]) for c in commits for who in ("author", "committer") if c.get(who)]
    found = (m for c in commits for m in _COAUTHOR.finditer(c["commit"]["message"]))
    coauthors = [Person(m["login"], int(m["id"])) for m in found]
    # A fork that was deleted since is no repository any more.
    home = (pull["head"]["repo"] or {}).get("full_name", "")
    return Thread(
        thread.number,
        thread.title,
        thread.author,
        "merged" if pull["merged"] else thread.state,
        thread.url,
        thread.comments,
        pull["head"]["sha"],
        pull["base"]["ref"],
        home.casefold() != str(pull["base"]["repo"]["full_name"]).casefold(),
        _distinct([*named, *coauthors]),
    )
