r"""Cuts GitHub's published descriptions down to what Gatewright uses; run by hand when GitHub publishes new ones.

    npm pack @octokit/openapi @octokit/graphql-schema @octokit/webhooks-examples      # and unpack them
    python extract.py openapi/package/generated/api.github.com.json graphql-schema/package/schema.graphql \
        webhooks-examples/package/api.github.com/index.json

writes `openapi.json.gz`, `schema.graphql` and `events.json.gz` beside this file. Prose is dropped, every type and
constraint is kept; of the events, one example for each action of each, without addresses.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

OPERATIONS = """
GET /repos/{owner}/{repo}
GET /repos/{owner}/{repo}/contents/{path}
GET /repos/{owner}/{repo}/git/ref/{ref}
GET /repos/{owner}/{repo}/git/tags/{tag_sha}
GET /repos/{owner}/{repo}/collaborators/{username}/permission
GET /repos/{owner}/{repo}/issues
POST /repos/{owner}/{repo}/issues
GET /repos/{owner}/{repo}/issues/{issue_number}
PATCH /repos/{owner}/{repo}/issues/{issue_number}
GET /repos/{owner}/{repo}/issues/{issue_number}/comments
POST /repos/{owner}/{repo}/issues/{issue_number}/comments
GET /repos/{owner}/{repo}/issues/comments/{comment_id}
PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}
DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}
POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions
GET /repos/{owner}/{repo}/pulls/{pull_number}
GET /repos/{owner}/{repo}/pulls/{pull_number}/commits
GET /repos/{owner}/{repo}/pulls/{pull_number}/files
GET /repos/{owner}/{repo}/commits/{ref}/check-runs
POST /repos/{owner}/{repo}/check-runs
PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}
GET /repos/{owner}/{repo}/check-runs/{check_run_id}
GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations
GET /repos/{owner}/{repo}/deployments
POST /repos/{owner}/{repo}/deployments
GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses
POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses
POST /repos/{owner}/{repo}/dispatches
GET /orgs/{org}/teams/{team_slug}
GET /orgs/{org}/teams/{team_slug}/memberships/{username}
GET /user
GET /users/{username}
"""

FIELDS: Mapping[str, str] = {
    "Query": "viewer repository",
    "Repository": "issueOrPullRequest defaultBranchRef ref object nameWithOwner",
    "PullRequest": "number title url author state headRefOid baseRefName isCrossRepository comments commits files",
    "Issue": "number title url author state body editor lastEditedAt comments",
    "IssueComment": "databaseId fullDatabaseId author body createdAt lastEditedAt editor isMinimized url",
    "IssueCommentConnection": "nodes pageInfo totalCount",
    "PullRequestCommitConnection": "nodes pageInfo totalCount",
    "PullRequestChangedFileConnection": "nodes pageInfo totalCount",
    "PullRequestCommit": "commit",
    "PullRequestChangedFile": "path changeType",
    "Commit": "oid authors committer file",
    "GitActorConnection": "nodes pageInfo totalCount",
    "GitActor": "user name email",
    "TreeEntry": "name type object path",
    "Tree": "oid entries",
    "Blob": "oid text isBinary isTruncated byteSize",
    "Ref": "name target",
    "Tag": "oid target",
    "User": "login databaseId",
    "Bot": "login databaseId",
    "Mannequin": "login databaseId",
    "Organization": "login databaseId",
    "EnterpriseUserAccount": "login",
    "PageInfo": "hasNextPage endCursor",
    "Actor": "login",
    "GitObject": "oid",
}

#: of a payload, what nobody reads
_IDLE = ("node_id", "_links", "description", "permissions")

_PROSE = ("description", "summary", "externalDocs", "x-octokit", "x-github", "example", "x-multi-segment")


def references(node: Any) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def bare(node: Any, *, named: bool = False) -> Any:
    """A node without prose. named: its keys are names that somebody chose (properties, schemas), not keywords."""
    if isinstance(node, list):
        return [bare(child) for child in node]
    if not isinstance(node, dict):
        return node
    kept = {k: v for k, v in node.items() if named or k not in _PROSE}
    return {k: v if k == "value" else bare(v, named=not named and k == "properties") for k, v in kept.items()}


def openapi(description: Mapping[str, Any]) -> dict[str, Any]:
    """The operations above, with every component that they reach."""
    paths: dict[str, Any] = {}
    for line in OPERATIONS.split("\n"):
        if line:
            method, path = line.split()
            paths.setdefault(path, {})[method.lower()] = bare(description["paths"][path][method.lower()])
    components: dict[str, Any] = {}
    todo = list(references(paths))
    while todo:
        _, _, section, name = todo.pop().split("/")
        if name not in components.setdefault(section, {}):
            components[section][name] = bare(description["components"][section][name])
            todo += references(components[section][name])
    version = description["info"]["version"]
    return {"openapi": description["openapi"], "info": {"version": version}, "paths": paths, "components": components}


def graphql(published: str) -> str:
    """The types and fields above, and every scalar, enum and input that they reach."""
    from graphql import parse, print_ast
    from graphql.language.ast import DefinitionNode, UnionTypeDefinitionNode

    kept: list[DefinitionNode] = []
    leaves: dict[str, DefinitionNode] = {}
    for node in parse(published, no_location=True).definitions:
        name = node.name.value if getattr(node, "name", None) else ""  # type: ignore[attr-defined]
        if name in FIELDS:
            kept.append(_cut(node, FIELDS[name].split()))
        elif isinstance(node, UnionTypeDefinitionNode) and name == "IssueOrPullRequest":
            kept.append(node)
        elif node.kind in ("scalar_type_definition", "enum_type_definition", "input_object_type_definition"):
            leaves[name] = node
    text = "\n\n".join(map(print_ast, kept))
    while more := [leaves.pop(name) for name in list(leaves) if re.search(rf"\b{name}\b", text)]:
        text += "\n\n" + "\n\n".join(map(print_ast, more))
    return re.sub(r'(?s)^ *""".*?"""\n', "", text, flags=re.MULTILINE) + "\n"


def _cut(node: Any, wanted: list[str]) -> Any:
    """A type with only the wanted fields, and only the interfaces that are kept."""
    missing = set(wanted) - {f.name.value for f in node.fields}
    if missing:
        raise SystemExit(f"{node.name.value} has no {', '.join(sorted(missing))} any more")
    node.fields = tuple(f for f in node.fields if f.name.value in wanted)
    node.interfaces = tuple(i for i in node.interfaces if i.name.value in FIELDS)
    return node


def events(published: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Event → payloads as GitHub sends them, one for each action."""
    found: dict[str, list[Any]] = {}
    for event in published:
        first: dict[str, Any] = {}
        for example in event["examples"]:
            first.setdefault(example.get("action", ""), _lean(example))
        found[event["name"]] = list(first.values())
    return found


def _lean(node: Any) -> Any:
    """A payload without addresses and prose, and with two of each list."""
    if isinstance(node, list):
        return [_lean(child) for child in node[:2]]
    if not isinstance(node, dict):
        return node
    return {k: _lean(v) for k, v in node.items() if not k.endswith("url") and k not in _IDLE}


def main(rest: Path, schema: Path, payloads: Path) -> None:
    """Writes the subsets beside this file."""
    subset = json.dumps(openapi(json.loads(rest.read_text())), separators=(",", ":"), sort_keys=True)
    (HERE / "openapi.json.gz").write_bytes(gzip.compress(subset.encode(), 9, mtime=0))
    (HERE / "schema.graphql").write_text(graphql(schema.read_text()))
    told = json.dumps(events(json.loads(payloads.read_text())), separators=(",", ":"), sort_keys=True)
    (HERE / "events.json.gz").write_bytes(gzip.compress(told.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
