"""Every key that a policy file may have, once: loader, JSON Schema and reference all read this table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "text", "texts", "whole", "share", "flag", "span", "choice", "scalar", "stage", "digest", "version", "approvers",
    "block", "blocks", "checks", "rules", "people", "bins", "split", "metric", "metrics",
]  # fmt: skip

LOGIN = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}(?:_[A-Za-z0-9]{1,16})?"
TEAM = r"@[A-Za-z0-9][A-Za-z0-9-]{0,38}(?:_[A-Za-z0-9]{1,16})?/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
PERSON = rf"{LOGIN}(?:#[1-9][0-9]{{0,17}})?"
SPAN = r"[0-9]*\.?[0-9]+\s*(?:us|ms|s|m|h|d)"
STAGES = ("Staging", "Production")
EXCLUDABLE = ("requester", "pr_author", "model_author", "commit_authors")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it takes, what it is for, and, as one would write it, what holds when it is left out."""

    name: str
    kind: Kind
    about: str
    default: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    least: int = 0
    block: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping with known keys. `name` is where it stands in the file."""

    name: str
    about: str
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key:
        return next(k for k in self.keys if k.name == name)


POLICY = Block(
    "policy",
    "What must hold before a version of one registered model may move, and who must agree.",
    (
        Key("version", "version", "The version of this format: 1.", required=True),
        Key("model", "text", "The registered model's name, as MLflow shows it.", required=True),
        Key("holdout", "block", "The data that candidate and champion are scored on.", block="holdout"),
        Key("latency", "block", "How speed is measured.", block="latency"),
        Key("live", "block", "An A/B split in production, and how its outcome is read.", block="live"),
        Key(
            "targets",
            "blocks",
            "The rungs of the ladder, lowest first. A name is made of letters, digits, _ . and -.",
            required=True,
            block="target",
        ),
        Key(
            "people",
            "people",
            "MLflow user → GitHub login, so that the author of a model is known as a person. "
            "A login may pin its id: octo#583231.",
        ),
    ),
)

HOLDOUT = Block(
    "holdout",
    "The data that candidate and champion are scored on, in the same job.",
    (
        Key(
            "data",
            "text",
            "A path or URI: parquet (a file or a folder), csv, or an MLflow artifact URI.",
            required=True,
        ),
        Key("target", "text", "The column that holds the truth.", required=True),
        Key(
            "task",
            "choice",
            "What is predicted.",
            required=True,
            choices=("binary", "multiclass", "regression"),
        ),
        Key("positive", "scalar", "The positive class; only where task is binary.", "1"),
        Key("features", "texts", "The columns that the model is given. Left out: the inputs of its signature."),
        Key("slices", "texts", "The columns that a check may slice by."),
        Key("bins", "bins", "For a numeric column of slices: the edges that part it, ascending."),
        Key("min_slice_rows", "whole", "A slice with fewer rows is shown and never decides.", "200", least=1),
        Key("sha256", "digest", "The content's sha256: anything else is an error before any scoring."),
        Key("unit", "text", "The column of whatever repeats (a customer): its rows are resampled together."),
        Key("drop_null_target", "flag", "Leave rows without a truth out, and say how many.", "false"),
        Key(
            "sandbox",
            "choice",
            "Refuse to load a model where the worker cannot be fenced in (require), or say so (report).",
            "report",
            choices=("require", "report"),
        ),
        Key(
            "environment",
            "choice",
            "Score in this Python environment (current), or in one made of the model's requirements (model).",
            "current",
            choices=("current", "model"),
        ),
        Key("timeout", "span", "How long scoring may take in all.", "1h"),
    ),
)

LATENCY = Block(
    "latency",
    "How speed is measured: single calls, candidate and champion in turn, on rows of the holdout.",
    (
        Key("requests", "whole", "Calls that count.", "300", least=1),
        Key("warmup", "whole", "Calls before them that do not.", "30", least=0),
        Key("batch", "whole", "Rows in a call.", "1", least=1),
    ),
)

LIVE = Block(
    "live",
    "An A/B split in production. A check reads its outcome as live.NAME.",
    (
        Key("split", "split", "The share of each arm, of 100: {champion: 90, challenger: 10}.", required=True),
        Key("unit", "text", "The column by which traffic is split and outcomes are counted.", required=True),
        Key("outcomes", "block", "Where exposures and outcomes are.", required=True, block="outcomes"),
        Key(
            "primary",
            "metric",
            "The outcome that decides: a name, or its keys.",
            required=True,
            block="metric",
        ),
        Key("guardrails", "metrics", "Outcomes that must not become worse.", block="metric"),
        Key("alpha", "share", "The risk of calling a worse challenger better.", "5%"),
        Key("min_units", "whole", "Units in each arm before anything is decided, at least 100.", "100", least=100),
        Key("min_runtime", "span", "A benefit is not called before this; harm may be.", "7d"),
        Key("max_runtime", "span", "Then the champion stays.", "28d"),
        Key("label_maturity", "span", "Only units older than this count, where outcomes come late.", "0d"),
        Key(
            "method",
            "choice",
            "A confidence sequence, valid however often it is looked at (always_valid), or planned looks.",
            "always_valid",
            choices=("always_valid", "group_sequential"),
        ),
    ),
)

OUTCOMES = Block(
    "outcomes",
    "Where the exposures and outcomes of a split are.",
    (
        Key(
            "data",
            "text",
            "A table (parquet, csv, or a database's URL with `query`), or mlflow for counts, sums and sums of "
            "squares that are logged per version.",
            required=True,
        ),
        Key("query", "text", "The SQL query that gives the table, for a database."),
        Key("version", "text", "The column of the model version.", "version"),
        Key("time", "text", "The column of the time of exposure.", "time"),
        Key(
            "metric",
            "text",
            "In a long table: the column of metric names. Left out: each metric is a column.",
        ),
        Key("value", "text", "In a long table: the column of values.", "value"),
    ),
)

METRIC = Block(
    "metric",
    "An outcome of a split, and what is asked of it.",
    (
        Key("name", "text", "What a check calls it: live.NAME.", required=True),
        Key("better", "choice", "Which way is good.", "higher", choices=("higher", "lower")),
        Key(
            "require",
            "choice",
            "Better than the champion, or not worse by more than margin. Guardrails are non_inferior.",
            "superior",
            choices=("superior", "non_inferior"),
        ),
        Key("margin", "share", "How much worse is still accepted, as a difference.", "0"),
        Key("column", "text", "The column of its values, where it is not the name."),
        Key("per", "text", "For a ratio of two sums: the column below the line."),
        Key(
            "effect",
            "share",
            "The smallest improvement worth finding, as a difference: a split that cannot find it is not begun.",
            "0",
        ),
    ),
)

TARGET = Block(
    "target",
    "One rung of the ladder: how it is held, what must hold first, who must agree.",
    (
        Key("after", "text", "A lower target that the candidate must hold first."),
        Key("stage", "stage", "The MLflow stage that holds it.", choices=STAGES),
        Key("archive_existing", "flag", "Archive whoever is in the stage.", "true"),
        Key("alias", "text", "The MLflow alias that points at the holder."),
        Key(
            "copy_to",
            "text",
            "Another registered model that the version is copied into; stage and alias live there.",
        ),
        Key("checks", "checks", "What must hold. One line, one rule.", required=True),
        Key("warnings", "checks", "What is reported and never blocks."),
        Key("approvals", "rules", "Who must agree. Left out or [], nobody.", "[]", block="rule"),
        Key(
            "exclude",
            "texts",
            "Whose approval does not count.",
            "[requester, pr_author, model_author]",
            choices=EXCLUDABLE,
        ),
        Key("expires", "span", "How long a request and its approvals hold.", "7d"),
        Key("rollback", "block", "What a rollback owes besides its reason.", block="rollback"),
        Key("override", "block", "Break-glass: who may overrule the gate. Always recorded.", block="override"),
        Key("stale_after", "span", "A holder older than this is reported by drift."),
    ),
)

CHECK = Block(
    "check",
    "A check that needs more than its line.",
    (
        Key("check", "text", "The line.", required=True),
        Key("name", "text", "What reports call it."),
        Key(
            "if_no_champion",
            "choice",
            "Without a champion to compare with.",
            "skip",
            choices=("skip", "fail"),
        ),
        Key("if_inconclusive", "choice", "Where the rows do not settle it.", "fail", choices=("fail", "warn")),
        Key("if_missing", "choice", "Where the value is not there.", "error", choices=("error", "skip")),
    ),
)

INCLUDE = Block(
    "include",
    "All checks of another target.",
    (Key("include", "text", "The target whose checks are taken over.", required=True),),
)

RULE = Block(
    "rule",
    "A number of different people out of a list must approve. Nobody fills two rules.",
    (
        Key("name", "text", "What reports call it. Left out: its approvers."),
        Key("from", "approvers", 'Logins (octo, octo#583231) and teams ("@acme/ml-leads").', required=True),
        Key("count", "whole", "How many of them.", "1", least=1),
    ),
)

ROLLBACK = Block(
    "rollback",
    "What a rollback from this target owes besides its reason.",
    (Key("approvals", "rules", "Who must agree; [] is nobody.", "[]", block="rule"),),
)

OVERRIDE = Block(
    "override",
    "Who may overrule the gate, with a reason.",
    (Key("from", "approvers", "Logins and teams.", required=True),),
)

BLOCKS: Mapping[str, Block] = {
    b.name: b
    for b in (
        POLICY, HOLDOUT, LATENCY, LIVE, OUTCOMES, METRIC, TARGET, CHECK, INCLUDE, RULE, ROLLBACK, OVERRIDE
    )
}  # fmt: skip

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_LIST = {"type": "array", "minItems": 1, "uniqueItems": True}
_NUMBER_OR_PERCENT = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.]+\s*%$"}]}

_SHAPES: Mapping[Kind, dict[str, Any]] = {
    "text": _TEXT,
    "texts": {**_LIST, "items": _TEXT},
    "share": _NUMBER_OR_PERCENT,
    "flag": {"type": "boolean"},
    "span": {"type": "string", "pattern": f"^{SPAN}$", "examples": ["7d", "30m"]},
    "scalar": {"type": ["string", "number", "boolean"]},
    "digest": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
    "version": {"const": 1},
    "approvers": {**_LIST, "items": {"type": "string", "pattern": f"^(?:{PERSON}|{TEAM})$"}},
    "people": {"type": "object", "additionalProperties": {"type": "string", "pattern": f"^{PERSON}$"}},
    "bins": {"type": "object", "additionalProperties": {**_LIST, "items": {"type": "number"}}},
    "split": {
        "type": "object",
        "properties": {"champion": _NUMBER_OR_PERCENT, "challenger": _NUMBER_OR_PERCENT},
        "required": ["champion", "challenger"],
        "additionalProperties": False,
    },
    "checks": {
        "type": "array",
        "minItems": 1,
        "items": {
            "anyOf": [
                {
                    "type": "string",
                    "minLength": 1,
                    "description": "One line, one rule: path [by column] [op value]",
                },
                {"$ref": "#/$defs/check"},
                {"$ref": "#/$defs/include"},
            ]
        },
    },
}

WORDS: Mapping[Kind, str] = {
    "text": "text",
    "texts": "list of texts",
    "whole": "whole number",
    "share": "number or percentage",
    "flag": "true or false",
    "span": "time: `7d`, `30m`",
    "choice": "word",
    "scalar": "text, number or flag",
    "stage": "word",
    "digest": "64 hexadecimal digits",
    "version": "1",
    "approvers": "list of logins and teams",
    "block": "mapping",
    "blocks": "mapping of mappings",
    "checks": "list of checks",
    "rules": "list of mappings",
    "people": "mapping",
    "bins": "mapping of lists of numbers",
    "split": "mapping",
    "metric": "text or mapping",
    "metrics": "list of texts or mappings",
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy file, for editors: every key has its description.

    It is looser than `gatewright policy check`, which alone knows paths, units and what fits together.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatewright policy",
        **_object(POLICY),
        "$defs": {name: _object(block) for name, block in BLOCKS.items() if block is not POLICY},
    }


def _object(block: Block) -> dict[str, Any]:
    required = [k.name for k in block.keys if k.required]
    return {
        "description": block.about,
        "type": "object",
        "properties": {k.name: _property(k) for k in block.keys},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _property(key: Key) -> dict[str, Any]:
    shape = {"description": key.about, **_shape(key)}
    return shape | {"default": _default(key)} if key.default else shape


def _shape(key: Key) -> dict[str, Any]:
    ref = {"$ref": f"#/$defs/{key.block}"}
    match key.kind:
        case "choice" | "stage":
            return {"enum": list(key.choices)}
        case "whole":
            return {"type": "integer", "minimum": key.least}
        case "block":
            return ref
        case "blocks":
            return {"type": "object", "minProperties": 1, "additionalProperties": ref}
        case "rules":
            return {"type": "array", "items": ref}
        case "metric":
            return {"anyOf": [_TEXT, ref]}
        case "metrics":
            return {"type": "array", "minItems": 1, "items": {"anyOf": [_TEXT, ref]}}
        case "texts" if key.choices:
            return {"type": "array", "uniqueItems": True, "items": {"enum": list(key.choices)}}
        case _:
            return _SHAPES[key.kind]


def _default(key: Key) -> Any:
    """A default as JSON has it."""
    if key.kind == "whole" or key.default.isdigit():
        return int(key.default)
    if key.kind == "flag":
        return key.default == "true"
    if key.default.startswith("["):
        return [word for word in re.split(r"[\[\], ]+", key.default) if word]
    return key.default


def keys_of(block: Block) -> Iterator[str]:
    """The names of a block's keys, in their order."""
    return (k.name for k in block.keys)
