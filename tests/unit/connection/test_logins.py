"""Where files lie is told by whoever registered a version: the gate's login goes to no server that they name."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gatewright.connection import connect
from gatewright.problem import Undetermined

TRACKING = "https://gate:hunter2@mlflow.example:8443"


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, as MLflow's client would send it to any server."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-token")


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A server of somebody else's, which waits for a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{}/api/2.0/mlflow-artifacts/artifacts/x", "mlflow-artifacts://127.0.0.1:{}/x"]
)
def test_the_login_goes_to_no_server_that_a_version_names(login: None, stranger: socket.socket, address: str) -> None:
    """Who may register a version could else have the gate's own token, and move what they like."""
    connection = connect("http://127.0.0.1:9")
    with pytest.raises(Undetermined, match="the login is for the tracking server"):
        connection.read("read MLmodel", address.format(stranger.getsockname()[1]), "MLmodel")
    with pytest.raises(BlockingIOError):
        stranger.accept()


@pytest.mark.parametrize(
    "folder",
    [
        "http://mlflow.example:8443/api/2.0/mlflow-artifacts/artifacts/x",  # unencrypted
        "https://mlflow.example:8443@evil.example/x",
        "https://evil.example\\@mlflow.example:8443/x",
        "https://mlflow.example:8443\\.evil.example/x",
        "HTTPS://evil.example/x",
        "mlflow-artifacts://evil.example/x",
        "https://[evil/x",
        "abfss://files@account.dfs.evil.example/x",
        "abfss://files@evil.example\\.dfs.core.windows.net/x",
    ],
)
def test_an_address_that_only_looks_like_ours_is_refused(login: None, folder: str) -> None:
    """However it is spelled: what other libraries make of it is not to be guessed."""
    with pytest.raises(Undetermined, match=r"refused|login is for"):
        connect(TRACKING).names("list the files", folder)


def test_our_own_server_is_known_by_its_name(login: None) -> None:
    """As the tracking URI has it, with or without a login in it."""
    ours = connect(TRACKING)
    assert ours._is_ours("https", "mlflow.example:8443")
    assert ours._is_ours("mlflow-artifacts", "MLflow.example:8443")
    assert not ours._is_ours("https", "mlflow.example")
