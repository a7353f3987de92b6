"""The whole holdout stage against the least that scoring can cost: ratios on the same data in one run.

    python benchmarks/holdout.py [ROWS]

HistGradientBoostingClassifier, 20 features, candidate and champion, every binary metric, three `at 95%` checks, two
slice columns. The base is one parquet read and two raw `predict_proba` over in-memory arrays, as a script would do it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gatewright.evidence import needs
from gatewright.measure import PATHS
from gatewright.measure.holdout.benchmark import Order, run
from gatewright.measure.metrics import METRICS
from gatewright.policy.load import read_policies
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

FEATURES = [f"x{n}" for n in range(20)]
CHECKS = [
    *(f"holdout.{m.name} >= 0" for m in METRICS.values() if "binary" in m.tasks),
    "holdout.roc_auc >= champion - 0.01 at 95%",
    "holdout.recall by region >= champion - 0.1 at 95%",
    "holdout.accuracy by channel >= champion - 0.1 at 95%",
]


def main(rows: int) -> None:
    """Prints seconds and ratio."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        models, files = make(place, rows)
        order = ask(place)
        registry = MemoryRegistry(files=files)
        least = timed(lambda: bare(place, models))
        whole = timed(lambda: run(order, registry, lambda *_: None))
        start = timed(lambda: run(shortened(order, place), registry, lambda *_: None))
    print(f"| what, {rows:,} rows | s | × |\n|---|---:|---:|".replace(",", " ", 1))
    print(f"| one parquet read and two `predict_proba` | {least:.1f} | 1.00 |")
    print(f"| the whole stage | {whole:.1f} | {whole / least:.2f} |")
    print(f"| the same without starting two workers | {whole - start:.1f} | {(whole - start) / least:.2f} |")


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


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
        signature = infer_signature(table[FEATURES].head(5), model.predict(table[FEATURES].head(5)))
        mlflow.sklearn.save_model(
            model, folder, signature=signature, pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
        )
        files["m", number] = {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
        }
    frame(rows, seed=2).to_parquet(place / "holdout.parquet")
    frame(1000, seed=3).to_parquet(place / "few.parquet")
    return models, files


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Rows whose label depends on some of the features."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 20))
    table = pd.DataFrame(values, columns=FEATURES)
    table["y"] = (values[:, :5].sum(axis=1) + rng.normal(size=rows) > 0).astype("int64")
    table["region"] = rng.choice(list("abcdefgh"), rows)
    table["channel"] = rng.choice(["web", "shop", "phone"], rows)
    return table


def ask(place: Path) -> Order:
    """What the policy asks for."""
    lines = [
        *("version: 1", "model: m", "holdout:", f"  data: {place}/holdout.parquet", "  target: y", "  task: binary"),
        *("  slices: [region, channel]", "targets:", "  production:", "    stage: Production", "    checks:"),
        *(f"      - {check}" for check in CHECKS),
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
