"""A webhook's receiver on 127.0.0.1 that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request. headers: names in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came in. answers: the status of each delivery in turn, the last one for all that follow; 0 dribbles."""

    url: str = ""
    answers: Sequence[int] = (204,)
    deliveries: list[Delivery] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def take(self, delivery: Delivery) -> int:
        self.deliveries.append(delivery)
        return self.answers[min(len(self.deliveries), len(self.answers)) - 1]


@contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    """A receiver for as long as the block lasts; its path is as secret as some services' are."""
    ours = Receiver(answers=answers or (204,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status = ours.take(Delivery(self.path, {k.lower(): v for k, v in self.headers.items()}, content))
            if not status:
                self._dribble()
                return
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", f"{ours.url}/elsewhere")
            self.end_headers()

        def _dribble(self) -> None:
            """A header that never ends, always just in time for the sender to wait on."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ours.stopped.wait(0.1):
                try:
                    self.wfile.write(b".")
                except OSError:
                    return

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    ours.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/s3cr3t-path"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield ours
    finally:
        ours.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
