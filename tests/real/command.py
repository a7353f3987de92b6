"""The command line as users run it: a process of its own, judged by what it prints and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PYTHONPATH", "VIRTUAL_ENV")

_LATER = """
import sys, datetime
from gatewright import cli
seconds = float(sys.argv.pop(1))
real = cli.now
cli.now = lambda: real() + datetime.timedelta(seconds=seconds)
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
        [sys.executable, "-c", _LATER, str(clock), *arguments],
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


def write_policy(folder: Path, model: str, targets: Sequence[str]) -> None:
    """Writes policies/MODEL.yaml with the given lines below `targets:`."""
    lines = ["version: 1", f"model: {model}", "targets:", *(f"  {line}" for line in targets), ""]
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "policy.yaml").write_text("\n".join(lines), encoding="utf-8")
