"""The Action's container, built from the Dockerfile and run the way GitHub's runner runs a docker action."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from real.workflow import FILES, Workflow, run

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.12-slim"
REMEDY = f"needs Docker or Podman, and the image {BASE} or a way to pull it"

#: where the runner mounts what, and its variables that point there
_WORKFLOW, _COMMANDS, _WORKSPACE = "/github/workflow", "/github/file_commands", "/github/workspace"
_PLACES = {"event.json": _WORKFLOW, "output": _COMMANDS, "summary": _COMMANDS}


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that builds and runs containers here."""

    name: str

    def run(self, *words: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """One command of the engine."""
        return subprocess.run([self.name, *words], capture_output=True, text=True, timeout=timeout)

    def build(self, tag: str) -> str:
        """Builds the image; returns its tag, or fails with the engine's last words."""
        done = self.run("build", "--network", "host", "-t", tag, "-f", str(ROOT / "Dockerfile"), str(ROOT))
        assert done.returncode == 0, f"the image cannot be built:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return tag

    def inside(self, image: str, *words: str) -> str:
        """What a program in the image prints."""
        done = self.run("run", "--rm", "--entrypoint", words[0], image, *words[1:])
        assert done.returncode == 0, done.stderr
        return done.stdout


def find_engine() -> Engine | None:
    """An engine that can run the base image; None if there is none."""
    for name in ("docker", "podman"):
        if shutil.which(name) and Engine(name).run("run", "--rm", BASE, "true", timeout=300).returncode == 0:
            return Engine(name)
    return None


@dataclass
class ContainerWorkflow(Workflow):
    """A step whose action is a container. workspace: what is checked out."""

    engine: str = ""
    image: str = ""
    workspace: Mapping[str, str] = field(default_factory=dict)

    def spawn(self, place: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
        """Mounts and variables as the runner has them; values go by the environment, so that no list shows them."""
        for folder in ("workflow", "file_commands", "home", "workspace"):
            (place / folder).mkdir()
        for name, text in self.workspace.items():
            (place / "workspace" / name).write_text(text, encoding="utf-8")
        mounts = {place / "workflow": _WORKFLOW, place / "file_commands": _COMMANDS}
        mounts |= {place / "home": "/github/home", place / "workspace": _WORKSPACE}
        given = {**env, "GITHUB_WORKSPACE": _WORKSPACE, "HOME": "/github/home"}
        for variable, file in FILES.items():
            target = place / _PLACES[file].rpartition("/")[2] / file
            (place / file).rename(target)
            (place / file).symlink_to(target)
            given[variable] = f"{_PLACES[file]}/{file}"
        words = [self.engine, "run", "--rm", "--network", "host", "--workdir", _WORKSPACE]
        words += ["-e", "HOME=/github/home", *(w for k in given if k != "HOME" for w in ("-e", k))]
        words += [w for here, there in mounts.items() for w in ("-v", f"{here}:{there}")]
        return run([*words, self.image], {**os.environ, **{k: v for k, v in given.items() if k != "HOME"}}, place)
