"""Hostile models at work: started together, because importing mlflow is what takes the time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from gatewright.measure.holdout.scorer import Limits, Scorer
from gatewright.problem import Undetermined
from hostile import attempts, models

TOKEN = "hunter2-token"
SECRETS = (
    *("MLFLOW_TRACKING_TOKEN", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "AWS_SECRET_ACCESS_KEY"),
    *("GATEWRIGHT_SIGNING_KEY", "GATEWRIGHT_ALERT_SECRET", "GATEWRIGHT_ALERT_URL"),
)

#: what each worker is told to do, with limits that make it end soon
_DEEDS = {
    "sleep": Limits(timeout_seconds=6),
    "spin": Limits(cpu_seconds=9),
    "exit": Limits(),
    "crash": Limits(),
    "hang_up": Limits(),
    "leave_a_child": Limits(),
    "forge": Limits(),
    "garble": Limits(),
    "boast": Limits(),
}


@dataclass
class Spying:
    """What a spy reports, attempt by attempt, and the worker it ran in beside another one."""

    scorer: Scorer
    reports: dict[str, str]
    connections: int


def batch(*words: str) -> pa.RecordBatch:
    """Rows that tell a hostile model what to do."""
    return pa.RecordBatch.from_pydict({"do": list(words)})


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that does what the rows say."""
    return models.save(tmp_path_factory.mktemp("hostile") / "model")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that everybody may write into, with an open and a private file."""
    folder = tmp_path_factory.mktemp("workspace")
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    folder.chmod(0o777)
    (folder / "readable").write_text("open")
    (folder / "readable").chmod(0o644)
    (folder / "secret").write_text(TOKEN)
    (folder / "secret").chmod(0o600)
    return folder


@pytest.fixture(scope="session")
def spying(hostile: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spying]:
    """A spy's loot, gathered at the moment it was unpickled, with another worker running beside it."""
    folder = tmp_path_factory.mktemp("spy") / "model"
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in SECRETS:
            patch.setenv(name, TOKEN)
        secret = stack.enter_context((workspace / "secret").open())
        os.set_inheritable(secret.fileno(), True)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(_listening(workspace / "docker.sock"))
        other = stack.enter_context(Scorer.open(hostile, label="champion", wants="label"))
        models.spy(folder, _targets(workspace, folder, other, tcp.getsockname()[1]))
        scorer = stack.enter_context(Scorer.open(folder, label="fraud/3", wants="label"))
        names = list(attempts.ATTEMPTS)
        labels = scorer.predict(batch(*names)).labels
        reports = dict(zip(names, map(str, labels), strict=True))
        # The fixture lives as long as the session, in whose other tests these names mean something.
        patch.undo()
        yield Spying(scorer, reports, _waiting(tcp) + _waiting(unix))


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    path.chmod(0o666)
    return listener


def _targets(workspace: Path, model: Path, other: Scorer, port: int) -> dict[str, str]:
    pid = other._worker.pid
    return {
        "parent": str(os.getpid()),
        "other_worker": str(pid),
        "other_scratch": os.readlink(f"/proc/{pid}/cwd"),
        "port": str(port),
        "unix_socket": str(workspace / "docker.sock"),
        "workspace": str(workspace),
        "secret": str(workspace / "secret"),
        "model": str(model),
    }


def _waiting(listener: socket.socket) -> int:
    """How many connections wait to be taken."""
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return 0
    return 1


@pytest.fixture(scope="session")
def puppet(hostile: Path) -> Iterator[Scorer]:
    """A worker whose model misbehaves in ways that the worker survives."""
    limits = Limits(memory_bytes=4 << 30, processes=100, timeout_seconds=60)
    with Scorer.open(hostile, label="fraud/3", wants="label", limits=limits) as scorer:
        yield scorer


@pytest.fixture(scope="session")
def deeds(hostile: Path) -> Iterator[dict[str, Any]]:
    """What comes of each deed that a worker does not survive: its error, its scorer, its answer if it gave one."""
    with ExitStack() as stack:
        scorers = {
            deed: stack.enter_context(Scorer.start(hostile, label="fraud/3", wants="label", limits=limits))
            for deed, limits in _DEEDS.items()
        }
        for deed, scorer in scorers.items():
            scorer.submit(batch(deed))
        yield {deed: (scorer, _outcome(scorer)) for deed, scorer in scorers.items()}


def _outcome(scorer: Scorer) -> Any:
    try:
        return scorer.collect()
    except Undetermined as e:
        return e
