"""The blocks that say on which data, and how, candidate and champion are measured."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import cast

from gatewright.policy.document import Node, Scalar, did_you_mean
from gatewright.policy.fields import Faults, Fields, entries_of, items_of, wrong
from gatewright.policy.model import Holdout, Latency, Task
from gatewright.policy.schema import HOLDOUT, LATENCY

#: addresses stand in comments, ledger and logs
_SECRET = re.compile(r"//[^/@]*:[^/@]*@|[?&](sig|\w*(key|secret|password|token))=", re.IGNORECASE)


def read_holdout(node: Node, faults: Faults) -> Holdout:
    """The holdout block; where something is wrong with it, that is in `faults`."""
    fields = Fields(HOLDOUT, node, '"holdout"', faults)
    slices = fields.texts("slices")
    holdout = Holdout(
        data=fields.text("data"),
        target=fields.text("target"),
        task=cast(Task, fields.choice("task", "")),
        positive=fields.scalar("positive", 1),
        features=fields.texts("features"),
        slices=slices,
        bins=_bins(fields, slices, faults),
        min_slice_rows=fields.whole("min_slice_rows", 200),
        sha256=_digest(fields, faults),
        unit=fields.text("unit"),
        drop_null_target=fields.flag("drop_null_target", False),
        sandbox=fields.choice("sandbox", "report"),
        environment=fields.choice("environment", "current"),
        timeout=fields.span("timeout", Decimal(3600)),
    )
    _fits_together(holdout, fields, faults)
    return holdout


def _fits_together(holdout: Holdout, fields: Fields, faults: Faults) -> None:
    if _SECRET.search(holdout.data):
        hint = "give the job its credentials as variables: docs/holdout.md"
        faults.add(fields.at("data"), '"data" holds a password or a key, and everybody can read a policy', hint)
    if "positive" in fields and holdout.task not in ("binary", ""):
        faults.add(fields.at("positive"), f'"positive" says nothing where task is {holdout.task}', "leave it out")
    if holdout.target and holdout.target in holdout.features:
        text = f'"{holdout.target}" is the truth: a model that is given it has nothing to predict'
        faults.add(fields.at("features"), text, "take it out of features")


def _digest(fields: Fields, faults: Faults) -> str:
    """A sha256 in small letters; one that happens to read as a number is still one."""
    node = fields.node("sha256")
    if node is None:
        return ""
    if isinstance(node, Scalar) and re.fullmatch(r"[0-9a-fA-F]{64}", node.text):
        return node.text.lower()
    faults.add(node.place, '"sha256" must be 64 hexadecimal digits', "sha256sum FILE prints them")
    return ""


def _bins(fields: Fields, slices: tuple[str, ...], faults: Faults) -> dict[str, tuple[float, ...]]:
    node = fields.node("bins")
    found: dict[str, tuple[float, ...]] = {}
    for column, edges in entries_of(node, '"bins"', faults) if node else ():
        if column.text not in slices:
            hint = did_you_mean(column.text, slices) or "add it to slices"
            faults.add(column.place, f'"{column.text}" is not among the slices', hint)
        found[column.text] = _edges(edges, f'bins of "{column.text}"', faults)
    return found


def _edges(node: Node, what: str, faults: Faults) -> tuple[float, ...]:
    edges: list[float] = []
    for item in items_of(node, what, faults):
        if not isinstance(item, Scalar) or item.kind not in ("whole", "real"):
            wrong(item, "an edge", "a number", faults)
        elif not math.isfinite(edge := float(cast(float, item.value))):
            faults.add(item.place, f"an edge must be finite, not {item.text}", "what lies outside has its own bin")
        elif edges and edge <= edges[-1]:
            faults.add(item.place, f"the edges must ascend: {item.text} follows {edges[-1]:g}")
        else:
            edges.append(edge)
    return tuple(edges)


def read_latency(node: Node, faults: Faults) -> Latency:
    """The latency block."""
    fields = Fields(LATENCY, node, '"latency"', faults)
    return Latency(fields.whole("requests", 300), fields.whole("warmup", 30), fields.whole("batch", 1))
