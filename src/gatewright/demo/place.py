"""Where the demo takes place: a folder of its own, and nothing of the user's MLflow in reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatewright.problem import UsageError

#: variables that would lead MLflow, or anything it starts, to the user's own servers
_STEERING = ("MLFLOW_", "DATABRICKS_")

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TQDM_DISABLE": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def place(keep: str | None) -> Iterator[Path]:
    """A folder to work in, which is the working folder meanwhile; removed afterwards unless it is to be kept.

    MLflow makes folders where it is started, and reads variables when it is imported: so both are ours from before
    the import until the end. Raises UsageError where `keep` cannot be a new folder.
    """
    root = _kept(keep) if keep else Path(tempfile.mkdtemp(prefix="gatewright-demo-")).resolve()
    before, here = dict(os.environ), Path.cwd()
    for name in [n for n in os.environ if n.startswith(_STEERING)]:
        del os.environ[name]
    os.environ.update(_QUIET)
    os.chdir(root)
    try:
        yield root
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


def _kept(keep: str) -> Path:
    root = Path(keep).expanduser().resolve()
    if any(c in str(root) for c in "?#%"):
        raise UsageError(f"{keep} cannot be part of a database's address", "choose a name without ? # %")
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = any(root.iterdir())
    except OSError as error:
        raise UsageError(f"{keep} cannot be made: {error.strerror}", "choose another folder") from error
    if taken:
        raise UsageError(f"{keep} is not empty", "choose a new folder; the demo never writes into what is there")
    return root
