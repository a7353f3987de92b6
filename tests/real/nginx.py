"""A real nginx in a folder of its own, which reads its split anew when it is told to."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from real.process import free_port, running

REMEDY = "install nginx (apt-get install nginx, or brew install nginx)"


def find_nginx() -> Path | None:
    """The program, which Debian keeps where only root looks."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    return Path(found) if found else None


class Answer(NamedTuple):
    """What came back: the body, and the version that the router says it is from."""

    body: str
    version: int


class Nginx:
    """One server on 127.0.0.1; `location`: what it does with the variables that a split sets."""

    def __init__(self, program: Path, folder: Path, location: str) -> None:
        self.program, self.folder, self.port = program, folder, free_port()
        scratch = "".join(
            f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\npid {folder}/pid;\nworker_processes 1;\nevents {{}}\nhttp {{\n    access_log off;\n{scratch}"
            f"    include {folder}/split.conf;\n    server {{\n        listen 127.0.0.1:{self.port};\n"
            f"        keepalive_requests 1000000;\n        location / {{\n{location}        }}\n    }}\n}}\n"
        )

    def _argv(self) -> list[str]:
        return [str(self.program), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def check(self, split: str) -> str:
        """What `nginx -t` has against a split; "" for nothing."""
        (self.folder / "split.conf").write_text(split)
        done = subprocess.run([*self._argv(), "-t"], capture_output=True, text=True)
        return "" if done.returncode == 0 and "[warn]" not in done.stderr else done.stderr

    @contextmanager
    def running(self, split: str) -> Iterator[Nginx]:
        """Serves a split until the block ends."""
        assert self.check(split) == ""
        argv = self._argv()
        with running(argv, ready=self._listens, log=self.folder / "log", stop_signal=signal.SIGTERM) as process:
            self._process = process
            yield self

    def reload(self, split: str) -> None:
        """Another split, as `nginx -s reload` takes it up; returns when no worker has the old one."""
        before = self._workers()
        assert self.check(split) == ""
        self._process.send_signal(signal.SIGHUP)
        while before & self._workers() or not self._workers():
            assert self._process.poll() is None

    def _workers(self) -> set[str]:
        argv = ["pgrep", "-P", str(self._process.pid)]
        return set(subprocess.run(argv, capture_output=True, text=True).stdout.split())

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def ask(
        self, units: Sequence[str], header: str, body: bytes = b"", path: str = "/invocations"
    ) -> Mapping[str, Answer]:
        """What each unit gets, one request a unit, "" without the header; every answer must be a 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        found = {}
        for unit in units:
            headers = {"Content-Type": "application/json"}
            if unit:
                headers[header] = unit.encode().decode("latin-1")
            connection.request("POST" if body else "GET", path, body, headers)
            answer = connection.getresponse()
            content = answer.read().decode()
            assert answer.status == 200, content
            found[unit] = Answer(content, int(answer.getheader("X-Gatewright-Version") or 0))
        connection.close()
        return found
