"""The stand-in's answers over GraphQL, by the published types and fields in `schema.graphql`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync

from real.github.world import Account, Comment, Commit, Repository, Thread, Token, World


@cache
def schema() -> GraphQLSchema:
    """The subset beside this file."""
    return build_schema(Path(__file__).with_name("schema.graphql").read_text())


def answer(world: World, token: Token, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The JSON that answers a query, with GitHub's error types where something is wrong with it."""
    # Of the viewer alone GitHub says a bot's login in full; its type there is User.
    viewer = {**(_account(token.account) or {}), "login": token.account.login}
    root = {"viewer": viewer, "repository": _repository(world)}
    result = graphql_sync(schema(), query, root, variable_values=variables)
    made: dict[str, Any] = {"data": result.data}
    if result.errors:
        made["errors"] = [_error(e) for e in result.errors]
    return made


def _error(error: GraphQLError) -> dict[str, Any]:
    kind = (error.extensions or {}).get("type")
    if kind is None and error.message.startswith("Cannot query field"):
        return {"message": error.message, "extensions": {"code": "undefinedField"}}
    return {"type": kind, "path": error.path, "message": error.message}


def _missing(what: str) -> GraphQLError:
    return GraphQLError(f"Could not resolve to {what}.", extensions={"type": "NOT_FOUND"})


def _account(account: Account | None) -> dict[str, Any] | None:
    if account is None:
        return None
    login = account.login.removesuffix("[bot]")
    return {"__typename": account.kind, "login": login, "databaseId": account.id}


def _repository(world: World) -> Callable[..., Any]:
    repository = world.repository

    def find(_: Any, owner: str, name: str, **__: Any) -> Any:
        if f"{owner}/{name}".casefold() != repository.full_name.casefold():
            raise _missing(f"a Repository with the name '{owner}/{name}'")
        head = f"refs/heads/{repository.branch}"
        return {
            "nameWithOwner": repository.full_name,
            "defaultBranchRef": _ref(repository, head),
            "ref": lambda _, qualifiedName: _ref(repository, qualifiedName),
            "object": lambda _, oid=None, expression=None: _commit(repository, oid),
            "issueOrPullRequest": lambda _, number: _thread(repository, number),
        }

    return find


def _ref(repository: Repository, name: str) -> dict[str, Any] | None:
    sha = repository.refs.get(name)
    if sha is None:
        return None
    tagged = {"__typename": "Tag", "oid": sha, "target": _commit(repository, repository.tags.get(sha))}
    target = tagged if sha in repository.tags else _commit(repository, sha)
    return {"name": name.split("/", 2)[2], "target": target}


def _commit(repository: Repository, sha: str | None) -> dict[str, Any] | None:
    if sha not in repository.trees:
        return None
    tree = repository.trees[sha]
    return {"__typename": "Commit", "oid": sha, "file": lambda _, path: _entry(tree, path.strip("/"))}


def _entry(tree: dict[str, bytes], path: str) -> dict[str, Any] | None:
    name = path.rpartition("/")[2]
    if path in tree:
        return {"name": name, "path": path, "type": "blob", "object": _blob(tree[path])}
    names = sorted({p[len(path) + 1 :].split("/")[0] for p in tree if p.startswith(f"{path}/")})
    if not names:
        return None
    inside = {"__typename": "Tree", "oid": "0" * 40, "entries": [_entry(tree, f"{path}/{n}") for n in names]}
    return {"name": name, "path": path, "type": "tree", "object": inside}


def _blob(content: bytes) -> dict[str, Any]:
    binary, large = b"\0" in content, len(content) > 512_000
    text = None if binary else content[:512_000].decode("utf-8", "replace")
    about = {"byteSize": len(content), "isBinary": binary, "isTruncated": large}
    return {"__typename": "Blob", "oid": "0" * 40, "text": text, **about}


def _thread(repository: Repository, number: int) -> dict[str, Any]:
    thread = repository.threads.get(number)
    if thread is None:
        raise _missing(f"an issue or pull request with the number of {number}")
    shared = {
        "number": number,
        "title": thread.title,
        "author": _account(thread.author),
        "comments": _page([_comment(repository, thread, c) for c in thread.comments]),
        "url": _address(repository, thread),
    }
    if not thread.head:
        edits = {"body": thread.body, "editor": _account(thread.editor), "lastEditedAt": thread.edited}
        return {"__typename": "Issue", "state": thread.state.upper(), **edits, **shared}
    return {
        "__typename": "PullRequest",
        "state": "MERGED" if thread.merged else thread.state.upper(),
        "headRefOid": thread.head,
        "baseRefName": repository.branch,
        "isCrossRepository": thread.fork is not False,
        "commits": _page([{"commit": _authored(c)} for c in thread.commits]),
        "files": _page([{"path": path, "changeType": "MODIFIED"} for path in thread.files]),
        **shared,
    }


def _address(repository: Repository, thread: Thread) -> str:
    page = "pull" if thread.head else "issues"
    return f"https://github.com/{repository.full_name}/{page}/{thread.number}"


def _comment(repository: Repository, thread: Thread, made: Comment) -> dict[str, Any]:
    return {
        "databaseId": made.id if made.id < 2**31 else None,
        "fullDatabaseId": str(made.id),
        "author": _account(made.author),
        "body": made.body,
        "createdAt": made.created,
        "lastEditedAt": made.edited,
        "editor": _account(made.editor),
        "isMinimized": made.minimized,
        "url": f"{_address(repository, thread)}#issuecomment-{made.id}",
    }


def _authored(commit: Commit) -> dict[str, Any]:
    people = [{"user": _account(a), "name": a.login if a else "", "email": ""} for a in commit.authors]
    return {
        "__typename": "Commit",
        "oid": commit.sha,
        "authors": _page(people),
        "committer": {"user": _account(commit.committer)},
    }


def _page(items: Sequence[Any]) -> Callable[..., Any]:
    """A connection: GitHub gives at most 100 nodes and wants to be told how many."""

    def connection(_: Any, first: int | None = None, after: str | None = None, **__: Any) -> dict[str, Any]:
        if first is None or first > 100:
            raise GraphQLError(
                "You must provide a `first` of at most 100.", extensions={"type": "EXCESSIVE_PAGINATION"}
            )
        start = int(after or 0)
        end = min(start + first, len(items))
        info = {"hasNextPage": end < len(items), "endCursor": str(end) if end else None}
        return {"nodes": items[start:end], "pageInfo": info, "totalCount": len(items)}

    return connection
