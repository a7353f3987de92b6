"""How long `gatewright policy check` of one file takes, against merely importing pydantic and yaml.

    python benchmarks/policy_check.py [ROUNDS]

Prints medians of whole processes, interleaved, and their ratio. It must not exceed 3.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 3.0
CHECK = [sys.executable, "-c", "import sys; from gatewright.cli import main; sys.exit(main())", "policy", "check"]
COMMANDS = {
    "import pydantic, yaml": [sys.executable, "-c", "import pydantic, yaml"],
    "gatewright policy check": [*CHECK, str(ROOT / "policies" / "fraud-detector.yaml")],
}


def seconds(command: list[str]) -> float:
    """One process, from start to end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - started


def main(rounds: int) -> int:
    """Runs both in turn; 1 if the ratio is over the limit."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # the first run compiles and fills the file cache
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:26} {median * 1000:7.1f} ms  (median of {rounds})")
    base, ours = medians.values()
    print(f"ratio {ours / base:.2f}, limit {LIMIT:g}")
    return int(ours / base > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
