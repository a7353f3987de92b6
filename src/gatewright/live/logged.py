"""How serving processes name what they log to MLflow, so that the analysis finds it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from gatewright.live.moments import Moments

#: tags of a run: whose outcomes it holds
MODEL = "gatewright.live.model"
VERSION = "gatewright.live.version"

#: units exposed, so far
EXPOSED = "live/exposed"

PARTS = tuple(f.name for f in fields(Moments))


def experiment(model: str) -> str:
    """The experiment that holds a model's live runs."""
    return f"gatewright live: {model}"


def key(metric: str, part: str) -> str:
    """The metric under which a part of a metric's moments is logged, as the total so far."""
    return f"live/{metric}/{part}"


def written(metric: str, moments: Moments) -> dict[str, float]:
    """The metrics to log."""
    return {key(metric, part): float(getattr(moments, part)) for part in PARTS}


def read(metric: str, logged: Mapping[str, float]) -> Moments:
    """The moments again; parts that were not logged are 0.

    Whoever logs nothing but the count, sum and sum of squares of one value a unit has x = 1 throughout, and an outcome
    from every unit, or from as many as their sum says where they are flags.
    """
    found = {part: logged[name] for part in PARTS if (name := key(metric, part)) in logged}
    if not {"x", "xx", "xy"} & set(found):
        found |= {"x": found.get("units", 0.0), "xx": found.get("units", 0.0), "xy": found.get("y", 0.0)}
    if "events" not in found:
        flags = found.get("y") == found.get("yy")
        found["events"] = found.get("y", 0.0) if flags else found.get("units", 0.0)
    return Moments(**found)
