"""A policy as the gate uses it: checked, resolved, frozen, and each line knowing its place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from gatewright.canonical import digest_of, plain
from gatewright.paths import Path
from gatewright.quantity import Dimension, Quantity

_DATABASE = re.compile(
    r"(?:postgresql|mysql|mariadb|mssql|sqlite|oracle|snowflake|bigquery|redshift|databricks|duckdb|trino)(?:\+\w+)?://"
)

Severity = Literal["block", "warn"]
Aggregate = Literal["by", "gap by", "ratio by"]
Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a policy file something stands; line and column count from 1."""

    file: str
    line: int
    col: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Champion:
    """The champion's value of the same path as a bound: `factor` × champion + `offset`.

    text: as written (`champion - 0.002`), for people. style: how the offset was written (percent, unit).
    """

    factor: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    text: str = "champion"


Literal_ = Quantity | str | bool
Operand = Literal_ | tuple[Literal_, ...] | Champion


@dataclass(frozen=True, slots=True)
class Check:
    """One line of policy. `text` is its normal spelling; `op` and `operand` are None for "must be present".

    level: one-sided confidence as a fraction (0.95), None for a plain comparison.
    """

    text: str
    path: Path
    place: Place
    dimension: Dimension = "number"
    op: str | None = None
    operand: Operand | None = None
    aggregate: Aggregate | None = None
    column: str | None = None
    level: Decimal | None = None
    severity: Severity = "block"
    name: str = ""
    if_no_champion: Literal["skip", "fail"] = "skip"
    if_inconclusive: Literal["fail", "warn"] = "fail"
    if_missing: Literal["error", "skip"] = "error"
    paired: bool = False

    @property
    def title(self) -> str:
        return self.name or self.text

    @property
    def needs_champion(self) -> bool:
        return self.paired or isinstance(self.operand, Champion)


@dataclass(frozen=True, slots=True)
class Holdout:
    """The data that candidate and champion are scored on."""

    data: str
    target: str
    task: Task
    positive: str | int | float | bool = 1
    features: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    min_slice_rows: int = 200
    sha256: str = ""
    unit: str = ""
    drop_null_target: bool = False
    sandbox: Literal["require", "report"] = "report"
    environment: Literal["current", "model"] = "current"
    timeout: Decimal = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Latency:
    """How speed is measured: calls that count, calls before them that do not, rows a call."""

    requests: int = 300
    warmup: int = 30
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Where a live split's exposures and outcomes are.

    data: a table (parquet, csv, or a database's URL together with `query`), or "mlflow" for counts, sums and
    sums of squares that the serving side logs per version. version, time, metric, value: the table's columns;
    `metric` is the column of metric names in a long table, "" for a table with a column for each metric.
    """

    data: str
    query: str = ""
    version: str = "version"
    time: str = "time"
    metric: str = ""
    value: str = "value"

    @property
    def is_database(self) -> bool:
        """Whether `data` is a database's URL."""
        return bool(_DATABASE.match(self.data))

    @property
    def are_totals(self) -> bool:
        """Whether they are logged to MLflow as totals, and not kept as rows."""
        return self.data == "mlflow"

    @property
    def address(self) -> str:
        """Where they are, for people: without the account, and of a database without the settings."""
        if not self.is_database:
            return re.sub(r"//[^/\s]*@", "//…@", self.data)
        scheme, _, rest = self.data.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


@dataclass(frozen=True, slots=True)
class LiveMetric:
    """One outcome and what is asked of it.

    require: the challenger is to be `superior`, or `non_inferior` within `margin`. column: where its values are,
    "" for the column of its name. per: for a ratio of two sums (clicks per view), the column below the line.
    effect: the smallest improvement worth finding, 0 if nobody says.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    require: Literal["superior", "non_inferior"] = "superior"
    margin: Decimal = Decimal(0)
    column: str = ""
    per: str = ""
    effect: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Live:
    """An A/B split and how its outcome is read. Spans are seconds; `split` gives each arm's share of 1."""

    split: Mapping[str, Decimal]
    unit: str
    outcomes: Outcomes
    primary: LiveMetric
    guardrails: tuple[LiveMetric, ...] = ()
    alpha: Decimal = Decimal("0.05")
    min_units: int = 100
    min_runtime: Decimal = Decimal(7 * 86400)
    max_runtime: Decimal = Decimal(28 * 86400)
    label_maturity: Decimal = Decimal(0)
    method: Literal["always_valid", "group_sequential"] = "always_valid"

    @property
    def metrics(self) -> tuple[LiveMetric, ...]:
        return (self.primary, *self.guardrails)


@dataclass(frozen=True, slots=True)
class Approver:
    """A person (`octo`, perhaps pinned: `octo#583231`) or a team (`@acme/ml-leads`)."""

    login: str = ""
    id: int | None = None
    team: str = ""

    def __str__(self) -> str:
        if self.team:
            return f"@{self.team}"
        return self.login if self.id is None else f"{self.login}#{self.id}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`count` different people out of `approvers` must approve."""

    name: str
    approvers: tuple[Approver, ...]
    count: int = 1

    def __str__(self) -> str:
        return f"any {self.count} of {', '.join(map(str, self.approvers))}"


@dataclass(frozen=True, slots=True)
class Target:
    """A rung of the ladder: how it is held, what must hold first, who must agree.

    With `copy_to`, stage and alias belong to the copy in that registered model.
    `checks` are complete: includes are taken over, warnings follow with severity "warn".
    """

    name: str
    checks: tuple[Check, ...]
    place: Place
    after: str = ""
    stage: str = ""
    archive_existing: bool = True
    alias: str = ""
    copy_to: str = ""
    approvals: tuple[Rule, ...] = ()
    exclude: tuple[str, ...] = ("requester", "pr_author", "model_author")
    expires: Decimal = Decimal(7 * 86400)
    rollback_approvals: tuple[Rule, ...] = ()
    override: tuple[Approver, ...] = ()
    stale_after: Decimal | None = None

    @property
    def blocking(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.severity == "block")


@dataclass(frozen=True, slots=True)
class Policy:
    """One model's policy. `targets` stand in the order of the ladder; `people` maps MLflow users to people."""

    file: str
    model: str
    targets: tuple[Target, ...]
    holdout: Holdout | None = None
    latency: Latency | None = None
    live: Live | None = None
    people: Mapping[str, Approver] = field(default_factory=dict)

    def target(self, name: str) -> Target | None:
        return next((t for t in self.targets if t.name == name), None)

    def digest(self, target: Target) -> str:
        """The rules that bind a move to `target`: comments, layout and other targets do not change it."""
        blocks = {"holdout": self.holdout, "latency": self.latency, "live": self.live}
        return digest_of({"model": self.model, "target": _rules(target), "people": self.people, **blocks})


def _rules(value: object) -> Any:
    """A value without the places that it was read from."""
    if isinstance(value, tuple):
        return [_rules(v) for v in value]
    if isinstance(value, (Target, Check)):
        return {f.name: _rules(getattr(value, f.name)) for f in fields(value) if f.name != "place"}
    return plain(value)
