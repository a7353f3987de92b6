"""A webhook is told with a signature, again while that helps, and never at the cost of what was decided."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

import pytest

from gatewright import webhook
from gatewright.alerts import Event
from gatewright.forge.retry import Patience
from gatewright.problem import UsageError
from gatewright.webhook import SECRET, URL, Webhook, sign
from real.receiver import receiver

KEY = base64.b64encode(bytes(range(32))).decode()
EVENT = Event(
    "a1b2", "com.github.gatewright.promoted", "http://mlflow", "fraud/7", "2026-11-23T10:00:00.000Z", {"n": 1}
)


def hook(url: str, waited: list[float] | None = None, seconds: float = 10.0, budget: float = 60.0) -> Webhook:
    """A webhook whose waiting between two tries is noted, not spent."""
    noted = waited if waited is not None else []
    patience = lambda: Patience(noted.append, lambda: 0.0, lambda: 0.0, budget=budget, tries=webhook.TRIES)  # noqa: E731
    ours = webhook.webhook({URL: url, SECRET: f"whsec_{KEY}"})
    assert ours is not None
    return Webhook(ours.host, ours._url, ours._secret, patience, seconds)


def test_the_signature_is_that_of_the_standards_own_libraries() -> None:
    """Held to the example that the libraries of Standard Webhooks are tested with."""
    secret = webhook.secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_arrives_whole_and_signed() -> None:
    """CloudEvents' type of content, and the three headers."""
    with receiver() as there:
        assert hook(there.url).tell(EVENT) == ""
        (one,) = there.deliveries
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert one.headers["webhook-id"] == json.loads(one.body)["id"] == "a1b2"
    assert one.headers["webhook-signature"] == sign(
        bytes(range(32)), "a1b2", one.headers["webhook-timestamp"], one.body
    )
    assert "authorization" not in one.headers


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_receiver_that_is_busy_is_asked_again_with_the_same_id(status: int) -> None:
    """So that one which took it after all can tell."""
    waited: list[float] = []
    with receiver(status, status, 200) as there:
        assert hook(there.url, waited).tell(EVENT) == ""
        assert {d.headers["webhook-id"] for d in there.deliveries} == {"a1b2"}
        assert (len(there.deliveries), len(waited)) == (3, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_receiver_that_says_no_is_not_asked_again(status: int) -> None:
    """Another try would change nothing."""
    with receiver(status) as there:
        assert f"it answers {status}" in hook(there.url).tell(EVENT)
        assert len(there.deliveries) == 1


def test_a_redirect_is_not_followed() -> None:
    """What is told goes to the address that was named, and to no other."""
    with receiver(307) as there:
        assert "redirects are not followed" in hook(there.url).tell(EVENT)
        assert len(there.deliveries) == 1


def test_tries_and_waiting_have_an_end() -> None:
    """Whatever the receiver answers."""
    waited: list[float] = []
    with receiver(500) as there:
        assert "it answers 500" in hook(there.url, waited).tell(EVENT)
        assert len(there.deliveries) == webhook.TRIES
        assert "it answers 500" in hook(there.url, waited, budget=0.0).tell(EVENT)
        assert len(there.deliveries) == webhook.TRIES + 1


def test_a_receiver_that_dribbles_is_left_behind() -> None:
    """A byte now and then keeps no command from ending."""
    with receiver(0) as there:
        assert "no answer after 0.5 s" in hook(there.url, seconds=0.5).tell(EVENT)


def test_no_failure_tells_the_address_or_the_secret() -> None:
    """Some services' addresses are secrets, and libraries like to repeat them."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ours = hook(f"http://127.0.0.1:{port}/hooks/s3cr3t-path?token=t0k3n")
    said = ours.tell(EVENT)
    assert said.startswith(f"127.0.0.1:{port} was not told of fraud/7: ")
    for text in (said, repr(ours)):
        assert not [s for s in ("s3cr3t-path", "t0k3n", KEY, str(bytes(range(32)))) if s in text]


def test_a_proxy_is_not_asked_for_what_goes_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read what stays on this machine."""
    with receiver() as proxy, receiver() as there:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        assert hook(there.url).tell(EVENT) == ""
        assert (len(there.deliveries), len(proxy.deliveries)) == (1, 0)


def test_nothing_is_told_where_nothing_is_set() -> None:
    """The usual case."""
    assert webhook.webhook({}) is None
    assert webhook.webhook({SECRET: KEY}) is None


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({URL: "http://hooks.example/s3cr3t"}, "unencrypted to hooks.example"),
        ({URL: "http://127.0.0.1.example/s3cr3t"}, "unencrypted"),
        ({URL: "ftp://hooks.example/s3cr3t"}, "no address of a webhook"),
        ({URL: "hooks.example/s3cr3t"}, "no address of a webhook"),
        ({URL: "https://[s3cr3t"}, "is no address"),
        ({URL: "https://hooks.example:s3cr3t/"}, "is no address"),
        ({URL: "https://me:s3cr3t@hooks.example/"}, "holds a login"),
        ({URL: "https://hooks.example/", SECRET: ""}, "always signed"),
        ({URL: "https://hooks.example/", SECRET: "s3cr3t!"}, "no base64"),
        ({URL: "https://hooks.example/", SECRET: "whsec_AAAA"}, "has 3 bytes"),
    ],
)
def test_what_cannot_be_used_is_a_clear_error_without_its_text(variables: dict[str, str], said: str) -> None:
    """Said before anything is done, with a remedy."""
    with pytest.raises(UsageError) as caught:
        webhook.webhook({SECRET: KEY, **variables})
    assert said in str(caught.value) and caught.value.hint
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.example/x", "http://localhost:1/", "http://[::1]:1/", "http://127.0.0.9/"]
)
def test_encrypted_addresses_and_those_of_this_machine_are_taken(url: str) -> None:
    """And no others."""
    found: Any = webhook.webhook({URL: url, SECRET: KEY})
    assert found is not None
