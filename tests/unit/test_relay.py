"""Which deliveries are genuine and fresh, what they tell, and that each is passed on once."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from gatewright.problem import Undetermined, UsageError
from gatewright.relay import REMEMBERED, TOLERANCE, Delivery, Memory, Refused, Registered, Relay, check, relay_secrets
from gatewright.relay import serve as serve_relay
from gatewright.relay import sign as signed

SECRET, NOW = "correct horse", 1_800_000_000.0


def delivery(data: Mapping[str, Any] | None = None, secret: str = SECRET, **changed: Any) -> Delivery:
    """What MLflow sends when a version is registered."""
    told = {"name": "fraud", "version": "12", "source": "…", "run_id": "1f02", "tags": {}, **(data or {})}
    event = {"entity": "model_version", "action": "created", "timestamp": "2027-01-15T08:00:00+00:00", "data": told}
    body = json.dumps({**event, **changed}).encode()
    return Delivery("d-1", str(int(NOW)), signed(secret, "d-1", str(int(NOW)), body), body)


def test_a_genuine_delivery_tells_model_and_version() -> None:
    """And nothing else of it is used."""
    assert check(delivery(), (SECRET,), NOW) == Registered("fraud", "12")


def test_mlflows_own_signature_is_ours() -> None:
    """As MLflow itself computes it."""
    from mlflow.webhooks.delivery import _generate_hmac_signature

    assert signed(SECRET, "d-1", "17", "{é}".encode()) == _generate_hmac_signature(SECRET, "d-1", "17", "{é}")


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b"{}"},
        {"id": "d-2"},
        {"timestamp": str(int(NOW) + 1)},
        {"signature": "v1,"},
        {"signature": "v1,é"},
        {"signature": ""},
        {"id": ""},
        {"timestamp": ""},
    ],
)
def test_a_delivery_of_which_anything_was_changed_is_refused(changed: dict[str, Any]) -> None:
    """Identifier, time and body are signed together."""
    found = check(replace(delivery(), **changed), (SECRET,), NOW)
    assert isinstance(found, Refused) and found.status == 401


def test_another_secret_is_refused_and_one_of_two_is_enough() -> None:
    """So that a secret can be replaced without a gap."""
    assert isinstance(check(delivery(), ("other",), NOW), Refused)
    assert check(delivery(), ("other", SECRET), NOW) == Registered("fraud", "12")


@pytest.mark.parametrize("late", [-TOLERANCE - 1, TOLERANCE + 1])
def test_a_delivery_from_another_time_is_refused(late: float) -> None:
    """Whoever recorded one cannot play it back tomorrow."""
    assert isinstance(check(delivery(), (SECRET,), NOW + late), Refused)


@pytest.mark.parametrize("late", [-TOLERANCE, TOLERANCE])
def test_a_delivery_at_the_end_of_its_time_is_taken(late: float) -> None:
    """MLflow sends again for a minute or two, with the first time in the header."""
    assert check(delivery(), (SECRET,), NOW + late) == Registered("fraud", "12")


@pytest.mark.parametrize(
    "changed", [{"entity": "registered_model"}, {"action": "deleted"}, {"entity": "prompt_version"}]
)
def test_what_is_not_about_a_new_version_is_left_alone(changed: dict[str, Any]) -> None:
    """A webhook may be subscribed to more."""
    assert check(delivery(**changed), (SECRET,), NOW) is None


@pytest.mark.parametrize(
    "data", [{"version": "12; rm"}, {"version": None}, {"name": ""}, {"name": 7}, {"version": "-1"}]
)
def test_a_delivery_that_names_no_version_is_refused(data: dict[str, Any]) -> None:
    """Even if it is signed."""
    found = check(delivery(data), (SECRET,), NOW)
    assert isinstance(found, Refused) and found.status == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"entity": 1}'])
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    """With a 400, which is never sent again."""
    made = replace(delivery(), body=body, signature=signed(SECRET, "d-1", str(int(NOW)), body))
    found = check(made, (SECRET,), NOW)
    assert isinstance(found, Refused) and found.status == 400


def test_a_delivery_is_passed_on_once() -> None:
    """MLflow sends again what it did not hear of; whoever plays one back starts nothing."""
    sent: list[Registered] = []
    relay = Relay((SECRET,), sent.append, lambda line: None, lambda: NOW)
    assert [relay.hear(delivery())[0] for _ in range(3)] == [202, 200, 200]
    assert sent == [Registered("fraud", "12")]


def test_what_github_does_not_take_may_be_sent_again() -> None:
    """A 503 makes MLflow try once more, and the second time it goes through."""
    answers = iter([Undetermined("could not start the gate", "502", "Try again."), None])
    sent: list[Registered] = []

    def send(found: Registered) -> None:
        trouble = next(answers)
        if trouble:
            raise trouble
        sent.append(found)

    relay = Relay((SECRET,), send, lambda line: None, lambda: NOW)
    assert [relay.hear(delivery())[0] for _ in range(3)] == [503, 202, 200]
    assert len(sent) == 1


def test_the_memory_is_bounded() -> None:
    """Nobody can fill it; the oldest is forgotten, and its time has long passed by then."""
    memory = Memory()
    assert all(memory.claim(str(n)) for n in range(REMEMBERED + 1))
    assert len(memory.seen) == REMEMBERED
    assert memory.claim("0") and not memory.claim(str(REMEMBERED))


def test_without_a_secret_it_does_not_start() -> None:
    """An open relay would start the gate for anybody."""
    with pytest.raises(UsageError, match="GATEWRIGHT_WEBHOOK_SECRET is not set"):
        relay_secrets({"GATEWRIGHT_WEBHOOK_SECRET": "  "})
    assert relay_secrets({"GATEWRIGHT_WEBHOOK_SECRET": "new old"}) == ("new", "old")


@pytest.fixture
def impatient() -> Iterator[socket.socket]:
    """A line to a relay that gives its senders half a second."""
    relay = Relay((SECRET,), lambda found: None, lambda line: None)
    with serve_relay(relay, "127.0.0.1", 0, patience=0.5) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(server.server_address[:2]) as line:  # type: ignore[arg-type]
            yield line
        server.shutdown()


@pytest.mark.parametrize("begun", [b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", b"POST / HTTP/1.1\r\nX: "])
def test_who_sends_byte_by_byte_gets_no_more_time_than_others(impatient: socket.socket, begun: bytes) -> None:
    """Each byte would begin the waiting anew, and a few hundred such senders would be all that is ever heard."""
    impatient.sendall(begun)
    with suppress(ConnectionError):
        for sent in itertools.count():
            assert sent < 2000, "it still listens"
            impatient.sendall(b"x")
            time.sleep(0.01)  # a sender's own pace, which is what this is about
    impatient.close()


def test_a_length_of_thousands_of_digits_is_too_long(impatient: socket.socket) -> None:
    """Python would refuse to read such a number, and the handler would end in a traceback."""
    impatient.sendall(b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert b" 413 " in impatient.recv(100)
