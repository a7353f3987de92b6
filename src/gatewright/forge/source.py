"""Reading files of the repository at a ref, without a checkout."""

from __future__ import annotations

import re
from typing import Any

from gatewright.forge import Files
from gatewright.forge.graphql import NoGraphQL
from gatewright.forge.site import Site
from gatewright.policy.document import decode
from gatewright.problem import PolicyError, Problem, Undetermined

_WANTED = (".yaml", ".yml")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_BLOB = "...on Blob{text isTruncated}"
_TREE = f"file(path: $path) {{ type object {{ {_BLOB} ...on Tree{{entries{{name type object{{{_BLOB}}}}}}} }} }}"
_TARGET = f"{{ __typename oid ...on Commit{{{_TREE}}} ...on Tag{{target{{__typename oid ...on Commit{{{_TREE}}}}}}} }}"

_QUERY = f"""query($owner: String!, $name: String!, $path: String!, $branch: String!, $tag: String!, $oid: GitObjectID,
  $byName: Boolean!, $byId: Boolean!, $byDefault: Boolean!) {{
  repository(owner: $owner, name: $name) {{
    defaultBranchRef @include(if: $byDefault) {{ name target {_TARGET} }}
    branch: ref(qualifiedName: $branch) @include(if: $byName) {{ target {_TARGET} }}
    tag: ref(qualifiedName: $tag) @include(if: $byName) {{ target {_TARGET} }}
    object(oid: $oid) @include(if: $byId) {_TARGET}
  }}
}}"""


def read(site: Site, path: str, ref: str = "") -> Files | None:
    """The YAML files of a folder, or one file, at a branch, tag, full ref or commit; "" is the default branch."""
    path = path.strip("/").removeprefix("./")
    try:
        return _by_graphql(site, path, ref)
    except NoGraphQL:
        return _by_rest(site, path, ref)


def default_branch(site: Site, what: str) -> str:
    """The full name of the default branch."""
    repository = site.rest.get(what, *site.path) or site.unseen(what)
    return f"refs/heads/{repository['default_branch']}"


def _names(ref: str) -> tuple[str, str]:
    """The branch and the tag that a ref may mean: looked up in full, lest a tag pass for a branch."""
    if ref.startswith("refs/"):
        return ref, ref
    return f"refs/heads/{ref}", f"refs/tags/{ref}"


def _by_graphql(site: Site, path: str, ref: str) -> Files | None:
    what = f"read {path} at {ref or 'the default branch'}"
    branch, tag = _names(ref)
    commit = bool(_COMMIT.fullmatch(ref))
    how = {"byDefault": not ref, "byId": commit, "byName": bool(ref) and not commit}
    given = {"path": path, "branch": branch, "tag": tag, "oid": ref if commit else None}
    data = site.graphql.ask(what, _QUERY, **site.about, **given, **how)
    repository = data["repository"] or site.unseen(what)
    if commit:
        return _files(site, what, path, ref, repository["object"])
    if not ref:
        head = repository["defaultBranchRef"]
        return _files(site, what, path, f"refs/heads/{head['name']}", head["target"]) if head else None
    full, named = (branch, repository["branch"]) if repository["branch"] else (tag, repository["tag"])
    return _files(site, what, path, full, named and named["target"])


def _files(site: Site, what: str, path: str, ref: str, target: dict[str, Any] | None) -> Files | None:
    commit = target["target"] if target and target["__typename"] == "Tag" else target
    if not commit or commit["__typename"] != "Commit" or not commit["file"]:
        return None
    entry, folder = commit["file"]["object"], commit["file"]["type"] == "tree"
    blobs = (
        {f"{path}/{e['name']}": e["object"] for e in entry["entries"] if e["type"] == "blob"}
        if folder
        else {path: entry}
    )
    oid = commit["oid"]
    wanted = {p: b for p, b in blobs.items() if not folder or p.endswith(_WANTED)}
    return Files(ref, oid, {p: _text(site, what, p, oid, b) for p, b in wanted.items()})


def _text(site: Site, what: str, path: str, commit: str, blob: dict[str, Any]) -> str:
    if blob.get("text") is not None and not blob["isTruncated"]:
        return str(blob["text"]).removeprefix("\ufeff")
    return _raw(site, what, path, commit)


def _raw(site: Site, what: str, path: str, commit: str) -> str:
    content = site.rest.file(what, *site.path, "contents", *path.split("/"), ref=commit)
    if content is None:
        raise Undetermined(f"could not {what}", f"{path} was listed but cannot be read", "Try again in a moment.")
    text = decode(path, content)
    if isinstance(text, Problem):
        raise PolicyError([text])
    return text.removeprefix("\ufeff")


def _by_rest(site: Site, path: str, ref: str) -> Files | None:
    what = f"read {path} at {ref or 'the default branch'}"
    found = _commit(site, what, ref)
    if found is None:
        return None
    full, commit = found
    listed = site.rest.get(what, *site.path, "contents", *path.split("/"), ref=commit)
    if listed is None:
        return None
    files = (
        [e["path"] for e in listed if e["type"] == "file" and e["name"].endswith(_WANTED)]
        if isinstance(listed, list)
        else [path]
    )
    return Files(full, commit, {p: _raw(site, what, p, commit) for p in files})


def _commit(site: Site, what: str, ref: str) -> tuple[str, str] | None:
    """The full name of a ref and its commit."""
    if _COMMIT.fullmatch(ref):
        return ref, ref
    for name in dict.fromkeys(_names(ref or default_branch(site, what))):
        found = site.rest.get(what, *site.path, "git", "ref", *name.removeprefix("refs/").split("/"))
        if found is not None and found["object"]["type"] == "tag":
            found = site.rest.get(what, *site.path, "git", "tags", found["object"]["sha"])
        if found is not None:
            return name, found["object"]["sha"]
    return None
