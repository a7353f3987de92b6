"""What `gatewright drift` costs a model, and whether that stays the same with many of them.

    python benchmarks/drift.py [MODELS]…

For each number of models: an MLflow server of its own on SQLite behind a counting proxy, five versions a model, one of
them in Production by the ledger. Whole processes, as typed; prints seconds, seconds a model and requests a model.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src"), str(ROOT / "benchmarks")]

from fleet import populate, write_policies  # noqa: E402

from real.command import gatewright  # noqa: E402
from real.faults import Faults  # noqa: E402
from real.tracking import make_template, server, sqlite_store  # noqa: E402


def main(sizes: list[int]) -> None:
    """Prints a table with a line for each size."""
    print("| models | seconds | ms a model | requests | requests a model | to list ledgers and registry |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        template = make_template(Path(folder) / "template")
        for size in sizes:
            print(measured(template, Path(folder) / str(size), size), flush=True)


def measured(template: Path, place: Path, size: int) -> str:
    """One line of the table."""
    store = sqlite_store(template, place / "store", proxied=True)
    write_policies(place, populate(store, size))
    with server(store.database, place / "store") as uri, Faults(uri) as proxy:
        begin = time.perf_counter()
        ended = gatewright("drift", "--quiet", "--dry-run", uri=proxy.uri, folder=place)
        seconds = time.perf_counter() - begin
        assert f"{size} of {size} models have drifted" in ended.out, ended
        lists = sum("/search" in r.path for r in proxy.requests)
        each = f"{seconds / size * 1000:.0f} | {proxy.count} | {proxy.count / size:.2f}"
        return f"| {size} | {seconds:.1f} | {each} | {lists} |"


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [50, 250, 1000])
