"""A model's signature as the MLmodel file spells it: columns or tensors in and out, and params."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.measure.quoting import quoted, several

#: how deep arrays, maps and objects may nest
_MAX_DEPTH = 32

_SCALARS = frozenset(("boolean", "integer", "long", "float", "double", "string", "binary", "datetime"))


class SchemaFault(ValueError):
    """The text is no signature; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Type:
    """One of MLflow's types.

    kind: a scalar's name, `array`, `map`, `object`, `any`, `sparkml_vector` or `tensor`.
    items: of an array or map. fields: of an object, by name. dtype, shape: of a tensor; -1 is any length.
    """

    kind: str
    items: Type | None = None
    fields: tuple[Field, ...] = ()
    dtype: str = ""
    shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.kind == "tensor":
            return f"tensor of {self.dtype} {list(self.shape)}"
        if self.kind in ("array", "map"):
            return f"{self.kind} of {self.items}"
        if self.kind == "object":
            fields = (f"{quoted(f.name or '', 20)} {f.type.kind}" for f in self.fields)
            return f"object of {several(fields, 4)}"
        return self.kind


@dataclass(frozen=True, slots=True)
class Field:
    """An input, an output, or a property of an object; columns and a single tensor may go without a name."""

    name: str | None
    type: Type
    required: bool = True


@dataclass(frozen=True, slots=True)
class Param:
    """An inference param. `shape` is None for a scalar, (-1,) for a list; `default` is its JSON spelling."""

    name: str
    type: Type
    default: str
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives; None where the signature leaves it open."""

    inputs: tuple[Field, ...] | None = None
    outputs: tuple[Field, ...] | None = None
    params: tuple[Param, ...] = ()

    def __str__(self) -> str:
        parts = [_count(self.inputs, "input"), _count(self.outputs, "output")]
        if self.params:
            parts.append(_count(self.params, "param"))
        return ", ".join(parts)


def _count(things: tuple[Any, ...] | None, word: str) -> str:
    if things is None:
        return f"{word}s not declared"
    return f"1 {word}" if len(things) == 1 else f"{len(things)} {word}s"


def parse(block: object) -> Signature:
    """Reads the `signature` block of an MLmodel file; raises SchemaFault."""
    if not isinstance(block, Mapping):
        raise SchemaFault("the signature is no mapping")
    params = _listed(block, "params")
    return Signature(
        _fields(_listed(block, "inputs"), "input"),
        _fields(_listed(block, "outputs"), "output"),
        () if params is None else _distinct(tuple(map(_param, params)), "param"),
    )


def _listed(block: Mapping[Any, Any], key: str) -> list[Any] | None:
    text = block.get(key)
    if text is None:
        return None
    try:
        listed = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise SchemaFault(f"its {key} are no JSON") from None
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise SchemaFault(f"its {key} are no list of descriptions")
    return listed or None


def _fields(listed: list[dict[str, Any]] | None, word: str) -> tuple[Field, ...] | None:
    if listed is None:
        return None
    fields = tuple(_field(raw, word) for raw in listed)
    if len({f.type.kind == "tensor" for f in fields}) > 1 or len({f.name is None for f in fields}) > 1:
        raise SchemaFault(f"its {word}s mix columns and tensors, or names and no names")
    return fields if fields[0].name is None else _distinct(fields, word)


def _field(raw: dict[str, Any], word: str) -> Field:
    name = raw.get("name")
    where = word if name is None else f"{word} {quoted(str(name))}"
    kind = _type(raw, where, 0)
    # MLflow reads an array, map or object that does not say "required" as optional, and a scalar as required
    default = kind.kind in _SCALARS or kind.kind == "tensor"
    return Field(None if name is None else str(name), kind, bool(raw.get("required", default)))


def _param(raw: dict[str, Any]) -> Param:
    if "name" not in raw or "default" not in raw:
        raise SchemaFault("a param has no name or no default")
    name = str(raw["name"])
    spelled = raw if "type" in raw else {**raw, "type": raw.get("dtype")}
    kind = _type(spelled, f"param {quoted(name)}", 0)
    shape = raw.get("shape")
    default = json.dumps(raw["default"], sort_keys=True)
    return Param(name, kind, default, None if shape is None else _shape(shape, f"param {quoted(name)}"))


def _type(raw: object, where: str, depth: int) -> Type:
    if depth > _MAX_DEPTH:
        raise SchemaFault(f"{where} nests deeper than {_MAX_DEPTH} levels")
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(kind, str):
        raise SchemaFault(f"{where} has no type")
    if kind in _SCALARS or kind in ("any", "sparkml_vector"):
        return Type(kind)
    if kind in ("array", "map"):
        return Type(kind, _type(raw.get("items" if kind == "array" else "values"), where, depth + 1))
    if kind == "object":
        return Type(kind, fields=_properties(raw.get("properties"), where, depth + 1))
    if kind == "tensor":
        return _tensor(raw.get("tensor-spec"), where)
    raise SchemaFault(f"{where} has the unknown type {quoted(kind)}")


def _properties(raw: object, where: str, depth: int) -> tuple[Field, ...]:
    if not isinstance(raw, dict) or not all(isinstance(p, dict) for p in raw.values()):
        raise SchemaFault(f"{where} is an object without properties")
    return tuple(
        Field(name, _type(spec, f"{where}, property {quoted(name)}", depth), bool(spec.get("required", True)))
        for name, spec in sorted(raw.items())
    )


def _tensor(spec: object, where: str) -> Type:
    if not isinstance(spec, dict) or not isinstance(spec.get("dtype"), str):
        raise SchemaFault(f"{where} is a tensor without a dtype")
    return Type("tensor", dtype=spec["dtype"], shape=_shape(spec.get("shape"), where))


def _shape(raw: object, where: str) -> tuple[int, ...]:
    if not isinstance(raw, list) or not all(isinstance(n, int) and not isinstance(n, bool) for n in raw):
        raise SchemaFault(f"{where} has a shape that is no list of whole numbers")
    return tuple(raw)


def _distinct(named: tuple[Any, ...], word: str) -> tuple[Any, ...]:
    if len({n.name for n in named}) < len(named):
        raise SchemaFault(f"two of its {word}s have one name")
    return named
