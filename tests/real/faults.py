"""An HTTP proxy before a real server that counts what passes and misbehaves at the request you name."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the proxy saw it; `number` counts from 1. `path` has no query."""

    number: int
    method: str
    path: str
    query: str = ""
    body: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"{self.number}. {self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Delay:
    """Waits `seconds`, then forwards."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers in the server's place, which never sees the request."""

    status: int = 500
    body: bytes = b'{"error_code": "INTERNAL_ERROR", "message": "the database is on fire"}'
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Drop:
    """Resets the connection: before the server sees the request, or after it has carried it out."""

    forward: bool = False


@dataclass(frozen=True, slots=True)
class Do:
    """Calls `action` before the request is forwarded, or after it was and before the answer; then goes on."""

    action: Callable[[Request], None]
    after: bool = False


@dataclass(frozen=True, slots=True)
class Twice:
    """Forwards the request two times, as a network that repeats itself does, and gives the second answer."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Forwards, gives half of the answer's body, and resets the connection."""


Fault = Delay | Answer | Drop | Do | Twice | Cut

#: What a login page or a proxy in between says in a registry's name.
HTML = Answer(200, b"<!doctype html><title>Sign in</title><p>Please sign in.</p>", "text/html")


class Faults:
    """The proxy. A context manager: it listens on a free port of 127.0.0.1 while the block runs.

    `at(3, Drop())` strikes the third request from now on counted, `when(test, fault)` every request that passes the
    test, `always(fault)` all. The first rule that fits is taken. `reset()` forgets rules, count and record.
    """

    def __init__(self, upstream: str) -> None:
        target = urlsplit(upstream)
        self.upstream = (target.hostname or "127.0.0.1", target.port or 80)
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._rules: list[tuple[Callable[[Request], bool], Fault]] = []
        self._lock = threading.Lock()
        self._under_way = 0
        self._landed = threading.Condition(self._lock)
        self._http = _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"faults": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self.uri = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Faults:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def at(self, number: int | Iterable[int], fault: Fault) -> None:
        """The request of this number, or of these numbers (`range(3, 100)`), counted from the last reset."""
        numbers = {number} if isinstance(number, int) else set(number)
        self.when(lambda request: request.number in numbers, fault)

    def when(self, test: Callable[[Request], bool], fault: Fault) -> None:
        """Every request that passes the test."""
        with self._lock:
            self._rules.append((test, fault))

    def always(self, fault: Fault) -> None:
        """Every request that no earlier rule takes."""
        self.when(lambda _: True, fault)

    def reset(self) -> None:
        """Forgets rules, count and record."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def quiet(self, seconds: float = 60) -> None:
        """Returns once nothing is under way: a delayed request is when its sender has given up. Raises TimeoutError."""
        with self._landed:
            if not self._landed.wait_for(lambda: self._under_way == 0, seconds):
                raise TimeoutError(f"{self._under_way} requests are still under way after {seconds:g} s")

    @property
    def count(self) -> int:
        return len(self.requests)

    def paths(self) -> list[str]:
        """`METHOD path` of each request, in the order of arrival."""
        with self._lock:
            return [f"{r.method} {r.path}" for r in self.requests]

    def arrived(self, method: str, target: str, body: bytes) -> tuple[Request, Fault | None]:
        """Counts a request and finds what is to happen to it."""
        parts = urlsplit(target)
        with self._lock:
            request = Request(len(self.requests) + 1, method, parts.path, parts.query, body)
            self.requests.append(request)
            self._under_way += 1
            return request, next((fault for test, fault in self._rules if test(request)), None)

    def landed(self) -> None:
        """A request that arrived has been dealt with."""
        with self._landed:
            self._under_way -= 1
            self._landed.notify_all()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone, or a connection that was reset on purpose, is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faults: Faults

    def handle_any(self) -> None:
        body = self._body()
        request, fault = self.faults.arrived(self.command, self.path, body)
        try:
            if isinstance(fault, Answer):
                self._reply(fault.status, [("Content-Type", fault.content_type)], fault.body)
            elif isinstance(fault, Drop):
                if fault.forward:
                    self._forward(body)
                self._reset()
            else:
                self._pass(request, body, fault)
        finally:
            self.faults.landed()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def _pass(self, request: Request, body: bytes, fault: Delay | Do | Twice | Cut | None) -> None:
        if isinstance(fault, Delay) and self.faults.stopping.wait(fault.seconds):
            return self._reset()
        if isinstance(fault, Do) and not fault.after:
            fault.action(request)
        if isinstance(fault, Twice):
            self._forward(body)
        answer = self._forward(body)
        if isinstance(fault, Cut):
            self._reply(*answer, cut=True)
            return self._reset()
        if isinstance(fault, Do) and fault.after:
            fault.action(request)
        return self._reply(*answer)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.faults.upstream, timeout=120)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP | {"host"}}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            return answer.status, kept, answer.read()
        except OSError as error:
            return 502, [("Content-Type", "text/plain")], f"no upstream: {error}".encode()
        finally:
            connection.close()

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Silence: what passed stands in `Faults.requests`."""
