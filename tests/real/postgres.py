"""A real PostgreSQL: a cluster of its own in a temporary folder, gone when the block ends."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real.process import free_port, running

REMEDY = "install PostgreSQL's server (apt-get install postgresql, or brew install postgresql)"


def find_postgres() -> Path | None:
    """The folder with `initdb` and `postgres`: from PATH, else Debian's newest."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return next((f for f in found if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Runs a cluster on a free port of 127.0.0.1 and yields its SQLAlchemy address.

    PostgreSQL refuses root, so under root it runs as `postgres` or `nobody`. It keeps nothing: fsync is off.
    """
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="gatewright-pg-"))
    try:
        password = secrets.token_hex(16)
        _init(programs, folder, password, user)
        port = free_port()
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"]
        with running(
            [programs / "postgres", "-D", folder / "data", "-p", str(port), *(f"-c{s}" for s in settings)],
            ready=lambda: _accepts(port, password),
            log=folder / "log",
            user=user,
            stop_signal=signal.SIGINT,
        ):
            yield f"postgresql+psycopg2://gate:{password}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return entry.pw_uid, entry.pw_gid


def _init(programs: Path, folder: Path, password: str, user: tuple[int, int] | None) -> None:
    secret = folder / "password"
    secret.write_text(password)
    if user:
        for path in (folder, secret):
            os.chown(path, *user)
    subprocess.run(
        [
            *(programs / "initdb", "-D", folder / "data", "-U", "gate", "--pwfile", secret),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        cwd="/",
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )


def _accepts(port: int, password: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(host="127.0.0.1", port=port, user="gate", password=password, dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True
