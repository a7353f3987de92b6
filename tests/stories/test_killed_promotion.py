"""A promotion killed at every HTTP request of its run, and then run again."""

from __future__ import annotations

import signal
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from real.command import forked, within, write_policy
from real.faults import Do, Faults, Request
from real.tracking import Store
from real.versions import make_version

WAYS = {
    "stage and alias": ["stage: Production", "alias: champion"],
    "copy": ["copy_to: prod.MODEL", "alias: champion"],
}
#: at which requests a run is killed: at each one, and at each third of the way that has the most of them
EVERY = {"stage and alias": 1, "copy": 3}


def holder(store: Store, model: str, way: str) -> tuple[str, ...]:
    """Every version that the registry shows at the target, each part of the target by itself."""
    client = store.client()
    if way == "copy":
        return (str(client.get_model_version_by_alias(f"prod.{model}", "champion").source).rpartition("/")[2],)
    staged = [v.version for v in client.search_model_versions(f"name='{model}'") if v.current_stage == "Production"]
    return (*map(str, staged), str(client.get_model_version_by_alias(model, "champion").version))


def killed_at(number: int, after: bool, proxy: Faults, model: str, folder: Path) -> bool:
    """Runs a promotion of version 2 and kills its process at a request; False if it ended before."""
    runs: list[BaseProcess] = []
    struck: list[Request] = []

    def kill(request: Request) -> None:
        struck.append(request)
        runs[0].kill()
        wait([runs[0].sentinel])

    proxy.reset()
    proxy.at(number, Do(kill, after=after))
    runs.append(forked("promote", f"{model}/2", "--to", "production", uri=proxy.uri, folder=folder))
    runs[0].join(60)
    assert runs[0].exitcode == (-signal.SIGKILL if struck else 0)
    return bool(struck)


@pytest.mark.server
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [False, True], ids=["request not sent", "answer lost"])
def test_a_promotion_killed_at_any_request_is_before_or_after_once_it_is_run_again(
    way: str, after: bool, mlflow_server: Store, faults: Faults, unique: str, tmp_path: Path
) -> None:
    """Never between, never twice, and the ledger verifies and agrees."""
    checks = ["checks: [run.accuracy > 0.9]"]
    client = mlflow_server.client()
    number = 1 - EVERY[way]
    while True:
        number += EVERY[way]
        model = f"{unique}-{number}"
        for accuracy in (0.91, 0.95):
            make_version(client, model, metrics={"accuracy": accuracy}, model=False)
        lines = [line.replace("MODEL", model) for line in (*WAYS[way], *checks)]
        write_policy(tmp_path, model, ["production:", *(f"  {line}" for line in lines)])

        def promote(version: int, clock: float = 0, model: str = model) -> str:
            end = within(
                *("promote", f"{model}/{version}", "--to", "production", "--json"),
                uri=mlflow_server.uri,
                folder=tmp_path,
                clock=clock,
            )
            return str(end.json["decision"])

        assert promote(1) == "promoted"
        if not killed_at(number, after, faults, model, tmp_path):
            break
        assert promote(2, clock=600) in ("promoted", "noop")
        assert set(holder(mlflow_server, model, way)) == {"2"}
        proved = within("audit", "verify", model, uri=mlflow_server.uri, folder=tmp_path)
        assert proved.code == 0, proved.out
        history = within("history", model, "--json", uri=mlflow_server.uri, folder=tmp_path).json
        told = [e["version"] for e in history["events"] if e["kind"] == "promoted"]
        assert told == [1, 2], (number, told)
    assert number > 15
