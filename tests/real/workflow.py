"""A step of a workflow: the real `gatewright action` as a process, with what a runner hands it and reads from it.

The process is a fork of one that has everything imported, since starting Python takes longer than most steps; the
entry point itself is held by the tests of the container, by those of the workflows, and by its benchmark.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gatewright import cli
from real.command import FORKS
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
    """A repository on the stand-in, an MLflow server, and a runner's folder. inputs, variables: of every step.

    program: what is started instead of a fork.
    """

    github: GitHub
    uri: str
    folder: Path
    inputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = ()

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

    def spawn(self, place: Path, env: Mapping[str, str]) -> Process:
        """Starts the process: event.json, output and summary lie in `place`, which is its working folder too."""
        kept = {k: v for k, v in os.environ.items() if k in _KEEP}
        files = {v: str(place / f) for v, f in FILES.items()}
        given = {**kept, **files, **env}
        return run([*self.program, "action"], given, place) if self.program else Forked(given, place)

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


class Process(Protocol):
    """As much of a `subprocess.Popen` as a step needs."""

    @property
    def returncode(self) -> int | None: ...

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end, or raises TimeoutExpired; what was printed."""

    def kill(self) -> None: ...


class Forked:
    """A step as a fork, whose words lie in two files of its folder."""

    def __init__(self, env: Mapping[str, str], place: Path) -> None:
        self._said = (place / "stdout", place / "stderr")
        self._process = FORKS.Process(target=_act, args=(dict(env), place, self._said))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end, or raises TimeoutExpired; what was printed."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("gatewright action", timeout or 0)
        out, err = (file.read_text(encoding="utf-8") if file.exists() else "" for file in self._said)
        return out, err

    def kill(self) -> None:
        self._process.kill()


def _act(env: Mapping[str, str], place: Path, said: Sequence[Path]) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(place)
    for number, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    raise SystemExit(cli.main(["action"]))


@dataclass(frozen=True, slots=True)
class Started:
    """A step that runs."""

    process: Process
    place: Path


def finished(started: Started, timeout: float = 120) -> Step:
    """Waits for a step; one that hangs is killed, which fails the test."""
    try:
        log, errors = started.process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        started.process.kill()
        started.process.communicate()
        raise
    code = started.process.returncode
    assert code is not None
    written = (started.place / "output").read_text(encoding="utf-8")
    outputs = {m["name"]: m["value"] for m in _OUTPUT.finditer(written)}
    assert not _OUTPUT.sub("", written).strip(), f"what a runner cannot read: {written}"
    summary = (started.place / "summary").read_text(encoding="utf-8")
    return Step(code, log, errors, outputs, summary)
