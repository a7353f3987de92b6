"""`gatewright relay`: hears MLflow's webhooks and starts the gate by `repository_dispatch`.

MLflow signs what it sends and cannot speak to GitHub itself. What comes is checked, passed on once, and never stored:
GitHub is told the model's name and the version's number, and everything else is read again from the registry.
"""

from __future__ import annotations

import base64
import hmac
import io
import json
import random
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from gatewright.forge.github import API
from gatewright.forge.rest import Rest
from gatewright.forge.retry import Patience
from gatewright.problem import GatewrightError, UsageError

#: the type of the event that a workflow waits for
EVENT = "mlflow-model-version"

#: the headers that make a delivery genuine; `X-MLflow-` stands before each
HEADERS = ("Delivery-Id", "Timestamp", "Signature")

#: seconds that a delivery may be old, or its clock ahead; bytes of the largest that is read
TOLERANCE, LARGEST = 300, 1024 * 1024

#: deliveries that are remembered; more than come in twice the tolerance
REMEMBERED = 10_000

#: seconds in which a sender has to have sent everything
PATIENCE = 15


@dataclass(frozen=True, slots=True)
class Delivery:
    """What MLflow sent. id, timestamp, signature: its headers; body: its bytes, as signed."""

    id: str
    timestamp: str
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery that is not passed on. status: what its sender is told; a 4xx is never sent again."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that was registered."""

    model: str
    version: str


@dataclass
class Memory:
    """Deliveries that were passed on, so that none is passed on twice."""

    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, id: str) -> bool:
        """Whether this is the first time; it counts as passed on until it is given back."""
        with self.lock:
            if id in self.seen:
                return False
            self.seen[id] = None
            while len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
            return True

    def give_back(self, id: str) -> None:
        """It could not be passed on: MLflow may send it again."""
        with self.lock:
            self.seen.pop(id, None)


def sign(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """MLflow's signature: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, sha256).digest()).decode()


def check(delivery: Delivery, secrets: tuple[str, ...], now: float) -> Registered | Refused | None:
    """What a delivery tells, if it is genuine and fresh; None if it is about something else.

    secrets: any of them may have signed it, so that one can be replaced without a gap. now: seconds since 1970.
    """
    if not (delivery.id and delivery.timestamp and delivery.signature):
        return Refused(401, "it is not signed")
    expected = (sign(secret, delivery.id, delivery.timestamp, delivery.body) for secret in secrets)
    given = delivery.signature.encode("utf-8", "replace")
    # Every secret is tried, so that the time taken tells nothing.
    if not any([hmac.compare_digest(one.encode(), given) for one in expected]):  # noqa: C419
        return Refused(401, "its signature is wrong")
    if not delivery.timestamp.isdecimal() or abs(now - int(delivery.timestamp)) > TOLERANCE:
        return Refused(401, f"it is older than {TOLERANCE} seconds, or a clock is wrong")
    return _told(delivery.body)


def _told(body: bytes) -> Registered | Refused | None:
    try:
        event = json.loads(body)
        if (event["entity"], event["action"]) != ("model_version", "created"):
            return None
        model, version = event["data"]["name"], str(event["data"]["version"])
    except (ValueError, KeyError, TypeError):
        return Refused(400, "it is no event of MLflow's registry")
    if not isinstance(model, str) or not model or not version.isdecimal():
        return Refused(400, "it names no model version")
    return Registered(model, version)


def sender(repository: str, token: str, api_url: str) -> Callable[[Registered], None]:
    """What starts the workflows that wait for the event; it raises Undetermined if GitHub does not take it.

    Its sender waits for the answer, so patience is short. To start the gate twice is to start it once: it is decided
    anew each time, from what the registry then shows.
    """
    owner, _, name = repository.partition("/")
    if not (owner and name and token):
        raise UsageError("no repository or no token is given", "set --repository OWNER/NAME and GITHUB_TOKEN")

    def send(found: Registered) -> None:
        rest = Rest(api_url, token, Patience(time.sleep, random.random, time.time, budget=10.0, tries=3))
        body = {"event_type": EVENT, "client_payload": {"model": found.model, "version": found.version}}
        what = f"start the gate for {found.model}/{found.version}"
        rest.send(what, "POST", "repos", owner, name, "dispatches", body=body)

    return send


@dataclass
class Relay:
    """What the server works with. say: one line of the log."""

    secrets: tuple[str, ...]
    send: Callable[[Registered], None]
    say: Callable[[str], None]
    now: Callable[[], float] = time.time
    memory: Memory = field(default_factory=Memory)

    def hear(self, delivery: Delivery) -> tuple[int, str]:
        """Status and text of the answer. MLflow sends again what gets a 429 or a 5xx, and nothing else."""
        found = check(delivery, self.secrets, self.now())
        if isinstance(found, Refused):
            self.say(f"refused a delivery: {found.why}")
            return found.status, found.why
        if found is None:
            return 200, "not about a new version"
        if not self.memory.claim(delivery.id):
            return 200, "passed on before"
        try:
            self.send(found)
        except GatewrightError as error:
            self.memory.give_back(delivery.id)
            self.say(str(error))
            return 503, "GitHub did not take it"
        except BaseException:
            self.memory.give_back(delivery.id)
            raise
        self.say(f"{found.model}/{found.version}: passed on")
        return 202, "passed on"


def serve(relay: Relay, host: str, port: int, patience: float = PATIENCE) -> ThreadingHTTPServer:
    """A server that listens, and answers once `serve_forever` runs; raises UsageError where the port is taken."""
    try:
        return _Server((host, port), type("Handler", (_Handler,), {"relay": relay, "timeout": patience}))
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port") from error


def relay_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The webhook's secrets, which never stand on a command line: several are separated by blanks."""
    found = tuple(environment.get("GATEWRIGHT_WEBHOOK_SECRET", "").split())
    if not found:
        hint = "the secret that MLflow's webhook was created with; two, with a blank between, while it is replaced"
        raise UsageError("GATEWRIGHT_WEBHOOK_SECRET is not set", hint)
    return found


def listen(environment: Mapping[str, str], repository: str, host: str, port: int, say: Callable[[str], None]) -> int:
    """Runs until it is interrupted."""
    secrets = relay_secrets(environment)
    api_url = environment.get("GITHUB_API_URL") or API
    send = sender(repository or environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_TOKEN", ""), api_url)
    with serve(Relay(secrets, send, say), host, port) as server:
        say(f"listening on {host}:{server.server_address[1]}")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Punctual(io.RawIOBase):
    """What a sender sends, all of it within its time: who sends byte by byte begins no new one with each."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._end = connection, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the sender was too slow")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server_version = "gatewright"
    sys_version = ""
    timeout: ClassVar[float | None] = PATIENCE
    relay: Relay

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Punctual(self.connection, self.timeout or PATIENCE))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._answer(411, "a length is needed")
        if len(length) > 10 or int(length) > LARGEST:
            return self._answer(413, "too long")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._answer(400, "it broke off")
        id, timestamp, signature = (self.headers.get(f"X-MLflow-{name}", "") for name in HEADERS)
        return self._answer(*self.relay.hear(Delivery(id, timestamp, signature, body)))

    def do_GET(self) -> None:
        """For whoever watches whether it runs."""
        self._answer(200, "gatewright relay") if self.path == "/health" else self._answer(404, "nothing here")

    def _answer(self, status: int, text: str) -> None:
        content = json.dumps({"message": text}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """The relay says itself what matters, and never what a stranger sent."""
