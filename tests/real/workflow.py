"""A step of a workflow: the real `gatewright action` as a process, with what a runner hands it and reads from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from real.github.server import GitHub
from real.github.world import Comment, Thread

TOKEN = "ghs_workflow0000000000"

#: variable → the file that a runner makes for it
FILES = {"GITHUB_EVENT_PATH": "event.json", "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}

_KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PYTHONPATH", "VIRTUAL_ENV")
_OUTPUT = re.compile(r"^(?P<name>[\w-]+)<<(?P<word>\S+)\n(?P<value>.*?)\n(?P=word)$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^::(?P<name>[a-z-]+)(?: (?P<properties>[^:]*))?::(?P<message>.*)$", re.MULTILINE)
_STOPPED = re.compile(r"^::stop-commands::(?P<word>\S+)\n.*?^::(?P=word)::$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """How a step ended, as a runner sees it."""

    code: int
    log: str
    errors: str
    outputs: Mapping[str, str]
    summary: str

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.outputs["result"])
        return found

    @property
    def decision(self) -> tuple[str, str]:
        return self.outputs["decision"], self.outputs["reason"]

    def commands(self, *names: str) -> list[tuple[str, str]]:
        """(properties, message) of the workflow commands that the runner obeys, of the given names."""
        heard = _STOPPED.sub("", self.log)
        return [(m["properties"] or "", m["message"]) for m in _COMMAND.finditer(heard) if m["name"] in names]


@dataclass
class Workflow:
    """A repository on the stand-in, an MLflow server, and a runner's folder. inputs, variables: of every step."""

    github: GitHub
    uri: str
    folder: Path
    inputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    python: Sequence[str] = (sys.executable, "-m", "gatewright")

    def repository(self) -> dict[str, Any]:
        ours = self.github.world.repository
        owner = {"login": ours.owner}
        return {"id": 1, "full_name": ours.full_name, "default_branch": ours.branch, "owner": owner}

    def event(self, name: str, payload: Mapping[str, Any], *, ref: str = "", by: str = "anna", **inputs: str) -> Step:
        """Runs one step on an event."""
        return finished(self.start(name, payload, ref=ref, by=by, **inputs))

    def start(
        self, name: str, payload: Mapping[str, Any], *, ref: str = "", by: str = "anna", **inputs: str
    ) -> Started:
        """Starts a step; `finished` waits for it. A name's underscore is a dash."""
        world = self.github.world
        place = self.folder / f"step-{len(list(self.folder.glob('step-*')))}"
        place.mkdir()
        (place / "event.json").write_text(json.dumps({"repository": self.repository(), **payload}))
        for file in ("output", "summary"):
            (place / file).touch()
        given = {**{k.replace("_", "-"): v for k, v in (self.inputs | inputs).items()}}
        given = {"github-token": TOKEN, "tracking-uri": self.uri, **given}
        actor, branch = str(world.account(by).id), f"refs/heads/{world.repository.branch}"
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_REPOSITORY": world.repository.full_name,
            "GITHUB_REF": ref or branch,
            "GITHUB_SHA": world.repository.refs[branch],
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_API_URL": self.github.api_url,
            "GITHUB_GRAPHQL_URL": self.github.graphql_url,
            "GITHUB_ACTOR": by,
            "GITHUB_TRIGGERING_ACTOR": by,
            "GITHUB_ACTOR_ID": actor,
            **self.variables,
            **{f"INPUT_{k.upper()}": v for k, v in given.items()},
        }
        return Started(self.spawn(place, env), place)

    def spawn(self, place: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
        """Starts the process: event.json, output and summary lie in `place`, which is its working folder too."""
        kept = {k: v for k, v in os.environ.items() if k in _KEEP}
        files = {v: str(place / f) for v, f in FILES.items()}
        return run([*self.python, "action"], {**kept, **files, **env}, place)

    def opened(self, thread: Thread, *, fork: bool = False, **inputs: str) -> Step:
        """A pull request is opened, or pushed to."""
        return self.event(
            "pull_request", self.pull(thread, fork=fork), ref=f"refs/pull/{thread.number}/merge", **inputs
        )

    def pull(self, thread: Thread, *, fork: bool = False) -> dict[str, Any]:
        """The payload of a pull request."""
        head = {"sha": thread.head, "repo": {"id": 2 if fork else 1}}
        pull = {"number": thread.number, "state": "open", "head": head, "base": {"repo": {"id": 1}}}
        return {"action": "opened", "pull_request": pull}

    def commented(self, thread: Thread, comment: Comment, action: str = "created", **inputs: str) -> Step:
        """Somebody's comment starts a step."""
        return finished(self.start_commented(thread, comment, action, **inputs))

    def start_commented(self, thread: Thread, comment: Comment, action: str = "created", **inputs: str) -> Started:
        """Starts the step that a comment sets off."""
        by = comment.author.login if comment.author else "ghost"
        issue = {"number": thread.number, **({"pull_request": {"url": "…"}} if thread.head else {})}
        payload = {"action": action, "issue": issue, "comment": {"id": comment.id, "body": comment.body}}
        return self.start("issue_comment", payload, by=by, **inputs)

    def dispatched(self, *, ref: str = "", by: str = "anna", **inputs: str) -> Step:
        """Somebody starts the workflow by hand, with inputs of its own."""
        return self.event("workflow_dispatch", {"inputs": inputs}, ref=ref, by=by)


def run(argv: Sequence[str], env: Mapping[str, str], place: Path) -> subprocess.Popen[str]:
    """Starts a process whose words are collected."""
    return subprocess.Popen(argv, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@dataclass(frozen=True, slots=True)
class Started:
    """A step that runs."""

    process: subprocess.Popen[str]
    place: Path


def finished(started: Started, timeout: float = 120) -> Step:
    """Waits for a step; one that hangs is killed, which fails the test."""
    try:
        log, errors = started.process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        started.process.kill()
        started.process.communicate()
        raise
    written = (started.place / "output").read_text(encoding="utf-8")
    outputs = {m["name"]: m["value"] for m in _OUTPUT.finditer(written)}
    assert not _OUTPUT.sub("", written).strip(), f"what a runner cannot read: {written}"
    summary = (started.place / "summary").read_text(encoding="utf-8")
    return Step(started.process.returncode, log, errors, outputs, summary)
