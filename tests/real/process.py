"""Child processes of a test: started on a free port, waited for, and stopped by their own id whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: How long a server may take to answer. Generous: a slow machine is no failed test.
PATIENCE = 180.0


class DidNotStart(Exception):
    """A server ended, or stayed silent, before it was ready; the text holds its last words."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    ready: Callable[[], bool],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends; `ready` is asked until it answers True.

    The server leads a process group of its own, so that its workers end with it. `user` is (uid, gid).
    """
    as_user: dict[str, Any] = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    with log.open("ab") as sink:
        process = subprocess.Popen(
            list(map(str, argv)),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            **as_user,
        )
    try:
        with _leash(process.pid):
            _wait(process, ready, log)
            yield process
    finally:
        _stop(process, stop_signal)


@contextmanager
def _leash(leader: int) -> Iterator[None]:
    """Ends the group if this process dies before it can do so itself: the pipe then has no other end any more."""
    words = ["sh", "-c", 'read -r _ || kill -s KILL -- "-$1"', "leash", str(leader)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as holder:
        assert holder.stdin is not None
        try:
            yield
        finally:
            holder.stdin.write(b"\n")
            holder.stdin.flush()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None:
            raise DidNotStart(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise DidNotStart(f"{process.args!r} was not ready after {PATIENCE:.0f} s:\n{_tail(log)}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    _signal_group(process.pid, stop_signal)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def absent(part: str, remedy: str) -> None:
    """Skips the test for want of `part`; fails it where GATEWRIGHT_REQUIRE (comma-separated) lists the part."""
    required = os.environ.get("GATEWRIGHT_REQUIRE", "").replace(" ", "").split(",")
    if part in required:
        pytest.fail(f"{part} is required here (GATEWRIGHT_REQUIRE) and absent: {remedy}")
    pytest.skip(f"{part} is absent: {remedy}")
