"""A registry that times out, fails, answers a web page or hangs up: exit 3, nothing changed, and words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from real.command import gatewright, within, write_policy
from real.extent import EVERY_WAY
from real.faults import HTML, Answer, Delay, Drop, Fault, Faults
from real.tracking import Store
from real.versions import make_version

FAULTS: dict[str, tuple[Fault, str]] = {
    "time-out": (Delay(20), "did not answer in time"),
    "500": (Answer(), "failed"),
    "web page": (HTML, "did not answer like an MLflow tracking server"),
    "hangs up": (Drop(), "cannot be reached"),
    "garbage": (Answer(200, b"{not json", "application/json"), "did not answer like an MLflow tracking server"),
    "empty": (Answer(200, b"", "application/json"), "did not answer like an MLflow tracking server"),
    "forbidden": (Answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'), "does not allow"),
}
QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@pytest.fixture
def model(mlflow_server: Store, unique: str, tmp_path: Path) -> str:
    """A model with a version that would pass."""
    make_version(mlflow_server.client(), unique, metrics={"accuracy": 0.95}, model=False)
    write_policy(tmp_path, unique, ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"])
    return unique


@pytest.mark.server
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("command", ["evaluate", "promote"])
def test_a_registry_that_does_not_answer_is_undetermined(
    kind: str, command: str, model: str, mlflow_server: Store, faults: Faults, tmp_path: Path
) -> None:
    """Exit 3, the server named, a remedy given, the registry as it was."""
    fault, words = FAULTS[kind]
    faults.always(fault)
    end = gatewright(command, f"{model}/1", "--to", "production", uri=faults.uri, folder=tmp_path, env=QUICK)
    said = " ".join(end.err.split())
    assert end.code == 3, end
    assert faults.uri.removeprefix("http://") in said
    assert words in said
    assert mlflow_server.client().get_model_version(model, "1").current_stage == "None"


@pytest.mark.server
@pytest.mark.parametrize(("first", "kind"), enumerate(["500", "hangs up", "web page"], 1))
def test_a_registry_that_fails_at_any_request_never_leaves_a_lie(
    first: int, kind: str, model: str, mlflow_server: Store, faults: Faults, tmp_path: Path
) -> None:
    """Whichever request fails for good, the run ends with 3 or 0, and the next one makes ledger and registry agree.

    Each request fails in one of three ways; with `GATEWRIGHT_WAYS=all`, as a release asks for, in all of them.
    """
    client = mlflow_server.client()
    once = {**QUICK, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}  # it fails for good: trying again would only take time
    for number in range(1, 200) if EVERY_WAY else range(first, 200, 3):
        client.transition_model_version_stage(model, "1", "None")
        faults.reset()
        faults.at(range(number, 1000), FAULTS[kind][0])
        end = within("promote", f"{model}/1", "--to", "production", uri=faults.uri, folder=tmp_path, env=once)
        struck = faults.count >= number
        assert end.code in ((0, 3) if struck else (0,)), end
        # the one answer that may be lost for nothing: the note of how far the ledger reaches
        assert end.code == 3 or client.get_model_version(model, "1").current_stage == "Production"
        if not struck:
            return
        faults.reset()
        later = within(
            *("promote", f"{model}/1", "--to", "production", "--json"),
            uri=mlflow_server.uri,
            folder=tmp_path,
            clock=600.0 * number,
        )
        assert later.json["decision"] in ("promoted", "noop"), later
        assert client.get_model_version(model, "1").current_stage == "Production"
        assert within("audit", "verify", model, uri=mlflow_server.uri, folder=tmp_path).code == 0


def test_a_server_that_is_not_there_is_undetermined(tmp_path: Path) -> None:
    """Nobody listens on the port."""
    write_policy(tmp_path, "m", ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"])
    end = gatewright("evaluate", "m/1", "--to", "production", uri="http://127.0.0.1:9", folder=tmp_path, env=QUICK)
    assert end.code == 3
    assert "127.0.0.1:9 cannot be reached" in " ".join(end.err.split())


@pytest.mark.server
def test_what_nobody_foresaw_is_undetermined_and_no_verdict(model: str, faults: Faults, tmp_path: Path) -> None:
    """An answer of a shape that no server gives: exit 3 and one line, not a trace and the 1 of a failed check."""
    assert gatewright("promote", f"{model}/1", "--to", "production", uri=faults.uri, folder=tmp_path).code == 0
    faults.when(lambda r: r.path.endswith("runs/search"), Answer(200, b'{"runs": [{"info": 7}]}'))
    end = gatewright("audit", "verify", model, uri=faults.uri, folder=tmp_path)
    assert end.code == 3, end
    assert "came to an unforeseen end" in end.err and "TypeError" in end.err
    assert "Traceback" not in end.err


def test_an_address_that_is_none_is_a_wrong_command(tmp_path: Path) -> None:
    """Exit 2, and what to write."""
    write_policy(tmp_path, "fraud", ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"])
    end = gatewright("status", "fraud", uri="http://gate:hunter2@[bad", folder=tmp_path)
    assert (end.code, "is no address of a registry" in end.err, "hunter2" in end.err) == (2, True, False), end
