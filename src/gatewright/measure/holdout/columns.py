"""What is taken from each row of the holdout: the model's inputs, the truth, slices, unit, and a key of its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.measure import mlmodel, schema
from gatewright.measure.holdout.data import Table
from gatewright.measure.holdout.tally import Slices
from gatewright.measure.quoting import several
from gatewright.policy.model import Holdout
from gatewright.problem import Undetermined

if TYPE_CHECKING:
    import pyarrow as pa

#: a column of more values is no column of slices
MOST_SLICES = 50

#: MLflow's type → Arrow's, and which columns may stand in for it
_ARROW: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "boolean": ("bool_", ("bool",)),
    "integer": ("int32", ("int",)),
    "long": ("int64", ("int",)),
    "float": ("float32", ("int", "float")),
    "double": ("float64", ("int", "float")),
    "string": ("string", ("text",)),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch taken apart. inputs: for each model its own. dropped: rows without a target, in none of the others."""

    inputs: tuple[pa.RecordBatch, ...]
    target: Any
    keys: Any
    slices: Mapping[str, Slices]
    units: Any
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one model takes: its columns in order, and Arrow's types of those that its signature gives a type."""

    features: tuple[str, ...]
    types: Mapping[str, Any]

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Its part of a batch."""
        import pyarrow as pa

        fix = "Give the holdout the types of the model's signature, or log the model with wider ones."
        arrays = [
            _cast(name, batch.column(name), self.types[name], fix) if name in self.types else batch.column(name)
            for name in self.features
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.features))


@dataclass(slots=True)
class Columns:
    """Which columns a benchmark reads, and how. models: what each takes. seen: every value of each slice column so far.

    Candidate and champion may take different columns, or one column as different types: a feature that was dropped, a
    whole number that became a fraction.
    """

    holdout: Holdout
    models: tuple[Inputs, ...]
    table: Table
    seen: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return self.holdout.target

    @property
    def slices(self) -> tuple[str, ...]:
        return self.holdout.slices

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        unit = (self.holdout.unit,) if self.holdout.unit else ()
        return tuple(dict.fromkeys((*self._features(), self.target, *self.slices, *unit)))

    def _features(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for model in self.models for name in model.features))

    def rows(self, batch: pa.RecordBatch) -> Rows:
        """Takes a batch apart. Raises Undetermined for rows without a target, unless they may be dropped."""
        batch, dropped = self._with_target(batch)
        target = _plain(batch.column(self.target))
        units = _hashed(batch.column(self.holdout.unit)) if self.holdout.unit else None
        slices = {name: self._slices(name, batch.column(name)) for name in self.slices}
        keys = _keys(batch, (*self._features(), self.target))
        return Rows(self._inputs(batch), target, keys, slices, units, dropped)

    def _with_target(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
        import pyarrow.compute as pc

        absent = _absent(batch.column(self.target))
        missing = _count(absent)
        if missing and not self.holdout.drop_null_target:
            everywhere = sum(_count(_absent(b.column(0))) for b in self.table.batches([self.target]))
            raise Undetermined(
                f"the holdout {self.table.uri} cannot be scored",
                f"{everywhere} of {self.table.rows()} rows have no {self.target}",
                "Fill them, or say drop_null_target: true in the policy's holdout block.",
            )
        return (batch.filter(pc.invert(absent)), missing) if missing else (batch, 0)

    def _inputs(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, ...]:
        first, *others = self.models
        mine = first.of(batch)
        return (mine, *(mine if model == first else model.of(batch) for model in others))

    def _slices(self, name: str, column: pa.Array) -> Slices:
        import numpy as np
        import pyarrow as pa

        if name in self.holdout.bins:
            return self._binned(name, column)
        encoded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
        names = [_word(value) for value in encoded.dictionary.to_pylist()]
        codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
        self._must_be_few(name, names)
        return Slices(codes, [*names, "(none)"])

    def _binned(self, name: str, column: pa.Array) -> Slices:
        import numpy as np

        edges = [float(e) for e in self.holdout.bins[name]]
        numbers = _cast(name, column, "float64", "Give bins to columns of numbers alone.")
        values = numbers.to_numpy(zero_copy_only=False)
        names = [f"< {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges))]
        codes = np.where(np.isnan(values), len(edges) + 1, np.digitize(values, edges))
        return Slices(codes.astype(np.int64), [*names, f">= {edges[-1]:g}", "(none)"])

    def _must_be_few(self, name: str, values: Iterable[str]) -> None:
        known = self.seen.setdefault(name, {})
        known.update((value, 1) for value in values)
        if len(known) > MOST_SLICES:
            raise Undetermined(
                f"the holdout {self.table.uri} cannot be sliced by {name}",
                f"the column has more than {MOST_SLICES} values",
                f"Slice by a column of few values, or give a numeric one bins: {{{name}: [10, 100]}}.",
            )


def read_columns(table: Table, holdout: Holdout, models: Sequence[tuple[Path, str]]) -> Columns:
    """Holds the holdout's columns against what each model takes; raises Undetermined that lists every difference.

    models: of each the folder, and how messages name it.
    """
    there = table.schema()
    return Columns(holdout, tuple(_taken(table, there, holdout, *model) for model in models), table)


def _taken(table: Table, there: pa.Schema, holdout: Holdout, model: Path, label: str) -> Inputs:
    taken = _signature(model)
    features = holdout.features or tuple(taken or {})
    if not features:
        fix = "Log the model with a signature, or list features in the policy's holdout block."
        raise Undetermined(f"{label} could not be scored", "it does not say which columns it takes", fix)
    wanted = dict.fromkeys((*features, holdout.target, *holdout.slices, *([holdout.unit] if holdout.unit else ())))
    missing = [name for name in wanted if name not in there.names]
    mistyped = [wrong for name in features if name in there.names for wrong in _mistyped(name, there, taken or {})]
    if missing or mistyped:
        extra = [name for name in there.names if name not in wanted]
        parts = (_said("it lacks", missing), "; ".join(mistyped), _said("it also has", extra))
        raise Undetermined(
            f"{label} cannot be scored on {table.uri}",
            "; ".join(filter(None, parts)),
            "Give the holdout the columns of the model's signature, with its types.",
        )
    types = {name: _arrow(kind) for name, kind in (taken or {}).items() if name in features and kind in _ARROW}
    return Inputs(tuple(features), types)


def _cast(name: str, column: pa.Array, kind: Any, fix: str) -> pa.Array:
    """The column as another type. Raises Undetermined for a value that has no place in it: none is bent."""
    import pyarrow as pa

    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        why = f"its column {name} does not fit the type {kind}: {' '.join(str(error).split())[:200]}"
        raise Undetermined("the holdout cannot be scored", why, fix) from None


def _absent(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.is_null(column, nan_is_null=True)


def _count(flags: pa.Array) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(flags).as_py() or 0)  # none at all sum up to nothing


def _signature(model: Path) -> dict[str, str] | None:
    """The inputs by name, with MLflow's type; None where the model declares none."""
    try:
        file = mlmodel.parse(mlmodel.read_plain(model / "MLmodel", mlmodel.MAX_BYTES + 1))
    except OSError:
        return None
    block = file.fields.get("signature")
    if not block:
        return None
    try:
        inputs = schema.parse(block).inputs or ()
    except schema.SchemaFault:
        return None
    return {f.name: f.type.kind for f in inputs if f.name}


def _mistyped(name: str, there: pa.Schema, taken: Mapping[str, str]) -> list[str]:
    kind = taken.get(name, "")
    if kind not in _ARROW:
        return []
    found = there.field(name).type
    return [] if _class(found) in _ARROW[kind][1] else [f"{name} is {found}, and the model takes {kind}"]


def _class(kind: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _class(kind.value_type)
    if types.is_boolean(kind):
        return "bool"
    if types.is_integer(kind):
        return "int"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "float"
    return "text" if types.is_string(kind) or types.is_large_string(kind) else str(kind)


def _arrow(kind: str) -> Any:
    import pyarrow as pa

    return getattr(pa, _ARROW[kind][0])()


def _said(words: str, names: Sequence[str]) -> str:
    return f"{words} {several(names, 8)}" if names else ""


def _word(value: object) -> str:
    return "(none)" if value is None else str(value)


def _plain(column: pa.Array) -> Any:
    """A numpy array: numbers and flags as such, everything else as objects."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.to_numpy(zero_copy_only=False)


def _keys(batch: pa.RecordBatch, names: Sequence[str]) -> Any:
    """A 64-bit hash of each row's content, whatever the order of rows and batches."""
    import numpy as np

    key = np.zeros(batch.num_rows, dtype=np.uint64)
    for name in names:
        key = statistics.mixed(key ^ _hashed(batch.column(name)), 1)
    return key


def _hashed(column: pa.Array) -> Any:
    """64 bits of each value: a number's own, a text's hash."""
    import numpy as np

    values = _plain(column)
    if values.dtype.kind in "biuf":
        # adding zero makes −0.0 and 0.0 one value
        return (values.astype(np.float64) + 0.0).view(np.uint64)
    from pandas.util import hash_array

    return hash_array(np.asarray([_word(v) for v in values], dtype=object), categorize=True)
