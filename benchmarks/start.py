"""How long a command takes before it has read what it needs: whole processes, interleaved, as ratios in one run.

    python benchmarks/start.py [ROUNDS]

Starts an MLflow server of its own on SQLite, registers one version, and reads it the way `evaluate` does: model, run,
MLmodel and the ledger's index.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from real.tracking import make_template, server, sqlite_store  # noqa: E402
from real.versions import make_version  # noqa: E402

READS = """
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.registry.mlflow import MlflowRegistry
registry, ledger = MlflowRegistry(connection), MlflowLedger(connection)
version = registry.model("fraud").versions[-1]
registry.run(version.run_id), registry.open(version, "MLmodel")
ledger.rows("fraud")
"""

PLAIN = "import sys; from gatewright.connection import connect; connection = connect(sys.argv[1])" + READS
CLIENT = (
    "import sys; from gatewright.connection import Connection; from gatewright.connection.client import Client;"
    "connection = Connection(Client(sys.argv[1], sys.argv[1], True), sys.argv[1], sys.argv[1])" + READS
)

BASE = "from mlflow import MlflowClient"


def main(rounds: int) -> None:
    """Prints a table: median seconds of each process, and the ratio to the base."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.chdir(place)
        store = sqlite_store(make_template(place / "template"), place / "store", proxied=True)
        embedded = sqlite_store(place / "template" / "template.db", place / "embedded", proxied=False)
        with server(store.database, place / "store") as uri:
            from mlflow import MlflowClient

            for address in (uri, embedded.uri):
                make_version(MlflowClient(address, address), "fraud", metrics={"auc": 0.9}, layout="run")
            times = measure(uri, embedded.uri, rounds)
    base = statistics.median(times[BASE])
    print(f"| process | median s | least s | × `{BASE}` |\n|---|---|---|---|")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.2f} | {min(seconds):.2f} | {middle / base:.2f} |")


def measure(server_uri: str, database: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each process, one of each a round, so that a slow moment strikes all alike."""
    processes = {
        "nothing": ("pass", ""),
        "import requests": ("import requests", ""),
        BASE: (BASE, ""),
        "reads, plain requests": (PLAIN, server_uri),
        "reads, MlflowClient to the server": (CLIENT, server_uri),
        "reads, MlflowClient to the database": (CLIENT, database),
    }
    times: dict[str, list[float]] = {name: [] for name in processes}
    for number in range(rounds + 1):
        for name, (code, argument) in processes.items():
            seconds = took(code, argument)
            if number:
                times[name].append(seconds)
    return times


def took(code: str, argument: str) -> float:
    """Seconds from start to end of one Python process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, argument], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"a measured process failed:\n{done.stderr}")
    return seconds


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
