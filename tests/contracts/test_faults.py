"""What goes wrong on the way is undetermined: never a wrong answer, never half a write taken for a whole one."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from contracts.conftest import through_client
from gatewright.connection import Connection, connect, rest
from gatewright.connection.refusal import address_of
from gatewright.ledger.entry import Entry
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.problem import Undetermined
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Model, Step
from real.faults import HTML, Answer, Delay, Drop, Fault, Faults
from real.process import free_port
from real.tracking import Store
from real.versions import make_version

Make = Callable[..., Entry]

PAGE = Answer(404, b"<!doctype html><title>Not Found</title>", "text/html")
OTHER = Answer(404, b'{"detail": "Not Found"}')

FAULTS: dict[str, Fault] = {
    "a time-out": Delay(1.5),
    "500": Answer(),
    "502 from a proxy": Answer(502, b"<html><h1>Bad Gateway</h1></html>", "text/html"),
    "a sign-in page": HTML,
    "a page that is not there": PAGE,
    "another server": OTHER,
    "401": Answer(401, b"You are not authenticated.", "text/plain"),
    "403": Answer(403, b"Permission denied", "text/plain"),
    "a list": Answer(200, b"[]"),
    "half an answer": Answer(200, b'{"run": {"info": {"ru'),
    "dropped before": Drop(forward=False),
    "dropped after": Drop(forward=True),
}

#: what the message must say of a fault, and what it must advise
SAID = {
    "a time-out": ("did not answer in time", "MLFLOW_HTTP_REQUEST_TIMEOUT"),
    "500": ("failed", "server's log"),
    "502 from a proxy": ("failed", "server's log"),
    "a sign-in page": ("did not answer like an MLflow", "tracking URI"),
    "a page that is not there": ("did not answer like an MLflow", "tracking URI"),
    "another server": ("did not answer like an MLflow", "tracking URI"),
    "401": ("asks who you are", "MLFLOW_TRACKING_TOKEN"),
    "403": ("does not allow it", "MLFLOW_TRACKING_USERNAME"),
    "a list": ("did not answer like an MLflow", "tracking URI"),
    "half an answer": ("did not answer like an MLflow", "tracking URI"),
    "dropped before": ("cannot be reached", "Check that the server runs"),
    "dropped after": ("cannot be reached", "Check that the server runs"),
}

every_fault = pytest.mark.parametrize("fault", list(FAULTS))
both_ways = pytest.mark.parametrize("way", [connect, through_client], ids=["plain", "MLflow's client"])


@contextmanager
def struck(fault: str) -> Iterator[None]:
    """Where a time-out is the fault, nobody waits long; whatever else is asked has its time, on a slow machine too."""
    with pytest.MonkeyPatch.context() as patch:
        if fault == "a time-out":
            patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        yield


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second try: what a fault does at once is what is tested."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@every_fault
@both_ways
def test_a_fault_is_told_with_the_server_and_a_remedy(
    faults: Faults, way: Callable[[str], Connection], fault: str
) -> None:
    """Every kind in its own words, whichever way leads to the server; nothing is "not found"."""
    faults.always(FAULTS[fault])
    registry = MlflowRegistry(way(faults.uri))
    with struck(fault), pytest.raises(Undetermined) as raised:
        registry.model("fraud")
    why, fix = SAID[fault]
    assert faults.uri in raised.value.why
    if fault != "another server" or way is connect:
        assert why in raised.value.why
        assert fix in raised.value.fix
    assert len(str(raised.value)) < 700
    assert "<" not in raised.value.why


@every_fault
def test_a_read_is_right_or_undetermined_at_every_request(
    faults: Faults, mlflow_server: Store, unique: str, fault: str
) -> None:
    """Model, run, logged model and file, with the fault at each request in turn."""
    make_version(mlflow_server.client(), unique, metrics={"auc": 0.9}, signature=None)

    def read(uri: str) -> Any:
        registry = MlflowRegistry(connect(uri))
        model = registry.model(unique)
        assert model is not None
        version = model.versions[0]
        files = [registry.open(version, name) for name in ("MLmodel", "nothing")]
        return model, registry.run(version.run_id), registry.logged_model(version.model_id), files

    right = read(mlflow_server.uri)
    _at_each_request(faults, fault, lambda: read(faults.uri), lambda answer: answer == right)


@every_fault
def test_an_append_is_right_or_undetermined_at_every_request(
    faults: Faults, mlflow_server: Store, entries: Make, unique: str, fault: str
) -> None:
    """With the fault at each request in turn, and after it another writer: one entry a number, all whole."""
    sound = MlflowLedger(connect(mlflow_server.uri))
    assert sound.append(entries(unique), {})

    def append() -> Any:
        ledger = MlflowLedger(connect(faults.uri))
        rows = ledger.rows(unique)
        made = entries(unique, len(rows), rows[-1].digest)
        return made, ledger.append(made, {"evidence.json": b"{}"})

    def stands(answer: Any) -> bool:
        made, won = answer
        row = sound.rows(unique)[made.n]
        entry = sound.entry(unique, row)
        return bool(won) and entry is not None and entry.previous == made.previous

    def unbroken() -> None:
        rows = sound.rows(unique)
        assert [r.n for r in rows] == list(range(len(rows)))
        bodies = sound.entries(unique, rows)
        assert all(bodies)

    _at_each_request(faults, fault, append, stands, unbroken)
    rows = sound.rows(unique)
    assert sound.append(entries(unique, len(rows), rows[-1].digest), {})
    assert [b for b in sound.verify(unique) if not b.note] == []


@every_fault
def test_opening_a_ledger_is_right_or_undetermined_at_every_request(
    faults: Faults, mlflow_server: Store, entries: Make, unique: str, fault: str
) -> None:
    """With the fault at each request of the first append: the next writer makes it whole, and there is one chain."""
    sound = MlflowLedger(connect(mlflow_server.uri))
    for number in range(1, 14):
        model = f"{unique}-{number}"
        faults.reset()
        faults.at(number, FAULTS[fault])
        try:
            with struck(fault):
                won = MlflowLedger(connect(faults.uri)).append(entries(model), {}) is not None
        except Undetermined:
            won = False
        rows = sound.rows(model)
        assert not won or len(rows) == 2
        if len(rows) < 2:
            assert sound.append(entries(model), {})
        assert [b for b in sound.verify(model) if not b.note] == []


@pytest.mark.parametrize("fault", ["500", "dropped before", "dropped after", "a sign-in page"])
@pytest.mark.parametrize("kind", ["stage", "alias", "copy"])
def test_a_step_is_right_or_undetermined_at_every_request(
    faults: Faults, mlflow_server: Store, unique: str, fault: str, kind: str
) -> None:
    """Performed again after each fault, it ends where one step would have ended."""
    make_version(mlflow_server.client(), unique, model=False)
    value = {"stage": "Production", "alias": "champion", "copy": f"{unique}.prod"}[kind]
    step = Step(kind, unique, 1, value, archive=kind == "stage")
    sound = MlflowRegistry(connect(mlflow_server.uri))

    def home() -> Model:
        found = sound.model(value if kind == "copy" else unique)
        assert found is not None
        return found

    def shown(_: object) -> bool:
        now = home()
        return now.shows(step) if kind == "copy" else value in (*now.aliases, *(v.stage for v in now.versions))

    _at_each_request(
        faults,
        fault,
        lambda: MlflowRegistry(connect(faults.uri)).apply(step),
        shown,
    )
    sound.apply(step)
    assert len(home().versions) == 1


def test_a_hiccup_is_lived_through(
    faults: Faults, mlflow_server: Store, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lost answer in the usual settings is tried again, and nobody notices."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    make_version(mlflow_server.client(), unique, model=False)
    faults.at(1, Drop())
    faults.at(3, Answer(503, b"", "text/plain"))
    model = MlflowRegistry(connect(faults.uri)).model(unique)
    assert model is not None
    assert len(model.versions) == 1


@both_ways
def test_nobody_there_is_told_with_the_address(way: Callable[[str], Connection]) -> None:
    """A port that nobody listens on."""
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Undetermined, match=f"{uri} cannot be reached: .*refused"):
        MlflowRegistry(way(uri)).model("fraud")


@both_ways
def test_no_secret_is_told(faults: Faults, way: Callable[[str], Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of the address, nor that of the environment, nor what the server throws back."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-token")
    faults.always(Answer(500, b"bad token hunter2-token at http://u:hunter3@db/?key=hunter4 \x1b[31m", "text/plain"))
    address = faults.uri.replace("http://", "http://anna:hunter5@")
    connection = way(address)
    with pytest.raises(Undetermined) as raised:
        connection.call("read", "runs/get", run_id="0" * 32)
    assert "hunter" not in str(raised.value) + connection.address + connection.registry_address
    assert "\x1b" not in str(raised.value)


def test_an_address_is_told_without_login_and_query() -> None:
    """Databases and folders too."""
    assert address_of("postgresql://u:p@db:5432/mlflow?password=x") == "postgresql://db:5432/mlflow"
    assert address_of("https://u:p@host/path#t") == "https://host/path"
    assert address_of("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"
    assert address_of("./mlruns") == "./mlruns"


def test_login_is_sent_the_way_mlflow_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to a server send the same headers for the same settings."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pä:ss")
    plain, client = _authorization(connect), _authorization(through_client)
    assert plain == client
    assert plain.startswith("Basic ")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert _authorization(connect) == _authorization(through_client) == "Bearer t0ken"


def test_the_users_own_settings_stay(embedded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs are lent to MLflow for a call and taken back; what the user has set is not touched."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    before = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")}
    MlflowRegistry(connect(embedded.uri)).model("fraud")
    assert {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")} == before


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """With its name, and without the statements that MLflow tried on it."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database at all, but long enough to look at" * 40)
    with pytest.raises(Undetermined) as raised:
        MlflowRegistry(connect(f"sqlite:///{broken}")).model("fraud")
    assert str(broken) in raised.value.why
    assert "SELECT" not in raised.value.why


def _authorization(way: Callable[[str], Connection]) -> str:
    """The header that arrives at a server which knows nothing."""
    kept: list[str] = []

    class Deaf(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.append(self.headers.get("Authorization", ""))
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Deaf) as listener:
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(Undetermined):
            way(f"http://127.0.0.1:{listener.server_address[1]}").call("read", "runs/get", run_id="0")
        listener.shutdown()
    return kept[0]


def _at_each_request(
    faults: Faults,
    fault: str,
    attempt: Callable[[], Any],
    right: Callable[[Any], bool],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Attempts with the fault at the first request, at the second, and so on until it strikes no more."""
    times = 0
    for number in range(1, 40):
        faults.reset()
        faults.at(number, FAULTS[fault])
        try:
            with struck(fault):
                answer = attempt()
        except Undetermined:
            times += 1
        else:
            assert right(answer), f"request {number}"
        after()
        if faults.count < number:
            assert times
            return
    raise AssertionError("it never came to an end")


def test_a_metric_without_a_value_is_no_zero(faults: Faults) -> None:
    """It would pass whatever has to stay small: it is no number, which no check can compare."""
    told = (
        b'{"run": {"info": {"run_id": "1f02"}, "data": {"metrics": [{"key": "loss", "step": "0", "timestamp": "1"}]}}}'
    )
    faults.when(lambda r: r.path.endswith("runs/get"), Answer(200, told))
    run = MlflowRegistry(connect(faults.uri)).run("1f02")
    assert run is not None
    assert math.isnan(run.metrics["loss"].value)


@pytest.mark.server
@pytest.mark.parametrize(
    ("limit", "most", "said"),
    [
        ("MOST_FILES", 4, "more than 4 files"),
        ("DEEPEST", 2, "more than 2 folders within each other"),
        ("LARGEST_FOLDER", 29, "more than 29 bytes"),
    ],
)
def test_a_folder_that_no_machine_could_hold_is_not_fetched(
    limit: str, most: int, said: str, mlflow_server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write to the store says what is in it; one less than the limit is fetched whole."""
    client = mlflow_server.client()
    run, made = client.create_run("0").info, tmp_path / "made"
    (made / "deep" / "deeper").mkdir(parents=True)
    for place in (made, made / "deep", made / "deep" / "deeper"):
        (place / "file").write_bytes(b"0123456789")
    client.log_artifacts(run.run_id, str(made), "model")
    registry = MlflowRegistry(connect(mlflow_server.uri))
    monkeypatch.setattr(rest, limit, most)
    with pytest.raises(Undetermined, match=said):
        registry.download(f"runs:/{run.run_id}/model", tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    monkeypatch.setattr(rest, limit, most + 1)
    registry.download(f"runs:/{run.run_id}/model", tmp_path / "fetched")
    assert len([p for p in (tmp_path / "fetched").rglob("file") if p.is_file()]) == 3
