"""A real Envoy that reads a split as `route` writes it, and servers that say their name."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from real.process import free_port, running

REMEDY = "install Envoy (python3 dev setup does on Linux)"


def find_envoy() -> Path | None:
    """Envoy of this environment, else of PATH."""
    beside = Path(sys.executable).parent / "envoy"
    found = beside if beside.exists() else shutil.which("envoy")
    return Path(found) if found else None


def bootstrap(split: str, port: int) -> dict[str, Any]:
    """A whole configuration around a split: what it leaves to whoever runs Envoy is one listener."""
    parts = yaml.safe_load(split)
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    manager = {"@type": kind, "stat_prefix": "in", **{k: parts[k] for k in ("route_config", "http_filters")}}
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    listener = {"name": "in", "address": address, "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": parts["clusters"]}}


class Envoy:
    """One proxy on 127.0.0.1."""

    def __init__(self, program: Path, folder: Path, split: str) -> None:
        self.port, self._log = free_port(), folder / "log"
        file = folder / "envoy.yaml"
        file.write_text(yaml.safe_dump(bootstrap(split, self.port)))
        self._argv = [str(program), "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1"]

    def check(self) -> str:
        """What Envoy has against the configuration; "" for nothing."""
        done = subprocess.run([*self._argv, "--mode", "validate"], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr

    @contextmanager
    def running(self) -> Iterator[Envoy]:
        """Serves until the block ends."""
        with running(self._argv, ready=self._listens, log=self._log):
            yield self

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def ask(self, units: Sequence[str], header: str, **more: str) -> Mapping[str, tuple[str, str]]:
        """Each unit's answer, and the version that the router says it is from. more: headers of every request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        found = {}
        for unit in units:
            headers = {name.replace("_", "-"): value for name, value in more.items()}
            if unit:
                headers[header] = unit.encode().decode("latin-1")
            connection.request("GET", "/invocations", headers=headers)
            answer = connection.getresponse()
            content = answer.read().decode()
            assert answer.status == 200, content
            found[unit] = content, answer.getheader("x-gatewright-version", "")
        connection.close()
        return found


@contextmanager
def saying(text: str) -> Iterator[str]:
    """A server that answers every request with one text; its HOST:PORT."""

    class Says(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: sent apart, each answer would wait for the client's delayed acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            """Answers."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing of it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
