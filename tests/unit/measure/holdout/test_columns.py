"""What is taken from each batch of the holdout, and what has no place in the type that a model takes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from gatewright.evidence import needs
from gatewright.measure import PATHS
from gatewright.measure.holdout.columns import Columns, Inputs
from gatewright.policy.load import read_policies
from gatewright.policy.model import Holdout
from gatewright.problem import Undetermined

POLICY = """\
version: 1
model: m
holdout: {data: h.parquet, target: y, task: binary, slices: [who], bins: {who: [10, 20]}}
targets: {t: {alias: a, checks: [holdout.accuracy by who > 0.5]}}
"""


def holdout() -> Holdout:
    """A block that slices by ranges of numbers."""
    (policy,) = read_policies({"p.yaml": POLICY}, PATHS)
    assert needs(policy.targets[0].checks) and policy.holdout is not None
    return policy.holdout


@pytest.mark.parametrize(
    ("value", "kind"), [(3_000_000_000, pa.int32()), (2**24 + 1, pa.float32()), (2**53 + 1, pa.float64())]
)
def test_a_number_that_does_not_fit_is_undetermined_and_never_bent(value: int, kind: Any) -> None:
    """The model would see another number than the file holds."""
    batch = pa.RecordBatch.from_pydict({"amount": [1, value]})
    with pytest.raises(Undetermined, match=f"its column amount does not fit the type {kind}: .*{value}"):
        Inputs(("amount",), {"amount": kind}).of(batch)


def test_each_model_gets_its_own_columns_in_its_own_order() -> None:
    """Of one batch, which is shared where they take the same."""
    batch = pa.RecordBatch.from_pydict({"a": [1], "b": [2], "who": [11], "y": [1]})
    mine, theirs = Inputs(("b", "a"), {"a": pa.float64()}), Inputs(("a",), {})
    rows = Columns(holdout(), (mine, theirs), None).rows(batch)  # type: ignore[arg-type]
    assert [r.to_pydict() for r in rows.inputs] == [{"b": [2], "a": [1.0]}, {"a": [1]}]
    same = Columns(holdout(), (mine, mine), None).rows(batch).inputs  # type: ignore[arg-type]
    assert same[0] is same[1]


def test_words_have_no_bins() -> None:
    """An exception of the library beneath would say nothing about the policy."""
    batch = pa.RecordBatch.from_pydict({"a": [1], "who": ["anna"], "y": [1]})
    columns = Columns(holdout(), (Inputs(("a",), {}),), None)  # type: ignore[arg-type]
    with pytest.raises(Undetermined, match="its column who does not fit the type float64") as caught:
        columns.rows(batch)
    assert caught.value.fix == "Give bins to columns of numbers alone."
