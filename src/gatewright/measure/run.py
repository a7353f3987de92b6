"""What was logged for a version: metrics and params of its run or logged model, and tags."""

from __future__ import annotations

import math
from collections.abc import Collection

from gatewright.evidence import Fact
from gatewright.measure.quoting import ident, nearest, quoted
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow
from gatewright.quantity import is_finite
from gatewright.registry import Logged, Run

ROWS = (
    PathRow(
        "run",
        "*",
        "number",
        "a metric logged for the version, at its highest step: of the logged model where MLflow 3 has one, "
        "else of the source run",
        'log it while training: mlflow.log_metric("NAME", value)',
        comparable=True,
    ),
    PathRow(
        "params",
        "*",
        "any",
        "a param of the source run, else of the logged model",
        'log it while training: mlflow.log_param("NAME", value)',
    ),
    PathRow(
        "tags",
        "*",
        "any",
        "a tag of the model version, else of the source run",
        'set it: MlflowClient().set_model_version_tag(model, version, "NAME", value)',
    ),
)


def collect(path: Path, reading: Reading) -> Fact:
    """The metric, param or tag that a path names."""
    return {"run": _metric, "params": _param, "tags": _tag}[path.family](path, reading)


def _metric(path: Path, reading: Reading) -> Fact:
    logged = reading.logged
    if logged is not None and path.key in logged.metrics:
        return _number(path, reading, logged.metrics[path.key], f"logged model {ident(logged.id)}")
    gap, run = reading.run_gap, reading.run
    if gap or run is None:
        return reading.missing(path, gap)
    if path.key in run.metrics:
        return _number(path, reading, run.metrics[path.key], f"run {ident(run.id)}")
    return _absent(path, reading, run, "metric", {**run.metrics, **(logged.metrics if logged else {})})


def _absent(path: Path, reading: Reading, run: Run, kind: str, names: Collection[str]) -> Fact:
    place = f"run {ident(run.id)}"
    return reading.missing(path, f"{place} has no {kind} {quoted(path.key)}: {nearest(path.key, names)}", place)


def _number(path: Path, reading: Reading, metric: Logged, place: str) -> Fact:
    source = f"{place} step {metric.step}"
    if is_finite(metric.value):
        return reading.known(path, metric.value, source, at=metric.at)
    why = f"metric {quoted(path.key)} {_not_a_number(metric.value)} at step {metric.step} of {place}"
    return reading.unreadable(path, why, source, metric.at)


def _not_a_number(value: float) -> str:
    if math.isnan(value):
        return "is NaN"
    sign = "minus " if value < 0 else ""
    stored = "" if math.isinf(value) else f" (stored as {value:.4g})"
    return f"is {sign}infinite{stored}"


def _param(path: Path, reading: Reading) -> Fact:
    gap, run, logged = reading.run_gap, reading.run, reading.logged
    if run is not None and not gap and path.key in run.params:
        return reading.known(path, run.params[path.key], f"run {ident(run.id)}")
    if logged is not None and path.key in logged.params:
        return reading.known(path, logged.params[path.key], f"logged model {ident(logged.id)}")
    if gap or run is None:
        return reading.missing(path, gap)
    return _absent(path, reading, run, "param", {**run.params, **(logged.params if logged else {})})


def _tag(path: Path, reading: Reading) -> Fact:
    tags = reading.version.tags
    if path.key in tags:
        return reading.known(path, tags[path.key], f"version tag of {reading.name}")
    gap, run = reading.run_gap, reading.run
    if gap or run is None:
        return reading.missing(path, f"{reading.name} has no tag {quoted(path.key)}, and {gap}")
    if path.key in run.tags:
        return reading.known(path, run.tags[path.key], f"tag of run {ident(run.id)}")
    others = nearest(path.key, {**run.tags, **tags})
    return reading.missing(path, f"{reading.name} has no tag {quoted(path.key)}, nor has its run: {others}")
