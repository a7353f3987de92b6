"""What the holdout comes to: batches of truth and predictions in, the facts that checks read out.

One pass. Rows may come in any order, in any batches, and tallies of parts may be merged: the facts are the same to the
last bit. A duplicate row needs no key of its own, as long as rows with equal keys have equal content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.evidence import Fact, Need, Who
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.facts import MODELS, facts_of
from gatewright.measure.metrics import FAMILIES, METRICS
from gatewright.measure.metrics.classes import Table
from gatewright.measure.metrics.losses import Losses
from gatewright.measure.metrics.ranks import CAP, Ranks
from gatewright.measure.metrics.rows import GROUPS, Answers, Estimate, Rows, State
from gatewright.measure.metrics.sums import Counts, places
from gatewright.paths import Path
from gatewright.policy.model import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gatewright.statistics import Ints

Label = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Slices:
    """A column that rows are sliced by: (n,) codes into `names`."""

    codes: npt.NDArray[np.integer[Any]]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """n rows. target: (n,) truth, of the labels' type. keys: (n,) 64-bit hashes of the rows' content.

    Probabilities of a multiclass task are (n, K) in the order of the tally's labels: see `align`. units: (n,) 64-bit
    hashes of the unit that a row belongs to, None where rows are independent.
    """

    target: Any
    candidate: Predictions
    champion: Predictions | None
    keys: npt.NDArray[np.uint64]
    slices: Mapping[str, Slices] = field(default_factory=dict)
    units: npt.NDArray[np.uint64] | None = None


class Tally:
    """Counts up one holdout for one or two models, as far as `needs` ask.

    labels: every class that the truth or a model may name, for a multiclass task; probabilities follow their order.
    positive: the positive class of a binary task; whatever else is predicted is negative. unit: batches name units,
    and intervals are clustered by them. seed: what the groups, samples and bootstraps derive from; make it from
    digests. cap: rows that order-dependent metrics keep before they sample.
    """

    def __init__(
        self,
        task: Task,
        needs: Iterable[Need],
        *,
        positive: Label = 1,
        labels: Sequence[Label] = (),
        slice_columns: Sequence[str] = (),
        min_slice_rows: int = 200,
        paired: bool,
        unit: bool = False,
        seed: int = 0,
        cap: int = CAP,
    ) -> None:
        self.task, self.positive, self.labels = task, positive, tuple(labels)
        self.needs = tuple(n for n in needs if n.path.family == "holdout")
        self.slice_columns = tuple(slice_columns)
        self.min_slice_rows, self.paired, self.unit, self.seed, self.cap = min_slice_rows, paired, unit, seed, cap
        self._models = 2 if paired else 1
        self._names: dict[str, dict[str, int]] = {c: {} for c in self._asked(METRICS)}
        self._counts = {c: Counts() for c in (None, *self._names)}
        self._lacks: set[tuple[int, str]] = set()
        self._states: dict[str, State] = dict(self._make_states())

    def _asked(self, metrics: Iterable[str]) -> tuple[str, ...]:
        """The columns that these metrics are wanted by."""
        wanted = frozenset(metrics)
        columns = (n.column for n in self.needs if n.column is not None and n.path.key in wanted)
        return tuple(c for c in dict.fromkeys(columns) if c in self.slice_columns)

    def _make_states(self) -> Iterator[tuple[str, State]]:
        classes = {"binary": 2, "multiclass": len(self.labels), "regression": 0}[self.task]
        for family, metrics in FAMILIES.items():
            fitting = {n.path.key for n in self.needs if self._fits(n.path)}
            wanted = tuple(m for m in metrics if m in fitting)
            columns = self._asked(wanted)
            if not wanted:
                continue
            if family == "classes":
                yield family, Table(classes, self._models, columns, unit=self.unit, seed=self.seed)
            elif family == "losses":
                yield family, Losses(wanted, self._models, columns, unit=self.unit)
            else:
                yield family, Ranks(classes, self._models, columns, unit=self.unit, cap=self.cap)

    def _fits(self, path: Path) -> bool:
        return path.key in METRICS and self.task in METRICS[path.key].tasks

    def update(self, batch: Batch) -> None:
        """Takes in a batch. Raises ValueError for a class that `labels` does not have."""
        import numpy as np

        keys = statistics.mixed(batch.keys, self.seed)
        units = keys if batch.units is None else statistics.mixed(batch.units, self.seed)
        codes = values = None
        if self.task == "regression":
            values = np.asarray(batch.target, np.float64)
        else:
            codes = self._codes(batch.target)
        told = (batch.candidate, *((batch.champion,) if self.paired else ()))
        models = tuple(self._answers(m, p, len(keys)) for m, p in enumerate(told))
        slices = {c: self._slice_codes(c, batch.slices[c]) for c in self._names}
        sizes = {c: len(names) for c, names in self._names.items()}
        groups = (units & np.uint64(GROUPS - 1)).astype(np.int64)
        rows = Rows(models, groups, keys, codes, values, slices, sizes)
        for column, counts in self._counts.items():
            where, size = places(rows, column)
            counts.add(where * 2 + (0 if codes is None else codes == 1), size * 2)
        for state in self._states.values():
            state.update(rows)

    def _codes(self, labels: Any) -> Ints:
        import numpy as np

        if self.task == "binary":
            return np.asarray(np.asarray(labels) == self.positive).astype(np.int64)
        return encode(labels, self.labels)

    def _answers(self, model: int, predictions: Predictions | None, rows: int) -> Answers:
        """A model's answers; where it has none of a kind, zeros stand in, and its metrics stay unknown."""
        import numpy as np

        if self.task == "regression":
            told = None if predictions is None else predictions.values
            self._lack(model, "values", told)
            return Answers(values=np.zeros(rows) if told is None else np.asarray(told, np.float64))
        labels = None if predictions is None else predictions.labels
        scores = None if predictions is None else predictions.probabilities
        self._lack(model, "labels", labels)
        self._lack(model, "probabilities", scores)
        shape = rows if self.task == "binary" else (rows, len(self.labels))
        return Answers(
            np.zeros(rows, np.int64) if labels is None else self._codes(labels),
            np.zeros(shape) if scores is None else scores,
        )

    def _lack(self, model: int, kind: str, told: object) -> None:
        if told is None:
            self._lacks.add((model, kind))

    def _slice_codes(self, column: str, slices: Slices) -> Ints:
        """Codes by this tally's own list of names, which grows as names turn up."""
        import numpy as np

        mine = self._names[column]
        ids = np.array([mine.setdefault(str(name), len(mine)) for name in slices.names], np.int64)
        return np.asarray(ids[slices.codes])

    def merge(self, other: Tally) -> None:
        """Takes in what another tally of the same making has seen."""
        import numpy as np

        ids = {
            column: np.array([mine.setdefault(n, len(mine)) for n in other._names[column]], np.int64)
            for column, mine in self._names.items()
        }
        self._lacks |= other._lacks
        for column, counts in self._counts.items():
            codes, held = other._counts[column].items()
            counts.put(codes if column is None else ids[column][codes // 2] * 2 + codes % 2, held)
        for family, state in self._states.items():
            state.merge(other._states[family], ids)

    def _in_order(self) -> Tally:
        """The same tally with slices in the order of their names, whichever turned up first."""
        ordered = Tally(
            self.task,
            self.needs,
            positive=self.positive,
            labels=self.labels,
            slice_columns=self.slice_columns,
            min_slice_rows=self.min_slice_rows,
            paired=self.paired,
            unit=self.unit,
            seed=self.seed,
            cap=self.cap,
        )
        ordered._names = {c: {n: i for i, n in enumerate(sorted(names))} for c, names in self._names.items()}
        ordered.merge(self)
        return ordered

    def facts(self, source: str) -> tuple[Fact, ...]:
        """What every need asks for, of the candidate, the champion and the pair of them.

        source: where the rows came from, for people. A metric that is not for the task, that a model does not answer
        for, or that the truth leaves undefined is an unreadable fact that says so.
        """
        import numpy as np

        ordered = self._in_order()
        # What is divided by nothing comes out as NaN, and is told as such.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return facts_of(ordered, self.needs, source)

    def slice_names(self, column: str | None) -> tuple[str | None, ...]:
        """The slices of a column, in order; one without a name for all rows."""
        return (None,) if column is None else tuple(self._names[column])

    def count(self, column: str | None) -> Any:
        """(S, 2) rows of each slice that are not and are positive; of a task without positives, see the sum."""
        import numpy as np

        codes, counts = self._counts[column].items()
        found = np.zeros(len(self.slice_names(column)) * 2, np.int64)
        found[codes] = counts
        return found.reshape(-1, 2)

    def gap_in(self, metric: str, models: tuple[int, ...]) -> str:
        """Why these models have no such metric; empty if they have."""
        known = METRICS.get(metric)
        if known is None or self.task not in known.tasks:
            return f"{metric} is no metric of a {self.task} holdout"
        lacking = [m for m in models if (m, known.answer) in self._lacks]
        return f"the {MODELS[lacking[0]]} does not predict {known.answer}" if lacking else ""

    def estimate(self, metric: str, who: Who, column: str | None, factor: float = 1.0) -> Estimate:
        """A metric by the slices of a column, or of all rows."""
        import numpy as np

        if metric in ("rows", "positives"):
            counts = self.count(column)
            return Estimate((counts.sum(axis=1) if metric == "rows" else counts[:, 1]).astype(np.float64), "")
        family = next(f for f, metrics in FAMILIES.items() if metric in metrics)
        if who == "pair":
            return self._states[family].pair(metric, factor, column)
        return self._states[family].one(metric, MODELS.index(who), column)


def encode(values: Any, labels: Sequence[Label]) -> Ints:
    """(n,) which of the labels each value is. Raises ValueError for one that is none of them."""
    import numpy as np
    import pandas as pd

    index = pd.Index(list(labels))
    codes = index.get_indexer(pd.Index(np.asarray(values)))
    if len(codes) and codes.min() < 0:
        odd = np.asarray(values)[codes < 0][0]
        raise ValueError(f"{odd!r} is none of the classes {', '.join(map(repr, labels))}")
    return np.asarray(codes, np.int64)


def align(probabilities: Any, classes: Sequence[Label], labels: Sequence[Label]) -> Any:
    """(n, K) probabilities in the order of `labels`; a class that the model does not know gets 0."""
    import numpy as np

    if tuple(classes) == tuple(labels):
        return probabilities
    aligned = np.zeros((len(probabilities), len(labels)))
    aligned[:, encode(np.asarray(classes), labels)] = probabilities
    return aligned
