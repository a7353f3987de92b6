"""Where a version comes from: its run, code, data and files."""

from __future__ import annotations

import re

from gatewright.evidence import Fact
from gatewright.measure.quoting import ident, quoted, several
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow
from gatewright.registry import Run

ROWS = (
    PathRow(
        "lineage",
        "run",
        "text",
        "the id of the source run, if that run still exists",
        "register the model from the run that trained it",
    ),
    PathRow(
        "lineage",
        "git_commit",
        "text",
        "the git commit of the training code, as MLflow recorded it",
        "train from a script inside a git checkout, or set the run tag mlflow.source.git.commit",
    ),
    PathRow(
        "lineage",
        "dataset",
        "text",
        "the digests of the datasets that the run declares as inputs",
        "declare them while training: mlflow.log_input(mlflow.data.from_pandas(frame))",
    ),
    PathRow(
        "lineage",
        "source",
        "text",
        "the script, notebook or project that ran",
        "train from a script or project, or set the run tag mlflow.source.name",
    ),
    PathRow(
        "artifact",
        "scheme",
        "text",
        "the kind of store that holds the model's files: s3, gs, abfss, mlflow-artifacts, file, …",
        "log the model into an experiment whose artifact location is in the store that the policy asks for",
    ),
    PathRow(
        "artifact",
        "uri",
        "text",
        "where the model's files are, without credentials and query",
        "log the model into an experiment whose artifact location is in the store that the policy asks for",
    ),
)

_COMMIT_TAGS = ("mlflow.source.git.commit", "mlflow.databricks.gitRepoCommit")
_SOURCE_TAGS = ("mlflow.source.name", "mlflow.databricks.notebookPath")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_PASSWORD = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+://)[^/?#@]*:[^/]*@")
_DIRTY_TAG = "mlflow.source.git.dirty"

#: sources that name a model, or a run, and not a place
_INDIRECT = ("models", "runs")


def collect(path: Path, reading: Reading) -> Fact:
    """The part of a version's origin that a path names."""
    if path.family == "artifact":
        return _artifact(path, reading)
    if path.key == "run":
        return _run(path, reading)
    if path.key == "dataset":
        return _dataset(path, reading)
    return _tagged(path, reading, _COMMIT_TAGS if path.key == "git_commit" else _SOURCE_TAGS)


def _run(path: Path, reading: Reading) -> Fact:
    gap = reading.run_gap
    if gap:
        return reading.missing(path, gap)
    return reading.known(path, reading.version.run_id, f"registry, {reading.name}", at=reading.registered)


def _origins(reading: Reading) -> list[tuple[str, Run]]:
    """Whatever may tell where a version comes from, the run first, with words for it."""
    run = None if reading.run_gap else reading.run
    found = (("run", run), ("logged model", reading.logged))
    return [(f"{kind} {ident(origin.id)}", origin) for kind, origin in found if origin is not None]


def _tagged(path: Path, reading: Reading, tags: tuple[str, ...]) -> Fact:
    for words, origin in _origins(reading):
        for tag in tags:
            if origin.tags.get(tag):
                dirty = path.key == "git_commit" and origin.tags.get(_DIRTY_TAG, "").lower() == "true"
                why = "the checkout held changes that were not committed" if dirty else ""
                return reading.known(path, origin.tags[tag], f"{words}, tag {tag}", why=why)
    what = "git commit" if path.key == "git_commit" else "source"
    return reading.missing(path, reading.run_gap or f"MLflow recorded no {what} for {reading.name}")


def _dataset(path: Path, reading: Reading) -> Fact:
    for words, origin in _origins(reading):
        named = sorted({(d.digest, d.name) for d in origin.datasets if d.digest})
        if named:
            digests = ", ".join(sorted({digest for digest, _ in named}))
            why = several((f"{quoted(name)} {ident(digest)}" for digest, name in named), 8)
            return reading.known(path, digests, words, why=f"datasets: {why}")
    return reading.missing(path, reading.run_gap or f"the run of {reading.name} declares no dataset")


def _artifact(path: Path, reading: Reading) -> Fact:
    uri, source = location(reading)
    if not uri:
        return reading.missing(path, f"the registry names no place for the files of {reading.name}", source)
    if scheme(uri) in _INDIRECT:
        why = f"{quoted(uri)} names a model or a run, and the registry does not say where its files are"
        return reading.unreadable(path, why, source)
    return reading.known(path, scheme(uri) if path.key == "scheme" else public(uri), source)


def location(reading: Reading) -> tuple[str, str]:
    """Where the files of a version are, and who says so."""
    origin = reading.origin
    indirect = scheme(origin)
    if indirect == "models" and (logged := reading.logged) is not None:
        return _folder(logged) or origin, f"logged model {ident(logged.id)}"
    if indirect == "runs" and (run := reading.run) is not None:
        path = origin.removeprefix(f"runs:/{run.id}/")
        found = _folder(run) if path != origin else ""
        return f"{found}/{path}" if found else origin, f"run {ident(run.id)}"
    return origin, f"source of {reading.name}"


def _folder(origin: Run) -> str:
    return origin.location.rstrip("/")


def scheme(uri: str) -> str:
    """The scheme of an artifact URI in lower case; `file` for a plain path, of Windows too."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else "file"


def public(uri: str) -> str:
    """The URI without password and query, where storage keys and access tokens sit.

    A name before the @ stays: in `abfss://container@account` it is the container.
    """
    return uri if scheme(uri) == "file" else _PASSWORD.sub(r"\1", uri).partition("?")[0]
