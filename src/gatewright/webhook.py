"""Telling a webhook: a CloudEvent, signed as Standard Webhooks says, sent again while that helps, and never waited for.

What was decided stands by then. A receiver that is down, slow or hostile costs a few seconds and one sentence.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gatewright.alerts import Event, body
from gatewright.forge.retry import Patience
from gatewright.forge.words import innermost, plain
from gatewright.problem import UsageError

#: hold the address, and the secret that signs; the address may be secret too
URL, SECRET = "GATEWRIGHT_ALERT_URL", "GATEWRIGHT_ALERT_SECRET"

#: seconds to connect, seconds of silence, seconds of waiting between tries, seconds for all of it
CONNECT, SILENCE, BUDGET, WHOLE = 3.05, 5.0, 10.0, 25.0
TRIES = 4

_MAKE = 'make one with: echo "whsec_$(openssl rand -base64 32)"'


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address and a secret, neither of which it shows.

    patience: a fresh one for each event; seconds: when an event is given up, whatever the receiver does.
    """

    host: str
    _url: str = field(repr=False)
    _secret: bytes = field(repr=False)
    patience: Callable[[], Patience] = field(default_factory=lambda: _patience)
    seconds: float = WHOLE

    def tell(self, event: Event) -> str:
        """Sends an event; "" if it was taken, else why not, in a sentence without address or secret. Never raises."""
        failures: list[str] = []
        # A receiver that dribbles can keep a connection open for ever; a daemon thread is left behind with it.
        sender = threading.Thread(target=lambda: failures.append(self._sent(event)), daemon=True)
        sender.start()
        sender.join(self.seconds)
        why = failures[0] if failures else f"no answer after {self.seconds:g} s"
        return f"{self.host} was not told of {event.subject}: {why}" if why else ""

    def _sent(self, event: Event) -> str:
        patience, attempt = self.patience(), 0
        while True:
            why, again = self._once(event.id, body(event))
            if not why or not again or not patience.wait(attempt):
                return why
            attempt += 1

    def _once(self, id: str, content: bytes) -> tuple[str, bool]:
        """(why it was not taken, whether another try may help)."""
        import requests

        at = str(int(time.time()))
        headers = {
            "Content-Type": "application/cloudevents+json",
            "User-Agent": "gatewright",
            "webhook-id": id,
            "webhook-timestamp": at,
            "webhook-signature": sign(self._secret, id, at, content),
        }
        try:
            with requests.Session() as session:
                # What goes unencrypted stays on this machine: no proxy of the environment's.
                session.trust_env = self._url.lower().startswith("https:")
                with session.post(
                    self._url,
                    data=content,
                    headers=headers,
                    timeout=(CONNECT, SILENCE),
                    allow_redirects=False,
                    stream=True,
                    auth=_nobody,
                ) as response:
                    return _judged(response.status_code)
        except (requests.RequestException, OSError, ValueError) as e:
            return self._said(e), not isinstance(e, (requests.exceptions.SSLError, requests.exceptions.InvalidURL))

    def _said(self, error: Exception) -> str:
        parts = urlsplit(self._url)
        hidden = sorted({self._url, parts.path, parts.query} - {"", "/"}, key=len, reverse=True)
        return plain(innermost(str(error)), hidden) or type(error).__name__


def webhook(environment: Mapping[str, str]) -> Webhook | None:
    """The webhook that the environment names; None if it names none. Raises UsageError for one that cannot be used."""
    url = environment.get(URL, "").strip()
    return Webhook(_host(url), url, secret(environment.get(SECRET, "").strip())) if url else None


def secret(given: str) -> bytes:
    """The bytes of a secret: base64, behind `whsec_` or not, 24 to 64 of them. Raises UsageError, without its text."""
    if not given:
        raise UsageError(f"{URL} is set, and {SECRET} is not: alerts are always signed", _MAKE)
    try:
        found = base64.b64decode(given.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{SECRET} is no base64", _MAKE) from None
    if not 24 <= len(found) <= 64:
        raise UsageError(f"{SECRET} has {len(found)} bytes; 24 to 64 are right", _MAKE)
    return found


def sign(secret: bytes, id: str, timestamp: str, content: bytes) -> str:
    """Standard Webhooks' symmetric signature: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.content`."""
    signed = b".".join((id.encode(), timestamp.encode(), content))
    return "v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()


def _host(url: str) -> str:
    """The host of an address that may be told; raises UsageError, without the address, for any other."""
    hint = "write https://HOST/PATH; http:// is for this machine alone"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(f"{URL} is no address", hint) from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{URL} is no address of a webhook", hint)
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{URL} holds a login", "leave it out: what is sent is signed")
    if parts.scheme == "http" and not _is_here(host):
        raise UsageError(f"{URL} would send alerts unencrypted to {host}", hint)
    return _shown(parts)


def _shown(parts: SplitResult) -> str:
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _is_here(host: str) -> bool:
    """Whether a host is this machine, by its own name or number."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _judged(status: int) -> tuple[str, bool]:
    if status // 100 == 2:
        return "", False
    if status // 100 == 3:
        return f"it answers {status}, and redirects are not followed", False
    return f"it answers {status}", status in (408, 425, 429) or status >= 500


def _patience() -> Patience:
    return Patience(time.sleep, random.random, time.time, budget=BUDGET, tries=TRIES)


def _nobody(request: Any) -> Any:
    """Without this, requests would add a login from ~/.netrc."""
    return request
