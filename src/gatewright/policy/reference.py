"""The reference part of docs/policy.md, made from the tables that the loader itself reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.paths import PathRow, Paths
from gatewright.policy.grammar import AGGREGATES, OPERATORS
from gatewright.policy.schema import BLOCKS, WORDS, Block, Key
from gatewright.quantity import UNITS

_TITLES = {
    "policy": "The file",
    "outcomes": "`live.outcomes`",
    "metric": "`live.primary` and `live.guardrails`",
    "target": "`targets.NAME`",
    "check": "A check in long form",
    "include": "An include",
    "rule": "A rule of `approvals`",
    "rollback": "`targets.NAME.rollback`",
    "override": "`targets.NAME.override`",
}


def reference(paths: Paths) -> str:
    """Markdown: every key, operator, aggregate, unit and path."""
    parts = ["## Keys", *(_block(b) for b in BLOCKS.values()), *_grammar(), *_paths(paths)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    title = _TITLES.get(block.name, f"`{block.name}`")
    rows = [(f"`{k.name}`", _takes(k), _default(k), k.about) for k in block.keys]
    return f"### {title}\n\n{block.about}\n\n" + _table(("key", "takes", "left out", "meaning"), rows)


def _takes(key: Key) -> str:
    choices = " or ".join(f"`{c}`" for c in key.choices)
    return f"list of {choices}" if key.kind == "texts" and choices else choices or WORDS[key.kind]


def _default(key: Key) -> str:
    return "**required**" if key.required else (f"`{key.default}`" if key.default else "")


def _grammar() -> Iterator[str]:
    yield "## Operators"
    yield _table(("operator", "the value …"), ((f"`{o.sign}`", o.about) for o in OPERATORS.values()))
    yield "## Aggregates"
    yield _table(("aggregate", "what is compared"), ((f"`{a} COLUMN`", about) for a, about in AGGREGATES.items()))
    yield "## Units"
    yield _table(("what", "units"), ((_dimension, " ".join(_units(d))) for d, _dimension in _DIMENSIONS))


_DIMENSIONS = (("time", "time"), ("bytes", "bytes"), ("number", "plain numbers"))


def _units(dimension: str) -> Iterable[str]:
    if dimension == "number":
        return ("none, or `%`: `95%` is 0.95",)
    return (f"`{unit}`" for unit, (of, _) in UNITS.items() if of == dimension)


def _paths(paths: Paths) -> Iterator[str]:
    yield "## Paths"
    yield (
        "*by*: it can be sliced. *at*: it is an estimate, so a check may ask for a confidence. "
        "*champion*: it can be held against the champion's."
    )
    heads = ("path", "value", "by", "at", "champion", "what it is")
    yield _table(heads, map(_path, paths.rows))


def _path(row: PathRow) -> tuple[str, ...]:
    tasks = f" ({', '.join(row.tasks)})" if row.tasks else ""
    return (
        f"`{row.name}`",
        _value(row),
        *map(_mark, (row.sliceable, row.sampled, row.comparable)),
        row.about + tasks,
    )


def _value(row: PathRow) -> str:
    if row.kind == "number":
        return row.dimension
    return {"flag": "true or false", "any": "number or text", "text": "text"}[row.kind]


def _mark(yes: bool) -> str:
    return "yes" if yes else ""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
