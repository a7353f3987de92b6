"""What a worker sends back is believed in nothing."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.measure.holdout.answers import MAX_CLASSES, Classes, Predictions, Unacceptable, read_answer
from gatewright.measure.holdout.worker import frames
from gatewright.measure.holdout.worker.frames import Garbled


def body(head: dict[str, Any], *columns: Any) -> memoryview:
    """An answer as the worker writes it: `columns` are arrays."""
    parts = frames.answer({"seconds": 0.5, **head}, [memoryview(np.asarray(c).tobytes()) for c in columns])
    return memoryview(b"".join(map(bytes, parts)))


def codes(*numbers: int) -> Any:
    """Labels as places in a vocabulary."""
    return np.array(numbers, dtype="<i4")


def known(wants: str = "probability", positive: Any = None, classes: tuple[Any, ...] = ()) -> Classes:
    """What is known after loading."""
    found = Classes(wants, positive)
    found.learn({"classes": list(classes), "notes": [], "derived": False})
    return found


@pytest.mark.parametrize(("positive", "column"), [("b", [0.1, 0.7]), ("a", [0.9, 0.3])])
def test_the_positive_class_is_found_by_name(positive: str, column: list[float]) -> None:
    """It need not be the last column."""
    answer = read_answer(
        body({"rows": 2, "columns": 2}, [[0.9, 0.1], [0.3, 0.7]]), 2, known(positive=positive, classes=("a", "b"))
    )
    assert answer.probabilities is not None and answer.probabilities.tolist() == pytest.approx(column)
    assert list(answer.labels) == ["a", "b"]


def test_one_column_is_cut_at_a_half_and_that_is_noted_once() -> None:
    """A model without labels of its own gets these, and the report says so."""
    classes = known(positive=1)
    for _ in range(2):
        answer = read_answer(body({"rows": 3, "columns": 0}, [0.2, 0.5, 0.51]), 3, classes)
        assert list(answer.labels) == [0, 0, 1]
    assert classes.notes == ["labels are probabilities cut at 0.5"]


def test_a_tie_goes_to_the_first_class() -> None:
    """As in scikit-learn."""
    answer = read_answer(body({"rows": 1, "columns": 3}, [[0.4, 0.4, 0.2]]), 1, known(classes=(7, 8, 9)))
    assert answer.labels.tolist() == [7]


def test_unnamed_columns_are_numbered_and_that_is_noted() -> None:
    """A guess that the report must show."""
    classes = known()
    read_answer(body({"rows": 1, "columns": 3, "names": []}, [[0.4, 0.4, 0.2]]), 1, classes)
    assert classes.known == (0, 1, 2)
    assert any("does not name its classes" in note for note in classes.notes)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "1 of 3 probabilities are NaN or infinite, the first in row 2 of its batch"),
        (float("inf"), "NaN or infinite"),
        (1.5, "one of its probabilities is 1.5"),
        (-0.25, "one of its probabilities is -0.25"),
    ],
)
def test_what_is_no_probability_is_refused(value: float, words: str) -> None:
    """Clipped, it would be a metric of something else."""
    with pytest.raises(Unacceptable, match=words):
        read_answer(body({"rows": 3, "columns": 0}, [0.1, value, 0.9]), 3, known(positive=1))


def test_rounding_below_zero_is_no_offence() -> None:
    """Sums of floats leave [0, 1] by the last bits; a logarithm must not see it."""
    answer = read_answer(body({"rows": 2, "columns": 0}, [-1e-9, 1 + 1e-9]), 2, known(positive=1))
    assert answer.probabilities is not None and answer.probabilities.tolist() == [0.0, 1.0]


def test_rows_that_do_not_add_up_are_refused() -> None:
    """Scores of one-against-rest are no probabilities."""
    with pytest.raises(Unacceptable, match="do not add up to 1"):
        read_answer(body({"rows": 1, "columns": 2}, [[0.9, 0.9]]), 1, known(classes=(0, 1)))


def test_another_number_of_rows_is_told() -> None:
    """Aligned by guess, every metric would be noise."""
    with pytest.raises(Unacceptable, match="it predicted 2 rows for 3"):
        read_answer(body({"rows": 2}, [1.0, 2.0]), 3, known("value"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        bytes(body({"rows": 2})),
        bytes(body({"rows": 2, "columns": 0}, [0.5])),
        bytes(body({"rows": 2, "columns": 0}, [0.5, 0.5, 0.5])),
        bytes(body({"rows": 2, "columns": 1}, [0.5, 0.5])),
        bytes(body({"rows": 2, "columns": MAX_CLASSES + 1})),
        bytes(body({"rows": 2, "columns": -2}, [0.5, 0.5])),
        bytes(body({"rows": 2, "columns": True}, [0.5, 0.5])),
        bytes(body({"rows": 2, "seconds": -1.0, "columns": 0}, [0.5, 0.5])),
        bytes(body({"rows": 2, "seconds": float("nan"), "columns": 0}, [0.5, 0.5])),
        bytes(body({"rows": True, "columns": 0}, [0.5, 0.5])),
        bytes(body({"rows": 2, "vocabulary": ["a"]}, codes(0, 1))),
        bytes(body({"rows": 2, "vocabulary": ["a"]}, codes(0, -1))),
        bytes(body({"rows": 2, "vocabulary": [["a"]]}, codes(0, 0))),
        bytes(body({"rows": 2, "vocabulary": ["a"]}, codes(0, 0))),
    ],
)
def test_what_no_worker_of_ours_writes_is_garbled(raw: bytes) -> None:
    """It ends the worker: somebody else holds the pen. The last one has labels where probabilities are due."""
    with pytest.raises(Garbled):
        read_answer(memoryview(raw), 2, known(positive=1))


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_HEADS = st.fixed_dictionaries(
    {"rows": st.sampled_from([2, 2, 2, 0, -1, 1 << 70, True, 2.0]), "seconds": st.sampled_from([0.5, 1, float("inf")])},
    optional={
        "columns": st.sampled_from([0, 1, 2, 3, MAX_CLASSES, 1 << 70, -1, 2.0, None, "2"]),
        "names": _SCALARS | st.lists(_SCALARS, max_size=3),
        "vocabulary": _SCALARS | st.lists(_SCALARS, max_size=3),
    },
)


@given(
    head=_HEADS,
    columns=st.binary(max_size=64) | st.sampled_from([bytes(8), bytes(16), bytes(24), bytes(40)]),
    wants=st.sampled_from(["label", "probability", "value"]),
    positive=st.sampled_from([None, 1, "yes", True]),
)
def test_any_answer_is_read_or_refused(head: dict[str, Any], columns: bytes, wants: str, positive: Any) -> None:
    """A hostile worker can make the gate raise nothing else, and never gets rows that were not asked for in."""
    encoded = json.dumps(head).encode()
    raw = memoryview(struct.pack("<Q", len(encoded)) + encoded + columns)
    try:
        answer = read_answer(raw, 2, known(wants, positive))
    except (Unacceptable, Garbled):
        return
    given_columns = [c for c in (answer.labels, answer.probabilities, answer.values) if c is not None]
    assert given_columns and all(len(c) == 2 for c in given_columns)


@pytest.mark.parametrize(
    ("classes", "positive", "words"),
    [
        ((0, 1, 2), 1, r"it knows 3 classes \(0, 1, 2\), and the task is binary"),
        ((0,), 0, "it knows 1 classes"),
        ((0, 1), "1", "not the positive one, '1'"),
    ],
)
def test_classes_that_do_not_fit_the_task_are_told(classes: tuple[int, ...], positive: Any, words: str) -> None:
    """Before any row is scored."""
    with pytest.raises(Unacceptable, match=words):
        known(positive=positive, classes=classes)


def test_the_longest_answer_is_known_before() -> None:
    """What the parent is ready to take grows with the rows asked for, and has an end."""
    two = known(classes=(0, 1))
    assert two.longest(1000) - two.longest(0) == 1000 * (8 * 2 + 12)
    assert known().longest(10**6) < 1 << 30


def test_the_same_rows_agree_but_for_rounding() -> None:
    """One row or many: float32 sums in another order."""
    many = Predictions(np.array(["a", "b", "b"], dtype=object), np.array([0.1, 0.7, 0.6]))
    assert many.agrees(Predictions(np.array(["b"], dtype=object), np.array([0.70001])), 1)
    assert not many.agrees(Predictions(np.array(["b"], dtype=object), np.array([0.7])), 0)
    assert Predictions(values=np.array([1e6, 3.0])).agrees(Predictions(values=np.array([1e6 + 1])), 0)
    assert not Predictions(values=np.array([1e6, 3.0])).agrees(Predictions(values=np.array([3.1])), 1)
    labels = Predictions(np.array([1, 2, 2]))
    assert labels.agrees(Predictions(np.array([2, 2])), 1) and not labels.agrees(Predictions(np.array([2, 1])), 1)
    assert not labels.agrees(None, 0)
    table = Predictions(probabilities=np.array([[0.5, 0.5], [0.2, 0.8]]))
    assert table.agrees(Predictions(probabilities=np.array([[0.2, 0.8]])), 1)
    assert not table.agrees(Predictions(probabilities=np.array([0.2])), 1)
