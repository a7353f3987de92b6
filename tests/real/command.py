"""The command line as users run it: a process of its own, judged by what it prints and how it ends."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gatewright import cli
from gatewright.cli import parts

_KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PYTHONPATH", "VIRTUAL_ENV")

LATER = """
import sys, datetime
from gatewright import cli
from gatewright.cli import parts
seconds = float(sys.argv.pop(1))
real = parts.now
parts.now = lambda: real() + datetime.timedelta(seconds=seconds)
raise SystemExit(cli.main(sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What `--json` printed."""
        assert self.out.startswith("{"), f"no JSON came out; it said: {self.err}"
        found: dict[str, Any] = json.loads(self.out)
        return found


def start(
    *arguments: str, uri: str, folder: Path, clock: float = 0.0, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts `gatewright arguments` in `folder` against `uri`, with its clock `clock` seconds ahead."""
    kept = {k: v for k, v in os.environ.items() if k in _KEEP}
    kept |= {"MLFLOW_TRACKING_URI": uri, "COLUMNS": "120", **(env or {})}
    return subprocess.Popen(
        [sys.executable, "-c", LATER, str(clock), *arguments],
        cwd=folder,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], timeout: float = 120) -> Ended:
    """Waits for a command; one that hangs is killed, which fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err)


def gatewright(
    *arguments: str, uri: str, folder: Path, clock: float = 0.0, env: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command to its end."""
    return ended(start(*arguments, uri=uri, folder=folder, clock=clock, env=env))


def within(*arguments: str, uri: str, folder: Path, clock: float = 0.0, env: Mapping[str, str] | None = None) -> Ended:
    """The same command within this process: for tests that run hundreds, where starting Python is most of the time."""
    out, err = io.StringIO(), io.StringIO()
    variables = {"MLFLOW_TRACKING_URI": uri, "COLUMNS": "120", **(env or {})}
    with placed(folder, variables, clock), redirect_stdout(out), redirect_stderr(err):
        code = cli.main(arguments)
    return Ended(code, out.getvalue(), err.getvalue())


def forked(*arguments: str, uri: str, folder: Path) -> BaseProcess:
    """Starts a command in a process that is there at once, to be killed: a fork of one that has everything imported."""
    process = FORKS.Process(target=_run, args=(arguments, uri, folder))
    process.start()
    return process


#: starts processes that are there at once
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["gatewright.cli", "requests"])


def _run(arguments: Sequence[str], uri: str, folder: Path) -> None:
    within(*arguments, uri=uri, folder=folder)


@contextmanager
def placed(folder: Path, variables: Mapping[str, str], clock: float) -> Iterator[None]:
    """Working folder, variables and clock as the command shall find them; put back afterwards."""
    before, real, place = dict(os.environ), parts.now, Path.cwd()
    os.environ.update(variables)
    os.chdir(folder)
    parts.now = lambda: real() + timedelta(seconds=clock)
    try:
        yield
    finally:
        parts.now = real
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)


def write_policy(folder: Path, model: str, targets: Sequence[str]) -> None:
    """Writes policies/MODEL.yaml with the given lines below `targets:`."""
    lines = ["version: 1", f"model: {model}", "targets:", *(f"  {line}" for line in targets), ""]
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "policy.yaml").write_text("\n".join(lines), encoding="utf-8")
