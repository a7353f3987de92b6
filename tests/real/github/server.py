"""A GitHub on 127.0.0.1 that keeps a `World`, holds both sides to GitHub's description, and breaks on command."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from real.github import graph
from real.github.description import Operation, published
from real.github.rest import ANSWERS, Call, Reply, page_of, refused
from real.github.world import Token, World


@dataclass(frozen=True)
class Request:
    """A request as it arrived. path: below the API's address, without query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Says:
    """Answers in the place of GitHub, which never sees the request."""

    status: int
    body: str = "{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Breaks:
    """Ends the connection. after: once the request was carried out. half: in the middle of the answer."""

    after: bool = False
    half: bool = False


@dataclass(frozen=True)
class Waits:
    """Waits before the answer."""

    seconds: float


@dataclass(frozen=True)
class Garbles:
    """Carries the request out and answers it with something in the answer's place."""

    body: str
    status: int = 200


@dataclass(frozen=True)
class Does:
    """Calls something just before the request is carried out."""

    action: Callable[[], object]


Fault = Says | Breaks | Waits | Garbles | Does

#: what GitHub says although its description does not: a pull request from a fork that was deleted has no repository
UNDESCRIBED = "answer.head.repo: None is not of type"

LIMITED = Says(403, '{"message": "API rate limit exceeded for installation."}', {"Retry-After": "7"})
SECONDARY = Says(403, '{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}')
BAD_GATEWAY = Says(502, "<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"})


class GitHub:
    """The server; a context manager. `faults` strike matching requests, each as often as it says.

    violations: where a request, or an answer of ours, left GitHub's description: to be empty at the end of a test.
    """

    def __init__(self, world: World | None = None, *, graphql: bool = True) -> None:
        self.world, self.graphql = world or World(), graphql
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.stopping = threading.Event()
        self.lock = threading.RLock()
        self._faults: list[list[Any]] = []
        self._http = _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"github": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.api_url = f"http://127.0.0.1:{self._http.server_address[1]}/api/v3"
        self.graphql_url = self.api_url.replace("/api/v3", "/api/graphql")

    def __enter__(self) -> GitHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fault(self, fault: Fault, on: str = "", times: int = 1) -> None:
        """Strikes the next `times` requests whose `METHOD path` holds `on`."""
        with self.lock:
            self._faults.append([fault, on, times])

    def seen(self, on: str = "") -> list[str]:
        """`METHOD path` of each request so far that holds `on`."""
        with self.lock:
            return [str(r) for r in self.requests if on in str(r)]

    def struck(self, request: Request) -> Fault | None:
        """Records a request and finds what is to go wrong with it."""
        with self.lock:
            self.requests.append(request)
            for row in self._faults:
                if row[2] > 0 and row[1] in str(request):
                    row[2] -= 1
                    fault: Fault = row[0]
                    return fault
        return None

    def answer(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        """Carries a request out."""
        with self.lock:
            token = self.world.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
            if token is None:
                return _as_json(*refused(401, "Bad credentials"))
            if request.path == "/graphql":
                return self._graphql(token, request)
            return self._rest(token, request)

    def _graphql(self, token: Token, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        if not self.graphql:
            return 404, {"Content-Type": "text/html"}, b"<html><body>Not here</body></html>"
        if "graphql" in token.denied:
            return _as_json(*refused(403, "Resource not accessible by integration"))
        return _as_json(200, graph.answer(self.world, token, request.body["query"], request.body.get("variables", {})))

    def _rest(self, token: Token, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        found = published().find(request.method, request.path)
        if found is None:
            self.violations.append(f"{request}: GitHub's description has no such operation")
            return _as_json(*refused(404, "Not Found"))
        operation, path = found
        faults = published().request_faults(operation, path, request.query, request.body)
        self.violations += [f"{request}: {fault}" for fault in faults]
        if any(word in operation.key for word in token.denied):
            status, headers, body = _as_json(*refused(403, "Resource not accessible by integration"))
            return status, {**headers, "X-Accepted-GitHub-Permissions": "issues=write; pull_requests=write"}, body
        if faults:
            return _as_json(*refused(422, f"Validation Failed: {faults[0]}"))
        raw = "raw" in request.headers.get("accept", "")
        reply = self._elsewhere(operation, path) or ANSWERS[operation.key](
            Call(self.world, token, path, request.query, request.body, raw)
        )
        return self._checked(operation, request, reply)

    def _elsewhere(self, operation: Operation, path: Mapping[str, str]) -> Reply | None:
        """A repository that is not ours does not exist."""
        name = f"{path['owner']}/{path['repo']}" if "repo" in path else None
        ours = self.world.repository.full_name
        return refused(404, "Not Found") if name and name.casefold() != ours.casefold() else None

    def _checked(self, operation: Operation, request: Request, reply: Reply) -> tuple[int, Mapping[str, str], bytes]:
        status, payload = reply
        if isinstance(payload, bytes):
            return status, {"Content-Type": "application/vnd.github.raw+json; charset=utf-8"}, payload
        link: dict[str, str] = {}
        key = "check_runs" if isinstance(payload, dict) and "check_runs" in payload else ""
        items = payload[key] if key else payload
        if isinstance(items, list) and status == 200 and "contents" not in operation.template:
            page, more = page_of(items, request.query)
            payload = {**payload, key: page} if key else page
            link = {"Link": f'<{self.api_url}{request.path}?page=next>; rel="next"'} if more else {}
        faults = [f for f in published().response_faults(operation, status, payload) if not f.startswith(UNDESCRIBED)]
        self.violations += [f"our answer to {request}: {fault}" for fault in faults]
        code, headers, body = _as_json(status, payload)
        return code, {**headers, **link}, body


def _as_json(status: int, payload: Any) -> tuple[int, Mapping[str, str], bytes]:
    body = b"" if payload is None else json.dumps(payload).encode()
    return status, {"Content-Type": "application/json; charset=utf-8"}, body


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    github: GitHub

    def handle_any(self) -> None:
        request = self._request()
        fault = self.github.struck(request)
        if isinstance(fault, Says):
            return self._reply(fault.status, {"Content-Type": "application/json", **fault.headers}, fault.body.encode())
        if isinstance(fault, Does):
            fault.action()
        if isinstance(fault, Waits):
            self.github.stopping.wait(fault.seconds)
        if isinstance(fault, Breaks) and not (fault.after or fault.half):
            return self._reset()
        status, headers, body = self.github.answer(request)
        if isinstance(fault, Garbles):
            return self._reply(fault.status, headers, fault.body.encode())
        if isinstance(fault, Breaks):
            if fault.half:
                self._reply(status, headers, body[: len(body) // 2], len(body))
            return self._reset()
        return self._reply(status, headers, body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = parts.path.removeprefix("/api/v3").removeprefix("/api")
        headers = {k.lower(): v for k, v in self.headers.items()}
        return Request(
            self.command, path, dict(parse_qsl(parts.query)), headers, json.loads(content) if content else None
        )

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("X-GitHub-Request-Id", f"C0DE:{len(self.github.requests):04X}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Silence: what came stands in `GitHub.requests`."""
