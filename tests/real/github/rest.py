"""The stand-in's answers over REST: the published examples, filled with what is the case."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from real.github.description import published
from real.github.world import Account, CheckRun, Comment, Commit, Deployment, Repository, Thread, Token, World

REPO = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Call:
    """A request that the description knows: its path's parameters, query and body."""

    world: World
    token: Token
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    raw: bool = False

    @property
    def repository(self) -> Repository:
        return self.world.repository

    @property
    def thread(self) -> Thread | None:
        return self.repository.threads.get(int(self.path.get("issue_number") or self.path.get("pull_number") or 0))


#: status and payload; bytes are a file's own content, a list is given out page by page
Reply = tuple[int, Any]
NOT_FOUND: Reply = (404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"})


def refused(status: int, message: str) -> Reply:
    """An error as GitHub words it."""
    return status, {"message": message, "documentation_url": "https://docs.github.com/rest"}


def _user(account: Account | None) -> dict[str, Any] | None:
    """A simple user; GitHub shows deleted accounts as the user ghost."""
    account = account or Account("ghost", 10137)
    example: dict[str, Any] = published().example(f"GET {REPO}/issues/comments/{{comment_id}}", 200)["user"]
    return {**example, "login": account.login, "id": account.id, "type": account.kind}


def _comment(call: Call, thread: Thread, made: Comment) -> dict[str, Any]:
    page = "pull" if thread.head else "issues"
    return {
        **published().example(f"GET {REPO}/issues/comments/{{comment_id}}", 200),
        "id": made.id,
        "user": _user(made.author),
        "body": made.body,
        "html_url": f"https://github.com/{call.repository.full_name}/{page}/{thread.number}#issuecomment-{made.id}",
        "created_at": made.created,
        "updated_at": made.updated,
        "performed_via_github_app": _app(made.app) if made.app else None,
    }


def _app(slug: str) -> dict[str, Any]:
    """A GitHub App as REST shows it beside what it wrote."""
    links = dict.fromkeys(("external_url", "html_url"), f"https://github.com/apps/{slug}")
    at = dict.fromkeys(("created_at", "updated_at"), "2026-11-23T09:00:00Z")
    about = {"id": 37, "node_id": "MDExOkludGVncmF0aW9uMQ==", "slug": slug, "name": slug.title(), "description": None}
    return {**about, **links, **at, "owner": _user(None), "permissions": {"issues": "write"}, "events": []}


def _issue(call: Call, thread: Thread) -> dict[str, Any]:
    made = published().example(f"POST {REPO}/issues", 201)
    page = "pull" if thread.head else "issues"
    made |= {
        "number": thread.number,
        "title": thread.title,
        "body": thread.body,
        "state": thread.state,
        "state_reason": thread.reason,
        "user": _user(thread.author),
        "html_url": f"https://github.com/{call.repository.full_name}/{page}/{thread.number}",
        "labels": [{**made["labels"][0], "name": name} for name in thread.labels],
        "comments": len(thread.comments),
    }
    made.pop("pull_request", None)
    if thread.head:
        made["pull_request"] = dict.fromkeys(("diff_url", "html_url", "patch_url", "url"))
    return made  # type: ignore[no-any-return]


def _pull(call: Call, thread: Thread) -> dict[str, Any]:
    made = published().example(f"GET {REPO}/pulls/{{pull_number}}", 200)
    made["head"]["sha"] = thread.head
    made["head"]["repo"]["full_name"] = "stranger/models" if thread.fork else call.repository.full_name
    if thread.fork is None:
        made["head"]["repo"] = None
    made["base"]["repo"]["full_name"] = call.repository.full_name
    made["base"]["ref"] = call.repository.branch
    made |= {
        "number": thread.number,
        "title": thread.title,
        "state": thread.state,
        "merged": thread.merged,
        "user": _user(thread.author),
        "html_url": f"https://github.com/{call.repository.full_name}/pull/{thread.number}",
        "requested_teams": [],
    }
    return made  # type: ignore[no-any-return]


def _commit(made: Commit) -> dict[str, Any]:
    shown = published().example(f"GET {REPO}/pulls/{{pull_number}}/commits", 200)[0]
    first, *others = made.authors
    trailers = "".join(f"\nCo-authored-by: {a.login} <{a.login}@example.com>" for a in others if a)
    shown["commit"]["message"] = f"Retrain\n{trailers}"
    return {
        **shown,
        "sha": made.sha,
        "author": _user(first) if first else None,
        "committer": _user(made.committer) if made.committer else None,
    }


def _check_run(run: CheckRun) -> dict[str, Any]:
    made = published().example(f"PATCH {REPO}/check-runs/{{check_run_id}}", 200)
    made["output"] |= {
        "title": run.title,
        "summary": run.summary,
        "text": run.text,
        "annotations_count": len(run.annotations),
    }
    made |= {k: getattr(run, k) for k in ("id", "name", "head_sha", "external_id", "status", "conclusion")}
    return made  # type: ignore[no-any-return]


def _deployment(made: Deployment) -> dict[str, Any]:
    kept = ("id", "sha", "ref", "task", "environment", "description", "payload")
    example = published().example(f"POST {REPO}/deployments", 201)
    return {**example, **{k: getattr(made, k) for k in kept}, "creator": _user(made.creator)}


def _get_repository(call: Call) -> Reply:
    example = published().example(f"GET {REPO}", 200) | {"language": None}
    example.pop("source")
    owner = example["owner"] | {"login": call.repository.owner}
    kept = {"name": call.repository.name, "full_name": call.repository.full_name, "owner": owner}
    return 200, example | kept | {"default_branch": call.repository.branch}


def _get_contents(call: Call) -> Reply:
    ref, path = call.query.get("ref") or call.repository.branch, call.path["path"].strip("/")
    sha = next(
        (call.repository.refs[r] for r in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref) if r in call.repository.refs),
        ref,
    )
    tree = call.repository.trees.get(call.repository.tags.get(sha, sha))
    if tree is None:
        return refused(404, f"No commit found for the ref {ref}")
    if path in tree:
        return 200, tree[path] if call.raw else _file(path, tree[path])
    names = {name[len(path) + 1 :].split("/")[0] for name in tree if name.startswith(f"{path}/")}
    return (200, [_listed(f"{path}/{name}", tree) for name in sorted(names)]) if names else NOT_FOUND


def _listed(path: str, tree: Mapping[str, bytes]) -> dict[str, Any]:
    made = _file(path, tree.get(path, b"")) | {"type": "file" if path in tree else "dir"}
    for key in ("content", "encoding"):
        made.pop(key)
    return made


def _file(path: str, content: bytes) -> dict[str, Any]:
    shown = {"name": path.rpartition("/")[2], "path": path, "sha": "3d21ec53a331a6f037a91c368710b99387d012c1"}
    links = {"self": "https://api.github.com/x", "git": None, "html": None}
    empty = {
        "url": "https://api.github.com/x",
        "git_url": None,
        "html_url": None,
        "download_url": None,
        "_links": links,
    }
    text = base64.encodebytes(content).decode()
    return {"type": "file", **shown, "size": len(content), **empty, "content": text, "encoding": "base64"}


def _get_ref(call: Call) -> Reply:
    name = f"refs/{call.path['ref']}"
    if name not in call.repository.refs:
        return NOT_FOUND
    sha = call.repository.refs[name]
    example = published().example(f"GET {REPO}/git/ref/{{ref}}", 200)
    kind = "tag" if sha in call.repository.tags else "commit"
    return 200, {**example, "ref": name, "object": {**example["object"], "sha": sha, "type": kind}}


def _get_tag(call: Call) -> Reply:
    if call.path["tag_sha"] not in call.repository.tags:
        return NOT_FOUND
    example = published().example(f"GET {REPO}/git/tags/{{tag_sha}}", 200)
    commit_of_tag = call.repository.tags[call.path["tag_sha"]]
    return 200, {**example, "object": {**example["object"], "sha": commit_of_tag, "type": "commit"}}


def _get_permission(call: Call) -> Reply:
    login = call.path["username"].casefold()
    if login not in call.world.accounts:
        return refused(404, f"{login} is not a user")
    role = call.repository.permissions.get(login, "read")
    shown = {"maintain": "write", "triage": "read"}.get(role, role)
    return 200, {"permission": shown, "role_name": role, "user": None}


def _list_issues(call: Call) -> Reply:
    state, labels = call.query.get("state", "open"), set(filter(None, call.query.get("labels", "").split(",")))
    found = [t for t in call.repository.threads.values() if state in ("all", t.state) and labels <= set(t.labels)]
    return 200, [_issue(call, t) for t in reversed(found)]


def _post_issue(call: Call) -> Reply:
    labels = list(call.body.get("labels", ()))
    made = call.world.issue(call.token.account.login, call.body["title"], body=call.body.get("body", ""), labels=labels)
    return 201, _issue(call, made)


def _get_issue(call: Call) -> Reply:
    return (200, _issue(call, call.thread)) if call.thread else NOT_FOUND


def _patch_issue(call: Call) -> Reply:
    if call.thread is None:
        return NOT_FOUND
    call.thread.state, call.thread.reason = call.body.get("state", call.thread.state), call.body.get("state_reason")
    if call.body.get("body", call.thread.body) != call.thread.body:
        call.world.edit(call.thread, call.token.account.login, call.body["body"])
    call.thread.title = call.body.get("title", call.thread.title)
    return 200, _issue(call, call.thread)


def _list_comments(call: Call) -> Reply:
    return (200, [_comment(call, call.thread, c) for c in call.thread.comments]) if call.thread else NOT_FOUND


def _post_comment(call: Call) -> Reply:
    if call.thread is None:
        return NOT_FOUND
    if len(call.body["body"]) > 65536:
        error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": "body is too long"}
        return 422, {**refused(422, "Validation Failed")[1], "errors": [error]}
    made = call.world.comment(call.thread.number, call.token.account.login, call.body["body"])
    return 201, _comment(call, call.thread, made)


def _one_comment(call: Call, then: Callable[[Thread, Comment], Reply]) -> Reply:
    found = call.world.find_comment(int(call.path["comment_id"]))
    return then(*found) if found else NOT_FOUND


def _get_comment(call: Call) -> Reply:
    return _one_comment(call, lambda thread, made: (200, _comment(call, thread, made)))


def _patch_comment(call: Call) -> Reply:
    def change(thread: Thread, made: Comment) -> Reply:
        call.world.edit(made, call.token.account.login, call.body["body"])
        return 200, _comment(call, thread, made)

    return _one_comment(call, change)


def _delete_comment(call: Call) -> Reply:
    def remove(_: Thread, made: Comment) -> Reply:
        call.world.delete(made)
        return 204, None

    return _one_comment(call, remove)


def _post_reaction(call: Call) -> Reply:
    def react(_: Thread, made: Comment) -> Reply:
        given = (call.token.account.login, call.body["content"])
        status = 200 if given in made.reactions else 201
        if status == 201:
            made.reactions.append(given)
        example = published().example(f"POST {REPO}/issues/comments/{{comment_id}}/reactions", status)
        return status, {**example, "user": _user(call.token.account), "content": given[1]}

    return _one_comment(call, react)


def _get_pull(call: Call) -> Reply:
    return (200, _pull(call, call.thread)) if call.thread and call.thread.head else NOT_FOUND


def _list_commits(call: Call) -> Reply:
    return (200, [_commit(c) for c in call.thread.commits]) if call.thread and call.thread.head else NOT_FOUND


def _list_files(call: Call) -> Reply:
    if call.thread is None or not call.thread.head:
        return NOT_FOUND
    example = published().example(f"GET {REPO}/pulls/{{pull_number}}/files", 200)[0]
    return 200, [{**example, "filename": name} for name in call.thread.files]


def _list_checks(call: Call) -> Reply:
    name = call.query.get("check_name")
    found = [r for r in call.repository.checks if r.head_sha == call.path["ref"] and name in (None, r.name)]
    if call.query.get("filter", "latest") == "latest":
        found = list({r.name: r for r in found}.values())
    return 200, {"total_count": len(found), "check_runs": [_check_run(r) for r in reversed(found)]}


def _write_check(run: CheckRun, body: Mapping[str, Any]) -> Reply:
    output = body.get("output", {})
    if len(output.get("annotations", ())) > 50:
        return 422, {"message": "Invalid request.\n\nNo more than 50 items are allowed; 51 were supplied."}
    for key in ("name", "external_id", "status", "conclusion", "details_url"):
        setattr(run, key, body.get(key, getattr(run, key)))
    for key in ("title", "summary", "text"):
        setattr(run, key, output.get(key, getattr(run, key)))
    run.annotations += output.get("annotations", ())
    return 200, _check_run(run)


def _post_check(call: Call) -> Reply:
    run = CheckRun(call.world.next_id(), call.body["name"], call.body["head_sha"])
    status, payload = _write_check(run, call.body)
    if status == 200:
        call.repository.checks.append(run)
    return (201, payload) if status == 200 else (status, payload)


def _patch_check(call: Call) -> Reply:
    run = next((r for r in call.repository.checks if str(r.id) == call.path["check_run_id"]), None)
    return _write_check(run, call.body) if run else NOT_FOUND


def _get_check(call: Call) -> Reply:
    run = next((r for r in call.repository.checks if str(r.id) == call.path["check_run_id"]), None)
    return (200, _check_run(run)) if run else NOT_FOUND


def _list_annotations(call: Call) -> Reply:
    run = next((r for r in call.repository.checks if str(r.id) == call.path["check_run_id"]), None)
    example = published().example(f"GET {REPO}/check-runs/{{check_run_id}}/annotations", 200)[0]
    return (200, [{**example, **a} for a in run.annotations]) if run else NOT_FOUND


def _list_deployments(call: Call) -> Reply:
    def fits(made: Deployment) -> bool:
        return all(call.query.get(k) in (None, getattr(made, k)) for k in ("sha", "ref", "task", "environment"))

    return 200, [_deployment(d) for d in reversed(call.repository.deployments) if fits(d)]


def _post_deployment(call: Call) -> Reply:
    body, ref = call.body, call.body["ref"]
    sha = call.repository.refs.get(f"refs/heads/{ref}", ref)
    known = sha in call.repository.trees
    if not known:
        return refused(422, f"No ref found for: {ref}")
    made = Deployment(
        call.world.next_id(),
        sha,
        ref,
        body.get("task", "deploy"),
        body.get("environment", "production"),
        body.get("description"),
        body.get("payload", {}),
        call.token.account,
        call.world.now(),
    )
    call.repository.deployments.append(made)
    return 201, _deployment(made)


def _statuses(call: Call, then: Callable[[Deployment], Reply]) -> Reply:
    found = (d for d in call.repository.deployments if str(d.id) == call.path["deployment_id"])
    made = next(found, None)
    return then(made) if made else NOT_FOUND


def _list_statuses(call: Call) -> Reply:
    example = published().example(f"POST {REPO}/deployments/{{deployment_id}}/statuses", 201)
    return _statuses(call, lambda d: (200, [{**example, **s} for s in reversed(d.statuses)]))


def _post_status(call: Call) -> Reply:
    def add(made: Deployment) -> Reply:
        kept = ("state", "description", "environment_url", "log_url")
        made.statuses.append({k: call.body[k] for k in kept if k in call.body})
        example = published().example(f"POST {REPO}/deployments/{{deployment_id}}/statuses", 201)
        return 201, {**example, **made.statuses[-1]}

    return _statuses(call, add)


def _sees_team(call: Call) -> bool:
    return call.token.reads_teams and f"{call.path['org']}/{call.path['team_slug']}" in call.world.teams


def _get_team(call: Call) -> Reply:
    if not _sees_team(call):
        return NOT_FOUND
    example = published().example("GET /orgs/{org}/teams/{team_slug}", 200)
    example["organization"] |= {"archived_at": None}
    return 200, {**example, "slug": call.path["team_slug"], "type": "organization"}


def _get_membership(call: Call) -> Reply:
    if not _sees_team(call):
        return NOT_FOUND
    team = call.world.teams[f"{call.path['org']}/{call.path['team_slug']}"]
    state = team.get(call.path["username"].casefold())
    if state is None:
        return NOT_FOUND
    example = published().example("GET /orgs/{org}/teams/{team_slug}/memberships/{username}", 200)
    return 200, {**example, "state": state, "role": "member"}


def _get_user(call: Call) -> Reply:
    account = call.world.accounts.get(call.path["username"].casefold())
    if account is None:
        return NOT_FOUND
    example = published().example("GET /users/{username}", 200)
    return 200, {**example, "login": account.login, "id": account.id, "type": account.kind}


def _post_dispatch(call: Call) -> Reply:
    call.repository.dispatches.append((call.body["event_type"], call.body.get("client_payload", {})))
    return 204, None


def _get_viewer(call: Call) -> Reply:
    if call.token.installation:
        return refused(403, "Resource not accessible by integration")
    example, account = published().example("GET /user", 200), call.token.account
    return 200, {**example, "login": account.login, "id": account.id}


ANSWERS: Mapping[str, Callable[[Call], Reply]] = {
    f"GET {REPO}": _get_repository,
    f"GET {REPO}/contents/{{path}}": _get_contents,
    f"GET {REPO}/git/ref/{{ref}}": _get_ref,
    f"GET {REPO}/git/tags/{{tag_sha}}": _get_tag,
    f"GET {REPO}/collaborators/{{username}}/permission": _get_permission,
    f"GET {REPO}/issues": _list_issues,
    f"POST {REPO}/issues": _post_issue,
    f"GET {REPO}/issues/{{issue_number}}": _get_issue,
    f"PATCH {REPO}/issues/{{issue_number}}": _patch_issue,
    f"GET {REPO}/issues/{{issue_number}}/comments": _list_comments,
    f"POST {REPO}/issues/{{issue_number}}/comments": _post_comment,
    f"GET {REPO}/issues/comments/{{comment_id}}": _get_comment,
    f"PATCH {REPO}/issues/comments/{{comment_id}}": _patch_comment,
    f"DELETE {REPO}/issues/comments/{{comment_id}}": _delete_comment,
    f"POST {REPO}/issues/comments/{{comment_id}}/reactions": _post_reaction,
    f"GET {REPO}/pulls/{{pull_number}}": _get_pull,
    f"GET {REPO}/pulls/{{pull_number}}/commits": _list_commits,
    f"GET {REPO}/pulls/{{pull_number}}/files": _list_files,
    f"GET {REPO}/commits/{{ref}}/check-runs": _list_checks,
    f"POST {REPO}/check-runs": _post_check,
    f"GET {REPO}/check-runs/{{check_run_id}}": _get_check,
    f"PATCH {REPO}/check-runs/{{check_run_id}}": _patch_check,
    f"GET {REPO}/check-runs/{{check_run_id}}/annotations": _list_annotations,
    f"GET {REPO}/deployments": _list_deployments,
    f"POST {REPO}/deployments": _post_deployment,
    f"GET {REPO}/deployments/{{deployment_id}}/statuses": _list_statuses,
    f"POST {REPO}/deployments/{{deployment_id}}/statuses": _post_status,
    f"POST {REPO}/dispatches": _post_dispatch,
    "GET /orgs/{org}/teams/{team_slug}": _get_team,
    "GET /orgs/{org}/teams/{team_slug}/memberships/{username}": _get_membership,
    "GET /user": _get_viewer,
    "GET /users/{username}": _get_user,
}


def page_of(items: Sequence[Any], query: Mapping[str, str]) -> tuple[Sequence[Any], bool]:
    """One page of a list, and whether there is a further one."""
    size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
    return items[(number - 1) * size : number * size], number * size < len(items)
