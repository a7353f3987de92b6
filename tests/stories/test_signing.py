"""Signed entries: keys made with openssl, the command line, a real MLflow server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, within, write_policy
from real.process import absent
from real.tracking import Store
from real.versions import make_version

POLICY = ["staging:", "  stage: Staging", "  checks: [run.accuracy > 90%]"]


class Desk:
    """A user with a key of openssl's making."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder = store, model, folder
        self.private, self.public = key(folder, "signing")
        write_policy(folder, model, POLICY)
        make_version(store.client(), model, metrics={"accuracy": 0.95}, model=False)

    def type(self, *words: str, key: str | None = None) -> Ended:
        env = {} if key is None else {"GATEWRIGHT_SIGNING_KEY": key}
        return within(*words, uri=self.store.uri, folder=self.folder, env=env)

    def promote(self, key: str | None) -> Ended:
        return self.type("promote", f"{self.model}/1", "--to", "staging", key=key)

    def verify(self, *keys: str) -> Ended:
        return self.type("audit", "verify", self.model, *keys)


def key(folder: Path, name: str, algorithm: str = "ed25519") -> tuple[Path, Path]:
    """The two commands of docs/ledger.md."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    try:
        make = ["openssl", "genpkey", "-algorithm", algorithm, "-out", str(private)]
        subprocess.run(make, check=True, capture_output=True)
    except FileNotFoundError:
        absent("openssl", "install openssl")
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private, public


@pytest.fixture
def desk(mlflow_server: Store, unique: str, tmp_path: Path) -> Desk:
    """One version, fit for staging."""
    return Desk(mlflow_server, unique, tmp_path)


@pytest.mark.parametrize("as_text", [True, False], ids=["the key as text", "the key as a file"])
def test_the_public_key_alone_proves_what_was_signed(desk: Desk, as_text: bool) -> None:
    """A promotion with the key set, an audit with the public half."""
    moved = desk.promote(desk.private.read_text() if as_text else str(desk.private))
    assert moved.code == 0, moved.err
    proved = desk.verify("--public-key", str(desk.public))
    assert (proved.code, "unbroken, 3 entries" in proved.out) == (0, True)


def test_the_key_appears_nowhere(desk: Desk) -> None:
    """Not on the screen, not in what is stored."""
    secret = desk.private.read_text()
    inner = secret.splitlines()[1]
    moved = desk.promote(secret)
    stored = b"".join(p.read_bytes() for p in Path(desk.store.artifacts).rglob("*") if p.is_file())
    assert moved.code == 0
    assert inner not in moved.out + moved.err
    assert inner.encode() not in stored
    assert b"application/vnd.in-toto+json" in stored


def test_a_run_without_the_key_shows(desk: Desk) -> None:
    """Another hand went on writing after the first signature."""
    desk.promote(str(desk.private))
    make_version(desk.store.client(), desk.model, metrics={"accuracy": 0.5}, model=False)
    assert desk.type("promote", f"{desk.model}/2", "--to", "staging").code == 1
    assert desk.verify().code == 0
    shown = desk.verify("--public-key", str(desk.public))
    assert (shown.code, "it is not signed" in shown.out) == (1, True)


def test_a_strangers_key_proves_nothing(desk: Desk) -> None:
    """The chain is whole, but not by the hand that was named."""
    desk.promote(str(desk.private))
    _, other = key(desk.folder, "other")
    assert desk.verify("--public-key", str(other)).code == 1
    both = desk.folder / "both.pub"
    both.write_text(other.read_text() + desk.public.read_text())
    assert desk.verify("--public-key", str(both)).code == 0


def test_a_ledger_outlives_a_key(desk: Desk) -> None:
    """Another key goes on where the first one ended: both together prove the chain, neither alone does."""
    desk.promote(str(desk.private))
    private, public = key(desk.folder, "next")
    make_version(desk.store.client(), desk.model, metrics={"accuracy": 0.97}, model=False)
    assert desk.type("promote", f"{desk.model}/2", "--to", "staging", key=str(private)).code == 0
    first, second = ("--public-key", str(desk.public)), ("--public-key", str(public))
    assert [desk.verify(*keys).code for keys in (first, second, (*first, *second))] == [1, 1, 0]
    report = desk.type("audit", "report", desk.model, *second, *first, "--json").json
    assert report["models"][0]["signed"] is True


@pytest.mark.parametrize("told", ["no key at all", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_an_unusable_key_ends_the_run_before_anything_is_done(desk: Desk, told: str) -> None:
    """Half of the chain signed, because of a typing error, would be worse."""
    refused = desk.promote(told)
    assert (refused.code, "GATEWRIGHT_SIGNING_KEY" in refused.err) == (2, True)
    assert "AAAA" not in refused.err
    assert MlflowLedger(connect(desk.store.uri)).rows(desk.model) == ()


def test_a_key_of_another_kind_is_refused(desk: Desk) -> None:
    """X25519 keys cannot sign; the message names what is wanted."""
    private, public = key(desk.folder, "exchange", "x25519")
    assert "not an Ed25519 key" in desk.promote(str(private)).err
    assert (desk.verify("--public-key", str(public)).code, desk.verify("--public-key", "missing.pub").code) == (2, 2)


def test_a_private_key_in_place_of_the_public_one_is_not_echoed(desk: Desk) -> None:
    """A slip of the hand must not put a secret into a log."""
    refused = desk.verify("--public-key", str(desk.private))
    assert (refused.code, desk.private.read_text().splitlines()[1] in refused.err) == (2, False)
