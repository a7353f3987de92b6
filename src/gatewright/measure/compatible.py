"""Whether a candidate takes every input that the champion takes, and gives the same output.

The rules are those that MLflow enforces when a model is called through `mlflow.pyfunc`: a missing required
input is refused, an extra column is ignored, an extra property of an object is refused, a type may only widen
without loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gatewright.measure.quoting import quoted, several
from gatewright.measure.schema import Field, Param, Signature, Type

#: the champion's column type → other types that MLflow lets take all of its values
WIDER = {"integer": ("long", "double"), "float": ("double",)}

#: the same for params, whose values are Python numbers: there MLflow allows more
WIDER_PARAM = {"integer": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",)}

Scalars = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs: `breaking` refuses a call that worked or changes the answer's form, `noted` does not."""

    breaking: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()

    @property
    def compatible(self) -> bool:
        return not self.breaking


def differences(champion: Signature, candidate: Signature) -> Differences:
    """Compares two signatures; each difference is a short clause in plain words."""
    found = [*_inputs(champion.inputs, candidate.inputs), *_params(champion.params, candidate.params)]
    found += _outputs(champion.outputs, candidate.outputs)
    return Differences(
        tuple(text for breaks, text in found if breaks), tuple(text for breaks, text in found if not breaks)
    )


#: (whether it breaks callers, the clause)
Difference = tuple[bool, str]


def _inputs(old: tuple[Field, ...] | None, new: tuple[Field, ...] | None) -> Iterator[Difference]:
    if new is None:
        if old is not None:
            yield False, "inputs are not declared any more, so that none is refused"
    elif old is None:
        yield True, "inputs are declared now, where the champion takes anything"
    elif _form(old) != _form(new):
        yield True, f"inputs are {_form(new)}, were {_form(old)}"
    elif old[0].name is None:
        yield from _positions(old, new)
    else:
        yield from _named(old, new)


def _form(fields: tuple[Field, ...]) -> str:
    kind = "tensors" if fields[0].type.kind == "tensor" else "columns"
    return kind if fields[0].name is not None else f"{kind} without names"


def _positions(old: tuple[Field, ...], new: tuple[Field, ...]) -> Iterator[Difference]:
    if len(old) != len(new):
        yield (
            True,
            f"the number of inputs is {len(new)}, was {len(old)}, and only their position tells them apart",
        )
        return
    for number, (before, after) in enumerate(zip(old, new, strict=True), 1):
        yield from _breaking(_widened(before.type, after.type, f"input {number}", WIDER))


def _named(old: tuple[Field, ...], new: tuple[Field, ...]) -> Iterator[Difference]:
    before, after = {f.name: f for f in old}, {f.name: f for f in new}
    for name, field in after.items():
        where = f"input {quoted(name or '')}"
        if name not in before:
            yield field.required, f"{where} is new and {'required' if field.required else 'optional'}"
            continue
        yield from _breaking(_widened(before[name].type, field.type, where, WIDER))
        if field.required and not before[name].required:
            yield True, f"{where} is required, was optional"
    for name in [n for n in before if n not in after]:
        yield False, f"input {quoted(name or '')} is not used any more"


def _params(old: tuple[Param, ...], new: tuple[Param, ...]) -> Iterator[Difference]:
    before, after = {p.name: p for p in old}, {p.name: p for p in new}
    for name, param in after.items():
        where = f"param {quoted(name)}"
        if name not in before:
            yield False, f"{where} is new and has a default"
            continue
        yield from _breaking(_widened(before[name].type, param.type, where, WIDER_PARAM))
        if param.shape != before[name].shape:
            yield True, f"{where} is {_arity(param)}, was {_arity(before[name])}"
        if param.default != before[name].default:
            yield False, f"{where} has another default"
    for name in sorted(before.keys() - after.keys()):
        yield True, f"param {quoted(name)} is gone, and MLflow would silently ignore what callers pass"


def _arity(param: Param) -> str:
    return "one value" if param.shape is None else "a list"


def _outputs(old: tuple[Field, ...] | None, new: tuple[Field, ...] | None) -> Iterator[Difference]:
    if old == new:
        if old is None:
            yield False, "neither signature declares an output"
    elif old is None or new is None or [f.name for f in old] != [f.name for f in new]:
        yield True, f"the output is {_described(new)}, was {_described(old)}"
    else:
        for before, after in zip(old, new, strict=True):
            if before != after:
                yield True, f"{_output(after)} is {_worded(after)}, was {_worded(before)}"


def _output(field: Field) -> str:
    return "the output" if field.name is None else f"output {quoted(field.name)}"


def _worded(field: Field) -> str:
    return str(field.type) if field.required else f"optional {field.type}"


def _described(fields: tuple[Field, ...] | None) -> str:
    if fields is None:
        return "not declared"
    named = (str(f.type) if f.name is None else f"{quoted(f.name, 30)} {f.type}" for f in fields)
    return several(named, 5)


def _breaking(clauses: Iterator[str]) -> Iterator[Difference]:
    return ((True, clause) for clause in clauses)


def _widened(old: Type, new: Type, where: str, wider: Scalars) -> Iterator[str]:
    """Clauses for every value of type `old` that `new` would refuse."""
    if old == new or new.kind == "any":
        return
    if old.kind != new.kind:
        if new.kind not in wider.get(old.kind, ()):
            yield f"{where} is {new}, was {old}"
    elif old.kind == "tensor":
        if not _fits(old, new):
            yield f"{where} is a {new}, was a {old}"
    elif old.kind == "object":
        yield from _object(old, new, where, wider)
    elif old.items is not None and new.items is not None:
        yield from _widened(old.items, new.items, f"an element of {where}", wider)


def _fits(old: Type, new: Type) -> bool:
    """A tensor keeps its dtype and rank, and each length stays or becomes free."""
    if old.dtype != new.dtype or len(old.shape) != len(new.shape):
        return False
    return all(after in (before, -1) for before, after in zip(old.shape, new.shape, strict=True))


def _object(old: Type, new: Type, where: str, wider: Scalars) -> Iterator[str]:
    before, after = {f.name: f for f in old.fields}, {f.name: f for f in new.fields}
    for name, field in after.items():
        here = f"property {quoted(name or '')} of {where}"
        if name in before:
            yield from _widened(before[name].type, field.type, here, wider)
            if field.required and not before[name].required:
                yield f"{here} is required, was optional"
        elif field.required:
            yield f"{here} is new and required"
    for name in sorted(str(n) for n in before.keys() - after.keys()):
        yield f"property {quoted(name)} of {where} is gone, and MLflow refuses properties it does not know"
