"""What a model answered, believed in nothing: sizes, ranges and names are checked before a number is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatewright.measure.holdout.words import first_words
from gatewright.measure.holdout.worker import frames

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: more columns of probabilities than this are refused
MAX_CLASSES = 10_000

#: probabilities of one batch
_MOST_BYTES = 1 << 29

#: how far probabilities may leave [0, 1] by rounding, and their sum 1 (float32 sums of many classes)
_SLACK = 1e-6
_SUM_SLACK = 1e-3

_LOG_AGAIN = "Log the model again."
_NOT_JUDGED = "Nothing is said about how good the model is."

_ASSUMED = "the model does not name its classes: its columns are taken for the classes 0, 1, …"
_CUT = "labels are probabilities cut at 0.5"


class Unacceptable(Exception):
    """An answer that no metric may be computed from."""

    def __init__(self, text: str, fix: str) -> None:
        self.fix = fix
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of n rows.

    labels: (n,) classes, of their own type; None for a regression. probabilities: (n,) of the positive class
    if there is one, else (n, K) in the order of `Scorer.classes`; None unless asked for. values: (n,) of a
    regression. seconds: the model's own call, as the worker says.
    """

    labels: Any = None
    probabilities: npt.NDArray[np.float64] | None = None
    values: npt.NDArray[np.float64] | None = None
    seconds: float = 0.0

    def agrees(self, other: Predictions | None, start: int) -> bool:
        """Whether another answer to the rows from `start` on says the same, but for the rounding of float32."""
        import numpy as np

        if other is None:
            return False
        close = [(mine, its) for mine, its in ((self.probabilities, other.probabilities), (self.values, other.values))]
        numbers = [(mine, its) for mine, its in close if mine is not None and its is not None]
        if numbers:
            return all(
                mine[start : start + len(its)].shape == its.shape
                and np.allclose(mine[start : start + len(its)], its, rtol=1e-3, atol=1e-5)
                for mine, its in numbers
            )
        return self.labels is not None and list(self.labels[start : start + len(other.labels)]) == list(other.labels)


@dataclass(slots=True)
class Classes:
    """What is known of a model's classes, and how its answers are to be read."""

    wants: str
    positive: bool | int | float | str | None
    known: tuple[Any, ...] = ()
    derived: bool = False
    notes: list[str] = field(default_factory=list)

    def learn(self, ready: Mapping[str, Any]) -> list[str]:
        """Takes over what a loaded model says of itself; returns its notes. Raises Unacceptable, Garbled."""
        classes, notes = ready.get("classes"), ready.get("notes")
        if not isinstance(classes, list) or not isinstance(notes, list):
            raise Unacceptable("it does not say which classes it knows", _LOG_AGAIN)
        self.known = _scalars(classes, MAX_CLASSES)
        self.derived = ready.get("derived") is True
        if self.known:
            self._must_know_positive()
        return [first_words(str(n), 200) for n in notes[:8]]

    def longest(self, rows: int) -> int:
        """Bytes of the longest answer to so many rows."""
        widest = rows * 8 * (len(self.known) or MAX_CLASSES)
        return frames.MAX_HEAD + rows * 12 + min(widest, _MOST_BYTES)

    def name(self, names: object, count: int) -> None:
        """Settles the classes of a model that did not name them before, from its first answer."""
        if self.known or count < 2:
            return
        named = isinstance(names, list) and len(names) == count
        self.known = _scalars(names, MAX_CLASSES) if named and isinstance(names, list) else tuple(range(count))
        self._must_know_positive()
        if not named:
            self.notes.append(_ASSUMED)

    def _must_know_positive(self) -> None:
        if self.positive is None:
            return
        shown = first_words(", ".join(map(repr, self.known[:10])), 200)
        if len(self.known) != 2:
            raise Unacceptable(
                f"it knows {len(self.known)} classes ({shown}), and the task is binary",
                "Say task: multiclass in the policy's holdout block.",
            )
        if self.positive not in self.known:
            raise Unacceptable(
                f"it knows the classes {shown}, and not the positive one, {self.positive!r}",
                "Say positive: in the policy's holdout block as the model says it: 1 is not the text '1'.",
            )


def read_answer(body: memoryview, rows: int, classes: Classes) -> Predictions:
    """The predictions of `rows` rows. Raises Unacceptable, and Garbled for what no worker of ours writes.

    Labels that the answer leaves out are the most probable classes.
    """
    head, rest = frames.split_answer(body)
    seconds, said = head.get("seconds"), head.get("rows")
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf or not _is_count(said):
        raise frames.Garbled("an answer without time or rows")
    if said != rows:
        raise Unacceptable(
            f"it predicted {said} rows for {rows}", "A model must answer every row once, in their order."
        )
    if classes.wants == "value":
        return Predictions(values=_finite(_column(rest, rows, 1, "<f8"), "predictions"), seconds=seconds)
    return _classified(head, rest, rows, classes, seconds)


def _classified(head: Mapping[str, Any], rest: memoryview, rows: int, classes: Classes, seconds: float) -> Predictions:
    columns = head.get("columns")
    probabilities = None
    if columns is not None:
        probabilities, rest = _probabilities(head, rest, rows, classes)
    labels = None
    if "vocabulary" in head:
        labels = _labels(head["vocabulary"], rest, rows)
    elif len(rest):
        raise frames.Garbled("an answer with bytes left over")
    if probabilities is None and labels is None:
        raise frames.Garbled("an answer without predictions")
    if labels is None:
        labels = _most_probable(probabilities, classes)
    if classes.wants == "label":
        return Predictions(labels, None, None, seconds)
    if probabilities is None:
        raise frames.Garbled("an answer without probabilities")
    return Predictions(labels, _of_positive(probabilities, classes), None, seconds)


def _probabilities(head: Mapping[str, Any], rest: memoryview, rows: int, classes: Classes) -> tuple[Any, memoryview]:
    columns = head["columns"]
    if not _is_count(columns) or columns > MAX_CLASSES or columns == 1:
        raise frames.Garbled("an answer with an odd number of columns")
    length = rows * max(columns, 1) * 8
    classes.name(head.get("names"), columns)
    if columns and columns != len(classes.known):
        raise Unacceptable(f"it predicted {columns} probabilities a row for {len(classes.known)} classes", _NOT_JUDGED)
    values = _finite(_column(rest[:length], rows, max(columns, 1), "<f8"), "probabilities")
    return _in_range(values if columns else values.reshape(-1)), rest[length:]


def _column(raw: memoryview, rows: int, columns: int, kind: str) -> Any:
    """`rows` × `columns` numbers out of exactly as many bytes."""
    import numpy as np

    if len(raw) != rows * columns * np.dtype(kind).itemsize:
        raise frames.Garbled("an answer whose columns have another length than its head says")
    array = np.frombuffer(raw, dtype=kind)
    return array if columns == 1 else array.reshape(rows, columns)


def _finite(array: Any, what: str) -> Any:
    import numpy as np

    # NaN and infinity survive a sum, and a sum needs no array of its own.
    if np.isfinite(array.sum()):
        return array
    bad = ~np.isfinite(array) if array.ndim == 1 else ~np.isfinite(array).all(axis=1)
    if not bad.any():
        return array
    first = int(bad.argmax()) + 1
    raise Unacceptable(
        f"{int(bad.sum())} of {len(array)} {what} are NaN or infinite, the first in row {first} of its batch",
        "Look for missing values in those rows that the model does not handle.",
    )


def _in_range(array: Any) -> Any:
    import numpy as np

    if array.size and (array.min() < -_SLACK or array.max() > 1 + _SLACK):
        worst = array.min() if array.min() < -_SLACK else array.max()
        raise Unacceptable(f"one of its probabilities is {float(worst):g}", "Probabilities lie between 0 and 1.")
    if array.ndim == 2 and array.size and abs(array.sum(axis=1) - 1).max() > _SUM_SLACK:
        raise Unacceptable("the probabilities of a row do not add up to 1", "Give one probability a class.")
    return np.clip(array, 0.0, 1.0) if array.size and (array.min() < 0 or array.max() > 1) else array


def _labels(vocabulary: object, raw: memoryview, rows: int) -> Any:
    import numpy as np

    names = _scalars(vocabulary, frames.MAX_HEAD)
    codes = _column(raw, rows, 1, "<i4")
    if rows and (codes.min() < 0 or codes.max() >= len(names)):
        raise frames.Garbled("a label that is not in its own list")
    if any(isinstance(n, float) and not math.isfinite(n) for n in names):
        raise Unacceptable("some of its labels are NaN or infinite", "Every row must get a label.")
    return _typed(names)[codes] if rows else np.empty(0, dtype=object)


def _most_probable(probabilities: Any, classes: Classes) -> Any:
    """Labels by probability; a tie goes to the first class, as in scikit-learn."""
    import numpy as np

    if probabilities.ndim == 2:
        return _typed(classes.known)[probabilities.argmax(axis=1)]
    if not classes.derived and _CUT not in classes.notes:
        classes.notes.append(_CUT)
        classes.derived = True
    return _typed(_pair(classes))[(probabilities > 0.5).astype(np.intp)]


def _of_positive(probabilities: Any, classes: Classes) -> Any:
    """The positive class's column, where the task is binary."""
    if classes.positive is None:
        return probabilities
    first = classes.known != () and classes.known[0] == classes.positive
    if probabilities.ndim == 2:
        return probabilities[:, 0 if first else 1]
    return 1.0 - probabilities if first else probabilities


def _pair(classes: Classes) -> Sequence[Any]:
    """(other class, class that a single probability is of)."""
    if classes.known:
        return classes.known
    if classes.positive is None:
        raise Unacceptable(
            "it predicts one probability a row, and the task has more classes",
            "Give one probability a class.",
        )
    positive = classes.positive
    if isinstance(positive, str):
        return (f"not {positive}", positive)
    return (type(positive)(not positive), positive)


def _typed(names: Sequence[Any]) -> Any:
    """The classes as an array of their own type: bool, integers, floats, or objects."""
    import numpy as np

    kinds = {type(n) for n in names}
    array = np.array(names) if len(kinds) == 1 and kinds <= {bool, int, float} else None
    if array is not None and array.dtype.kind in "bif":
        return array
    objects = np.empty(len(names), dtype=object)
    objects[:] = list(names)
    return objects


def _scalars(values: object, limit: int) -> tuple[Any, ...]:
    if not isinstance(values, list) or len(values) > limit:
        raise frames.Garbled("a list of classes that is too long, or none")
    if not all(isinstance(v, (bool, int, float, str)) for v in values):
        raise frames.Garbled("a class that is neither a number nor a text")
    return tuple(values)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
