"""What proving every ledger, and reporting from all of them, costs a model, and whether that stays the same with many.

    python benchmarks/audit.py [MODELS]…

For each number of models: an MLflow server of its own on SQLite behind a counting proxy, five versions a model, each
promoted in its turn, so that a ledger has eleven entries with ten files beside them. Whole processes, as typed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src"), str(ROOT / "benchmarks")]

from fleet import populate, write_policies  # noqa: E402

from real.command import ended, start  # noqa: E402
from real.faults import Faults  # noqa: E402
from real.tracking import make_template, server, sqlite_store  # noqa: E402

COMMANDS = {
    "audit verify": ("audit", "verify", "--quiet"),
    "audit report --html": ("audit", "report", "--quiet", "--html", "audit.html"),
}
#: seconds after which a command is taken to hang
PATIENCE = 3600


def main(sizes: list[int]) -> None:
    """Prints a line for each size and command; `×` is the cost of a model in units of the first size's."""
    print("| command | models | seconds | ms a model | × | requests a model | page |")
    print("|---|---|---|---|---|---|---|")
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        template = make_template(Path(folder) / "template")
        for size in sizes:
            place = Path(folder) / str(size)
            store = sqlite_store(template, place / "store", proxied=True)
            write_policies(place, populate(store, size))
            with server(store.database, place / "store") as uri, Faults(uri) as proxy:
                for name in COMMANDS:
                    seconds, requests = measured(name, proxy, place, size)
                    each = seconds / size * 1000
                    ratio = each / first.setdefault(name, each)
                    page = f"{(place / 'audit.html').stat().st_size / 2**20:.1f} MiB" if "html" in name else ""
                    counts = f"{each:.0f} | {ratio:.2f} | {requests / size:.1f} | {page}"
                    print(f"| `{name}` | {size} | {seconds:.1f} | {counts} |", flush=True)


def measured(name: str, proxy: Faults, place: Path, size: int) -> tuple[float, int]:
    """Seconds and requests of one command; every ledger must have been found unbroken."""
    proxy.reset()
    begin = time.perf_counter()
    end = ended(start(*COMMANDS[name], uri=proxy.uri, folder=place), PATIENCE)
    seconds = time.perf_counter() - begin
    assert end.code == 0 and end.out.count("the ledger is unbroken") == size, end.err[-2000:]
    return seconds, proxy.count


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [100, 1000])
