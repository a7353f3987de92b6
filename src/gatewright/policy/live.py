"""The live block: how traffic is split and how its outcome will be read."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

from gatewright.policy.document import Node, Scalar, did_you_mean
from gatewright.policy.fields import Faults, Fields, entries_of, items_of, text_of
from gatewright.policy.model import Live, LiveMetric, Outcomes
from gatewright.policy.schema import LIVE, METRIC, OUTCOMES
from gatewright.quantity import parse_quantity

_ARMS = ("champion", "challenger")

#: an account with its password, or a setting that holds one
_SECRET = re.compile(r"://[^:/]*:[^@]*@|[?&][^=&]*(?:passw|pwd|secret|token)[^=&]*=", re.IGNORECASE)


def read_live(node: Node, faults: Faults) -> Live:
    """The live block; where something is wrong with it, that is in `faults`."""
    fields = Fields(LIVE, node, '"live"', faults)
    live = Live(
        split=_split(fields.node("split"), faults),
        unit=fields.text("unit"),
        outcomes=_outcomes(fields.node("outcomes"), faults),
        primary=_metric(fields.node("primary"), "superior", faults),
        guardrails=_guardrails(fields.node("guardrails"), faults),
        alpha=fields.share("alpha", Decimal("0.05")),
        min_units=fields.whole("min_units", 100),
        min_runtime=fields.span("min_runtime", Decimal(7 * 86400)),
        max_runtime=fields.span("max_runtime", Decimal(28 * 86400)),
        label_maturity=fields.span("label_maturity", Decimal(0)),
        method=fields.choice("method", "always_valid"),
    )
    _fits_together(live, fields, faults)
    return live


def _fits_together(live: Live, fields: Fields, faults: Faults) -> None:
    if not 0 < live.alpha < Decimal("0.5"):
        faults.add(fields.at("alpha"), '"alpha" must lie above 0 and below 50%', "write 5%")
    _ends_in_time(live, fields, faults)
    if live.primary.require == "non_inferior" and not live.primary.margin:
        what = f"no traffic shows {live.primary.name} to be not worse by 0"
        faults.add(fields.at("primary"), what, "give it a margin, or leave require out")
    names: set[str] = set()
    for metric in live.metrics:
        if metric.name and metric.name in names:
            faults.add(fields.at("guardrails"), f'two metrics are called "{metric.name}"', "give each its own name")
        names.add(metric.name)


def _ends_in_time(live: Live, fields: Fields, faults: Faults) -> None:
    if live.max_runtime < live.min_runtime:
        longer = "max_runtime" if "max_runtime" in fields else "min_runtime"
        faults.add(fields.at(longer), '"max_runtime" is shorter than "min_runtime"', "nothing could ever be decided")
        return
    due = live.min_runtime + live.label_maturity
    if live.max_runtime < due:
        text = f"outcomes of the first {_time(live.min_runtime)} are due after {_time(due)}"
        text += f", and the split ends after {_time(live.max_runtime)}"
        faults.add(fields.at("label_maturity"), text, f"set max_runtime to {_time(due)} or more")
    if live.label_maturity and live.outcomes.are_totals:
        text = "sums that are logged to MLflow do not tell how old each unit is"
        faults.add(fields.at("label_maturity"), text, "leave label_maturity out, or write outcomes as rows")


def _time(seconds: Decimal) -> str:
    """As a policy may write it."""
    unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % s == 0 or s == 1)
    return f"{seconds / size:f}{unit}"


def _split(node: Node | None, faults: Faults) -> dict[str, Decimal]:
    """Each arm's share; together they are all of the traffic."""
    shares: dict[str, Decimal] = {}
    spoiled = False
    if node is None:
        return shares
    pairs = entries_of(node, '"split"', faults)
    for arm, value in pairs:
        if arm.text not in _ARMS:
            hint = did_you_mean(arm.text, _ARMS) or "the arms are champion and challenger"
            faults.add(arm.place, f'unknown arm "{arm.text}"', hint)
            continue
        share = _share(value, faults)
        if share is None:
            spoiled = True
        else:
            shares[arm.text] = share
    if spoiled:
        return {}
    if pairs and (set(shares) != set(_ARMS) or sum(shares.values()) != 100):
        faults.add(
            node.place,
            "the split must share out 100 between two arms",
            "write {champion: 90, challenger: 10}",
        )
    return {arm: share / 100 for arm, share in shares.items()}


def _share(node: Node, faults: Faults) -> Decimal | None:
    try:
        if isinstance(node, Scalar) and node.kind != "unclear":
            quantity = parse_quantity(node.text.rstrip().removesuffix("%"))
            if quantity.style == "plain" and 0 < quantity.value < 100:
                return _routable(quantity.value, node, faults)
    except ValueError:
        pass
    faults.add(node.place, "an arm's share must be a number above 0 and below 100", "write 90 or 90%")
    return None


def _routable(share: Decimal, node: Node, faults: Faults) -> Decimal | None:
    if share * 100 == (share * 100).to_integral_value():
        return share
    faults.add(
        node.place,
        f"an arm's share of {share} % cannot be routed",
        "write whole hundredths of a percent, such as 12.25",
    )
    return None


def _outcomes(node: Node | None, faults: Faults) -> Outcomes:
    if node is None:
        return Outcomes("")
    fields = Fields(OUTCOMES, node, '"outcomes"', faults)
    outcomes = Outcomes(
        data=fields.text("data"),
        query=fields.text("query"),
        version=fields.text("version", "version"),
        time=fields.text("time", "time"),
        metric=fields.text("metric"),
        value=fields.text("value", "value"),
    )
    if "value" in fields and "metric" not in fields:
        faults.add(fields.at("value"), '"value" goes with "metric", in a table with a row for each metric')
    _one_kind(outcomes, fields, faults)
    return outcomes


def _one_kind(outcomes: Outcomes, fields: Fields, faults: Faults) -> None:
    """Rows of a table, the answer of a database, or totals: each has keys of its own."""
    if _SECRET.search(outcomes.data):
        text = 'a password stands in "data", where everybody may read it'
        faults.add(fields.at("data"), text, "leave it out, change it, and set GATEWRIGHT_OUTCOMES_PASSWORD")
    elif outcomes.is_database and not outcomes.query:
        text = "a database is asked a question, and there is none"
        faults.add(fields.at("data"), text, "add query: SELECT … FROM …")
    elif "query" in fields and not outcomes.is_database:
        text = f'"query" is for a database, and {outcomes.data} is none'
        faults.add(fields.at("query"), text, "leave it out, or write a URL such as postgresql://reader@host/name")
    for key in ("version", "time", "metric", "value") if outcomes.are_totals else ():
        if key in fields:
            text = f'"{key}" goes with a table: what is logged to MLflow has no columns'
            faults.add(fields.at(key), text, "leave it out")


def _guardrails(node: Node | None, faults: Faults) -> tuple[LiveMetric, ...]:
    items = items_of(node, '"guardrails"', faults) if node else ()
    return tuple(_metric(item, "non_inferior", faults) for item in items)


def _metric(node: Node | None, require: Literal["superior", "non_inferior"], faults: Faults) -> LiveMetric:
    """A metric's name, or its keys."""
    if node is None or isinstance(node, Scalar):
        name = text_of(node, "a metric", faults) if node else None
        return LiveMetric(name or "", require=require)
    fields = Fields(METRIC, node, "a metric", faults)
    metric = LiveMetric(
        name=fields.text("name"),
        better=fields.choice("better", "higher"),
        require=fields.choice("require", require),
        margin=fields.share("margin", Decimal(0)),
        column=fields.text("column"),
        per=fields.text("per"),
        effect=fields.share("effect", Decimal(0)),
    )
    _metric_fits(metric, fields, require, faults)
    return metric


def _metric_fits(metric: LiveMetric, fields: Fields, require: str, faults: Faults) -> None:
    if metric.margin < 0:
        faults.add(fields.at("margin"), '"margin" must not be negative', "it is how much worse is still accepted")
    if metric.effect < 0:
        faults.add(fields.at("effect"), '"effect" must not be negative', "it is how much better is worth finding")
    elif "effect" in fields and metric.require == "non_inferior":
        faults.add(fields.at("effect"), '"effect" goes with require: superior', "leave it out, or ask for better")
    if require == "non_inferior" and metric.require == "superior":
        faults.add(
            fields.at("require"),
            "a guardrail is non_inferior",
            "what must become better is the primary metric",
        )
    elif metric.require == "superior" and "margin" in fields:
        faults.add(fields.at("margin"), '"margin" goes with require: non_inferior', "leave it out")
