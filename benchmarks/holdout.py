"""The whole holdout stage: against the least that scoring can cost, against MLflow's own evaluation, and in memory.

    python benchmarks/holdout.py stage [ROWS]             1,000,000; at most 1.5 times the base
    python benchmarks/holdout.py evaluate [ROWS]          200,000; at least 10 times faster than mlflow.models.evaluate
    python benchmarks/holdout.py memory [ROWS [MORE]]     1,000,000 and 10,000,000; at most 1.5 times the memory

HistGradientBoostingClassifier, 20 features, candidate and champion, every binary metric, three `at 95%` checks, two
slice columns. The base is one parquet read and two raw `predict_proba` over in-memory arrays, as a script would do it.
Each prints ratios of one run and ends with 1 where its limit is missed. Processor seconds are those of all processes:
on a machine that does other work they say more than the clock.
"""

from __future__ import annotations

import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gatewright.evidence import needs
from gatewright.measure import PATHS
from gatewright.measure.holdout.benchmark import Order, run
from gatewright.measure.metrics import METRICS
from gatewright.policy.load import read_policies
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

FEATURES = [f"x{n}" for n in range(20)]
CHUNK = 1_000_000
#: computed from sums that merge, so that memory does not grow with the rows
MERGEABLE = [f"holdout.{name} >= 0" for name in ("accuracy", "precision", "recall", "f1", "mcc", "log_loss", "brier")]
CHECKS = [
    *(f"holdout.{m.name} >= 0" for m in METRICS.values() if "binary" in m.tasks),
    "holdout.roc_auc >= champion - 0.01 at 95%",
    "holdout.recall by region >= champion - 0.1 at 95%",
    "holdout.accuracy by channel >= champion - 0.1 at 95%",
]


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of processors: this process and those that it has ended."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Cost:
    """What a piece of work costs."""
    cpu, wall = processors(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - wall, processors() - cpu)


def processors() -> float:
    """Seconds of processors until now."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def table(title: str, rows: Sequence[tuple[str, Cost]], base: Cost) -> None:
    """Seconds and ratios to the base."""
    print(f"| {title} | s | × | processor s | × |\n|---|---:|---:|---:|---:|")
    for what, cost in rows:
        ratios = cost.wall / base.wall, cost.cpu / base.cpu
        print(f"| {what} | {cost.wall:.1f} | {ratios[0]:.2f} | {cost.cpu:.1f} | {ratios[1]:.2f} |")


def nothing(*_: object) -> None:
    """Progress that nobody looks at."""


def stage(rows: int = 1_000_000) -> bool:
    """The whole stage against one read and two predictions."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        models, files = make(place, rows)
        order, registry = ask(place), MemoryRegistry(files=files)
        few = timed(lambda: run(shortened(order, place), registry, nothing))
        least = timed(lambda: bare(place, models))
        whole = timed(lambda: run(order, registry, nothing))
    steady = Cost(whole.wall - few.wall, whole.cpu - few.cpu)
    told = [
        ("one parquet read and two `predict_proba`", least),
        ("the whole stage", whole),
        ("of it starting two workers", few),
        ("of it everything else", steady),
    ]
    table(f"{rows:,} rows".replace(",", " "), told, least)
    return whole.wall <= 1.5 * least.wall


def evaluate(rows: int = 200_000) -> bool:
    """The whole stage against `mlflow.models.evaluate` of both versions, explanations off."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _, files = make(place, rows)
        order, registry = ask(place), MemoryRegistry(files=files)
        mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
        mlflow.set_experiment("benchmark")

        def theirs() -> None:
            data = pd.read_parquet(place / "holdout.parquet", columns=[*FEATURES, "y"])
            for number in (1, 2):
                with mlflow.start_run():
                    mlflow.models.evaluate(
                        str(place / f"model-{number}"),
                        data,
                        targets="y",
                        model_type="classifier",
                        evaluator_config={"log_model_explainability": False},
                    )

        whole = timed(lambda: run(order, registry, nothing))
        other = timed(theirs)
    title = f"{rows:,} rows".replace(",", " ")
    table(title, [("the whole stage", whole), ("`mlflow.models.evaluate`, twice", other)], whole)
    return other.wall >= 10 * whole.wall


def memory(rows: int = 1_000_000, more: int = 10_000_000) -> bool:
    """Peaks of gate and workers over those for a thousand rows, with metrics that merge."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        peaks = [peak(place, n) for n in (1000, rows, more)]
    print("| rows | gate MB | workers MB | over a thousand rows |\n|---:|---:|---:|---:|")
    for n, (gate, workers) in zip((1000, rows, more), peaks, strict=True):
        over = gate + workers - sum(peaks[0])
        print(f"| {n:,} | {gate / 1e6:.0f} | {workers / 1e6:.0f} | {over / 1e6:.0f} |".replace(",", " "))
    one, ten = (sum(p) - sum(peaks[0]) for p in peaks[1:])
    print(f"ratio {ten / one:.2f}")
    return ten <= 1.5 * one


def peak(place: Path, rows: int) -> tuple[int, int]:
    """Bytes: of a process that runs the stage, and of its two workers together."""
    _, files = make(place, rows)
    (place / "files").write_bytes(pickle.dumps(files))
    told = subprocess.run([sys.executable, __file__, "_peak", str(place)], check=True, stdout=subprocess.PIPE)
    gate, workers = map(int, told.stdout.split())
    return gate, workers


def _peak(place: Path) -> None:
    registry = MemoryRegistry(files=pickle.loads((place / "files").read_bytes()))
    found = run(ask(place, [*MERGEABLE, "memory.peak <= champion * 100"]), registry, nothing)
    workers = sum(int(f.value or 0) for f in found.facts if f.path.family == "memory" and f.who != "pair")
    # Not getrusage: there a process starts with the peak of the one that started it.
    (own,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(own) * 1024, workers)


def make(place: Path, rows: int) -> tuple[list[object], dict[tuple[str, int], dict[str, bytes]]]:
    """Two models in MLflow's layout, and the holdout."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.ensemble import HistGradientBoostingClassifier

    table = frame(50_000, seed=1)
    models = [
        HistGradientBoostingClassifier(max_iter=n, random_state=0).fit(table[FEATURES], table["y"]) for n in (100, 80)
    ]
    files: dict[tuple[str, int], dict[str, bytes]] = {}
    for number, model in enumerate(models, 1):
        folder = place / f"model-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        signature = infer_signature(table[FEATURES].head(5), model.predict(table[FEATURES].head(5)))
        mlflow.sklearn.save_model(
            model, folder, signature=signature, pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
        )
        files["m", number] = {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
        }
    write(place / "holdout.parquet", rows)
    frame(1000, seed=3).to_parquet(place / "few.parquet")
    return models, files


def write(file: Path, rows: int) -> None:
    """The holdout, a million rows at a time."""
    parts = (frame(min(CHUNK, rows - at), seed=2 + at) for at in range(0, rows, CHUNK))
    first = pa.Table.from_pandas(next(parts), preserve_index=False)
    with pq.ParquetWriter(file, first.schema) as sink:
        sink.write_table(first)
        for part in parts:
            sink.write_table(pa.Table.from_pandas(part, preserve_index=False))


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Rows whose label depends on some of the features."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 20))
    table = pd.DataFrame(values, columns=FEATURES)
    table["y"] = (values[:, :5].sum(axis=1) + rng.normal(size=rows) > 0).astype("int64")
    table["region"] = rng.choice(list("abcdefgh"), rows)
    table["channel"] = rng.choice(["web", "shop", "phone"], rows)
    return table


def ask(place: Path, checks: Sequence[str] = CHECKS) -> Order:
    """What the policy asks for."""
    lines = [
        *("version: 1", "model: m", "holdout:", f"  data: {place}/holdout.parquet", "  target: y", "  task: binary"),
        *("  slices: [region, channel]", "targets:", "  production:", "    stage: Production", "    checks:"),
        *(f"      - {check}" for check in checks),
    ]
    (policy,) = read_policies({"policy.yaml": "\n".join(lines) + "\n"}, PATHS)
    return Order(policy, needs(policy.targets[0].checks), Version("m", 1), Version("m", 2), 7)


def shortened(order: Order, place: Path) -> Order:
    """The same with a thousand rows: what remains is what starting costs."""
    holdout = replace(order.holdout, data=str(place / "few.parquet"))
    return replace(order, policy=replace(order.policy, holdout=holdout))


def bare(place: Path, models: list[object]) -> None:
    """What nothing can be faster than."""
    table = pd.read_parquet(place / "holdout.parquet")
    values = table[FEATURES].to_numpy()
    for model in models:
        model.predict_proba(values)  # type: ignore[attr-defined]


if __name__ == "__main__":
    name, *sizes = sys.argv[1:] or ["stage"]
    if name == "_peak":
        _peak(Path(sizes[0]))
    else:
        held = {"stage": stage, "evaluate": evaluate, "memory": memory}[name](*map(int, sizes))
        sys.exit(0 if held else 1)
