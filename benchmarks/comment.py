"""What a comment costs that asks for nothing: whole processes, interleaved, as ratios in one run.

    python benchmarks/comment.py [ROUNDS]

Runs the Action's entry point on some comments, beside Python alone and beside the command line's own imports.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BASE = "python -c pass"

BODIES = {
    "no command": "Nice work! Shall we merge it on Monday?",
    "no command, 60,000 characters": "All of it reads well. " * 2727,
    "no command, other letters": "Très bien, 👍 ça marche",
    "no command, talks of one": "Shall we `/gate approve` it?",
    "no command, shows one in a code block": "Write this:\n\n```\n/gate approve\n```\n",
    "no command, hides one in HTML": "Write this:\n\n<details>\n/gate approve\n</details>\n",
}


def main(rounds: int) -> None:
    """Prints a table: median milliseconds of each process, and the ratio to the base."""
    with tempfile.TemporaryDirectory() as folder:
        processes: dict[str, tuple[list[str], dict[str, str]]] = {BASE: ([sys.executable, "-c", "pass"], {})}
        for number, (name, body) in enumerate(BODIES.items()):
            processes[f"comment: {name}"] = (
                [sys.executable, "-m", "gatewright", "action"],
                event(folder, number, body),
            )
        processes["import gatewright.cli"] = ([sys.executable, "-c", "import gatewright.cli"], {})
        times: dict[str, list[float]] = {name: [] for name in processes}
        for turn in range(rounds + 1):
            for name, (argv, variables) in processes.items():
                seconds = took(argv, variables)
                if turn:
                    times[name].append(seconds)
    base = statistics.median(times[BASE])
    print(f"| process | median ms | least ms | × `{BASE}` |\n|---|---|---|---|")
    for name, measured in times.items():
        middle = statistics.median(measured)
        print(f"| {name} | {middle * 1000:.0f} | {min(measured) * 1000:.0f} | {middle / base:.1f} |")


def event(folder: str, number: int, body: str) -> dict[str, str]:
    """The variables of a runner on which somebody comments."""
    path = Path(folder) / f"event-{number}.json"
    issue = {"number": 7, "title": "Retrain", "body": "x" * 4000, "user": {"login": "anna", "id": 1}}
    path.write_text(json.dumps({"action": "created", "issue": issue, "comment": {"id": 1, "body": body}}))
    output = str(Path(folder) / f"output-{number}")
    return {"GITHUB_EVENT_NAME": "issue_comment", "GITHUB_EVENT_PATH": str(path), "GITHUB_OUTPUT": output}


def took(argv: list[str], variables: dict[str, str]) -> float:
    """Seconds from start to end of one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables}
    start = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"a measured process failed:\n{done.stdout}\n{done.stderr}")
    return seconds


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
