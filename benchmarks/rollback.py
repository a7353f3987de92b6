"""How long a rollback takes and what it asks of the server: whole processes, interleaved with MLflow's own import.

    python benchmarks/rollback.py [ROUNDS]

Starts an MLflow server of its own on SQLite behind a counting proxy. Each round promotes two versions of a new model
and takes the second back, once with the checks (the version is loaded in a worker) and once with --fast.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from real.command import gatewright, write_policy  # noqa: E402
from real.faults import Faults  # noqa: E402
from real.tracking import make_template, server, sqlite_store  # noqa: E402
from real.versions import make_version  # noqa: E402

POLICY = ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9]"]
IMPORT = "import mlflow.pyfunc"
KINDS = {"rollback --fast": ("--fast",), "rollback": ()}


def main(rounds: int) -> None:
    """Prints a table: median and least seconds, the seconds beyond the import, and requests by kind."""
    times: dict[str, list[float]] = {IMPORT: [], **{name: [] for name in KINDS}}
    requests: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store = sqlite_store(make_template(place / "template"), place / "store", proxied=True)
        with server(store.database, place / "store") as uri, Faults(uri) as proxy:
            for number in range(rounds):
                times[IMPORT].append(imported())
                for name, options in KINDS.items():
                    model = f"fraud-{number}-{len(options)}"
                    climb(uri, model, place)
                    proxy.reset()
                    times[name].append(took(proxy.uri, model, options, place))
                    requests[name] = proxy.count, changes(proxy)
    base = statistics.median(times[IMPORT])
    print("| process | median s | least s | beyond the import | requests | of them change the registry |")
    print("|---|---|---|---|---|---|")
    for name, seconds in times.items():
        middle, (every, changing) = statistics.median(seconds), requests.get(name, (0, 0))
        beyond = max(0.0, middle - base)
        print(f"| `{name}` | {middle:.2f} | {min(seconds):.2f} | {beyond:.2f} | {every or ''} | {changing or ''} |")


def imported() -> float:
    """Seconds of a process that does nothing but import what loads models."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
    return time.perf_counter() - begin


def climb(uri: str, model: str, place: Path) -> None:
    """Two versions, promoted one after the other."""
    from mlflow import MlflowClient

    write_policy(place, model, POLICY)
    for number, accuracy in enumerate((0.91, 0.95), 1):
        with redirect_stdout(io.StringIO()):
            make_version(MlflowClient(uri, uri), model, metrics={"accuracy": accuracy})
        end = gatewright("promote", f"{model}/{number}", "--to", "production", uri=uri, folder=place)
        assert end.code == 0, end


def took(uri: str, model: str, options: tuple[str, ...], place: Path) -> float:
    """Seconds of one rollback, as typed."""
    begin = time.perf_counter()
    words = ("rollback", model, "--from", "production", "--reason", "it is slow", *options)
    end = gatewright(*words, uri=uri, folder=place)
    assert end.code == 0, end
    return time.perf_counter() - begin


def changes(proxy: Faults) -> int:
    """Requests that changed the registry: one moves, one tags."""
    found = (r.path for r in proxy.requests if r.method != "GET")
    return sum("/registered-models/" in p or "/model-versions/" in p for p in found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
