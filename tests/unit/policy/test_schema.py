"""One table of keys: what the loader reads, what editors complete, and what the reference says are the same."""

from __future__ import annotations

import re
from pathlib import Path as File
from typing import Any

import jsonschema
import pytest
import yaml

from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Check, Holdout, Latency, Live, LiveMetric, Outcomes, Policy, Rule, Target
from gatewright.policy.reference import reference
from gatewright.policy.schema import BLOCKS, SPAN, Block, Key, json_schema
from gatewright.problem import PolicyError
from gatewright.quantity import parse_quantity

ROOT = File(__file__).parents[3]
EXAMPLES = sorted((ROOT / "policies").glob("*.yaml"))
KEYS = [(block, key) for block in BLOCKS.values() for key in block.keys]

MODELS: dict[str, Any] = {
    "holdout": Holdout, "latency": Latency, "live": Live, "outcomes": Outcomes, "metric": LiveMetric,
    "target": Target, "check": Check, "rule": Rule, "policy": Policy,
}  # fmt: skip


def validator() -> Any:
    """A validator of the schema, which is itself held to the specification."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_the_examples_are_what_the_schema_describes(file: File) -> None:
    """An editor finds nothing to complain of in them."""
    assert [e.message for e in validator().iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))] == []


def test_an_unknown_key_is_nothing_that_the_schema_describes() -> None:
    """At every depth."""
    text = "{version: 1, model: m, targets: {t: {alias: a, checks: [signature], treshold: 1}}}"
    assert not validator().is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(("block", "key"), KEYS, ids=lambda x: x.name)
def test_every_key_has_a_description_that_an_editor_shows(block: Block, key: Key) -> None:
    """A sentence that begins with a capital and ends with a stop."""
    assert re.fullmatch(r"[A-Z`].*\.", key.about) or key.about.startswith("MLflow user →")
    schema = json_schema() if block.name == "policy" else json_schema()["$defs"][block.name]
    assert schema["properties"][key.name]["description"] == key.about


@pytest.mark.parametrize(("block", "key"), [(b, k) for b, k in KEYS if k.default], ids=lambda x: x.name)
def test_the_default_that_is_documented_is_the_one_that_holds(block: Block, key: Key) -> None:
    """Against the defaults of the model."""
    name = {"rollback": "rollback_approvals"}.get(block.name, key.name)
    model: Any = MODELS.get(block.name, Target)
    default: Any = model.__dataclass_fields__[name].default
    if key.kind in ("span", "share"):
        assert parse_quantity(key.default).value == default
    elif key.default.startswith("["):
        assert "[" + ", ".join(default) + "]" == key.default
    else:
        assert str(default).lower() == key.default


def sample(key: Key) -> str:
    """A value of a kind that the key does not take."""
    return "[[]]" if key.kind not in ("texts", "approvers", "checks", "metrics", "rules") else "3"


@pytest.mark.parametrize(
    ("block", "key"),
    [(b, k) for b, k in KEYS if b.name in ("policy", "holdout", "latency", "live", "target")],
    ids=lambda x: x.name,
)
def test_every_key_is_read_and_a_value_of_the_wrong_kind_is_reported_there(block: Block, key: Key) -> None:
    """No key of the table is forgotten by the loader."""
    body = f"{key.name}: {sample(key)}\n"
    if block.name == "policy":
        text = body
    elif block.name == "target":
        text = f"targets:\n  t:\n    {body}"
    else:
        text = f"{block.name}:\n  {body}"
    with pytest.raises(PolicyError) as caught:
        read_policies({"p": text}, PATHS)
    line = text.count("\n")
    column = text.splitlines()[-1].index(": ") + 3
    assert any((p.line, p.col) in ((line, column), (line, column + 1)) for p in caught.value.problems)


@pytest.mark.parametrize("text", ["7d", "30m", "1.5 h", ".5s", "100ms"])
def test_the_spans_of_the_schema_are_spans_of_the_loader(text: str) -> None:
    """Both take the same spellings."""
    assert re.fullmatch(SPAN, text) and parse_quantity(text).dimension == "time"


def test_the_reference_is_in_step_with_the_tables() -> None:
    """If not: python docs/write_reference.py."""
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert page.endswith("\n" + reference(PATHS)), "run: python docs/write_reference.py"


def test_the_reference_names_every_key_and_path() -> None:
    """Nothing that the loader knows is missing from it."""
    text = reference(PATHS)
    assert all(f"| `{key.name}` |" in text for _, key in KEYS)
    assert all(f"| `{row.name}` |" in text for row in PATHS.rows)
