"""The Action's container, built from the Dockerfile and run the way GitHub's runner runs a docker action."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from real.workflow import FILES, Workflow, run

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
#: what the Dockerfile builds on, by its digest
BASE: str = "docker.io/library/" + re.findall(r"(?m)^FROM (\S+) AS base$", DOCKERFILE.read_text(encoding="utf-8"))[0]
#: what takes its place where no registry of images can be reached: this machine's distribution and its Python
STAND_IN = "localhost/gatewright-base:stand-in"
REMEDY = "needs Docker or Podman, and a network to pull the base image by, or mmdebstrap to make up another"

_CRAMPED = {"CONTAINERS_CONF": str(Path(__file__).with_name("cramped.conf"))}
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_LINKS = "ln -sf /usr/bin/python3 {0}/usr/local/bin/python && ln -sf /usr/bin/pip3 {0}/usr/local/bin/pip"
_TRUST = (
    f"cp -L {_CERTIFICATES} {{0}}{_CERTIFICATES} && printf '[global]\\ncert = {_CERTIFICATES}\\n' > {{0}}/etc/pip.conf"
)

#: where the runner mounts what, and its variables that point there
_WORKFLOW, _COMMANDS, _WORKSPACE = "/github/workflow", "/github/file_commands", "/github/workspace"
_PLACES = {"event.json": _WORKFLOW, "output": _COMMANDS, "summary": _COMMANDS}


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that builds and runs containers here. base: the image to build on, BASE or STAND_IN."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    base: str = BASE

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings}

    def run(self, *words: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """One command of the engine."""
        argv = [self.name, *words]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=timeout)

    def does(self, *words: str) -> bool:
        """Whether a command succeeds."""
        return self.run(*words).returncode == 0

    def build(self, tag: str) -> str:
        """Builds the image; returns its tag, or fails with the engine's last words."""
        words = ["build", "--network", "host", "-t", tag, "-f", str(DOCKERFILE)]
        words += [] if self.base == BASE else ["--from", self.base]
        done = self.run(*words, str(ROOT))
        assert done.returncode == 0, f"the image cannot be built:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return tag

    def inside(self, image: str, *words: str) -> str:
        """What a program in the image prints."""
        done = self.run("run", "--rm", "--entrypoint", words[0], image, *words[1:])
        assert done.returncode == 0, done.stderr
        return done.stdout


def find_engine() -> Engine | str:
    """An engine that runs containers here, or what those that are installed say instead; "" if there are none."""
    said = []
    for name, settings in (("docker", {}), ("podman", {}), ("podman", _CRAMPED)):
        if not shutil.which(name):
            continue
        found = _tried(Engine(name, settings))
        if isinstance(found, Engine):
            return found
        said.append(f"{name}: {found}")
    return "; ".join(said)


def _tried(engine: Engine) -> Engine | str:
    """The engine with its base image, pulled or made up if it is not there yet; or why it runs nothing."""
    if trouble := _trouble(engine.run("info")):
        return trouble
    if not (engine.does("image", "inspect", BASE) or engine.does("pull", "--quiet", BASE)):
        engine = replace(engine, base=STAND_IN)
        if not engine.does("image", "inspect", STAND_IN) and (trouble := _made_up(engine)):
            return trouble
    return _trouble(engine.run("run", "--rm", engine.base, "true", timeout=300)) or engine


def _trouble(done: subprocess.CompletedProcess[str]) -> str:
    """The last word of a program that failed; "" if it did not."""
    return (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1] if done.returncode else ""


def _made_up(engine: Engine) -> str:
    """Makes an image of the distribution that runs here, with the certificates that it trusts; "" or what failed."""
    if engine.name != "podman" or not shutil.which("mmdebstrap"):
        return f"{BASE} can be neither pulled nor made up"
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    lists = Path("/etc/apt")
    sources = [*sorted((lists / "sources.list.d").glob(f"{release['ID']}.sources")), lists / "sources.list"]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "base.tar")
        hooks = [w for line in (_LINKS, _TRUST) for w in ("--customize-hook", line.format('"$1"'))]
        words = ["mmdebstrap", "--variant=minbase", "--include=python3,python3-pip,python3-venv,ca-certificates"]
        words += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", *hooks]
        suite = release["VERSION_CODENAME"].strip('"')
        made = subprocess.run([*words, suite, str(archive), str(sources[0])], capture_output=True, text=True)
        path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"
        return _trouble(made) or _trouble(engine.run("import", "--quiet", "--change", path, str(archive), STAND_IN))


@dataclass
class ContainerWorkflow(Workflow):
    """A step whose action is a container. workspace: what is checked out."""

    engine: Engine = field(default_factory=lambda: Engine("docker"))
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
        words = [self.engine.name, "run", "--rm", "--network", "host", "--workdir", _WORKSPACE]
        words += ["-e", "HOME=/github/home", *(w for k in given if k != "HOME" for w in ("-e", k))]
        words += [w for here, there in mounts.items() for w in ("-v", f"{here}:{there}")]
        here = {k: v for k, v in given.items() if k != "HOME"}
        return run([*words, self.image], {**self.engine.environment, **here}, place)
