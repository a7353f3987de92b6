"""MLflow's own sender of webhooks, the real `gatewright relay`, and GitHub's stand-in behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from real.github.server import BAD_GATEWAY, GitHub
from real.workflow import TOKEN

SECRET = "correct-horse"


@pytest.fixture
def github() -> Iterator[GitHub]:
    """In the end, every request and answer was as GitHub describes them."""
    with GitHub() as github:
        yield github
        assert github.violations == []


@pytest.fixture
def relay(github: GitHub, tmp_path: Path) -> Iterator[str]:
    """The relay's address."""
    told = {"GATEWRIGHT_WEBHOOK_SECRET": SECRET, "GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.api_url}
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewright", "relay", "--repository", "acme/models", "--port", "0"],
        env={**os.environ, **told},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", first)
        assert found, first
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def fire(relay: str, monkeypatch: pytest.MonkeyPatch, secret: str = SECRET) -> int:
    """MLflow's own delivery of its own example of a registered version; the status that it gets."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    from mlflow.entities.webhook import Webhook, WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
    from mlflow.webhooks.delivery import test_webhook

    event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    made = Webhook("w1", "gate", f"{relay}/", [event], 0, 0, secret=secret, status=WebhookStatus.ACTIVE)
    found = test_webhook(made, event)
    assert found.response_status is not None, found
    return int(found.response_status)


def test_a_version_that_is_registered_starts_the_gate(
    relay: str, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model and version reach GitHub as a repository_dispatch, and nothing else does."""
    assert fire(relay, monkeypatch) == 202
    ((kind, payload),) = github.world.repository.dispatches
    assert kind == "mlflow-model-version"
    assert sorted(payload) == ["model", "version"] and str(payload["version"]).isdecimal()


def test_a_webhook_with_another_secret_starts_nothing(
    relay: str, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is told why."""
    assert fire(relay, monkeypatch, "wrong") == 401
    assert github.requests == []


def test_githubs_outage_is_tried_again(relay: str, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one does not even reach MLflow."""
    github.fault(BAD_GATEWAY, on="dispatches", times=1)
    assert fire(relay, monkeypatch) == 202
    assert len(github.world.repository.dispatches) == 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/health", 200), ("GET", "/", 404), ("PUT", "/", 501)])
def test_what_is_no_delivery_is_answered_and_forgotten(relay: str, method: str, path: str, status: int) -> None:
    """Whoever looks in learns nothing."""
    answer = requests.request(method, f"{relay}{path}", timeout=10)
    assert answer.status_code == status
    assert "Python" not in answer.headers.get("Server", "")


def test_an_endless_body_is_not_read(relay: str, github: GitHub) -> None:
    """The size is limited before anything is read."""
    answer = requests.post(relay, data=b"x" * (1024 * 1024 + 1), timeout=10)
    assert answer.status_code == 413
    assert github.requests == []
