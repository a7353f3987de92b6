"""The holdout benchmark: candidate and champion on the same rows, in the same job, each in a worker of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path as Folder
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gatewright.evidence import Fact, Need, Who
from gatewright.measure.holdout import environment, files, latency
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.columns import Columns, read_columns
from gatewright.measure.holdout.data import Table, locate
from gatewright.measure.holdout.scorer import Limits, Scorer, Wants
from gatewright.measure.holdout.tally import Batch, Label, Tally, align
from gatewright.measure.holdout.words import first_words
from gatewright.measure.metrics import METRICS
from gatewright.paths import Path
from gatewright.policy.model import Holdout, Latency, Policy
from gatewright.problem import Undetermined
from gatewright.registry import Registry
from gatewright.subject import Version

if TYPE_CHECKING:
    import pyarrow as pa

FAMILIES = ("holdout", "latency", "memory")

_WHO: tuple[Who, ...] = ("candidate", "champion")

#: of the whole benchmark's time, what loading or a single answer may take, and how many seconds at least
_SHARE, _PATIENCE = 1 / 6, 600.0

#: the share of timed calls that may be answered otherwise than in a batch: rounding turns a label now and then
_STRAYED = 0.05

_SAME_WORDS = "Give the holdout's target the words that the model was trained on, in their type."

#: told: what is going on, rows done, rows there are (0 where that says nothing)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was measured, and what people should know of how. sha256: of the holdout's content."""

    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    data: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured. seed: of samples and bootstraps; made from digests, so that re-runs agree."""

    policy: Policy
    needs: tuple[Need, ...]
    candidate: Version
    champion: Version | None
    seed: int

    @property
    def holdout(self) -> Holdout:
        """The policy's block; raises Undetermined where there is none."""
        if self.policy.holdout is None:
            fix = f"Add a holdout block to {self.policy.file}."
            raise Undetermined("the models could not be scored", "the policy names no holdout", fix)
        return self.policy.holdout

    def of(self, family: str) -> tuple[Need, ...]:
        """The needs of one family of facts."""
        return tuple(n for n in self.needs if n.path.family == family)


def run(order: Order, registry: Registry, progress: Progress) -> Benchmark:
    """Scores both models on every row and times them. Raises Undetermined; nothing of a half run is returned."""
    holdout = order.holdout
    clock = _Clock(float(holdout.timeout), holdout.data)
    with ExitStack() as stack:
        scratch = Folder(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatewright-")))
        versions = (order.candidate, *((order.champion,) if order.champion else ()))
        folders = [scratch / f"model-{n}" for n in range(len(versions))]
        scorers, scored = [], []
        for who, version, folder in zip(_WHO, versions, folders, strict=False):
            progress(f"fetching {version}", 0, 0)
            # Before the worker starts: a model may be able to write where its files lie.
            scored.append(files.fact(who, version, files.fetch(version, registry, folder)))
            # It takes seconds to load: meanwhile the holdout is fetched, and held against its digest and the signature.
            scorers.append(stack.enter_context(_start(order, version, folder, clock)))
        progress(f"fetching {holdout.data}", 0, 0)
        table = locate(holdout.data, scratch / "data", lambda uri, into: download(registry, uri, into))
        _must_be(table, holdout)
        columns = read_columns(table, holdout, [(f, str(v)) for f, v in zip(folders, versions, strict=True)])
        for scorer in scorers:
            scorer.wait()
        facts, dropped, first = _score(order, table, columns, scorers, clock, progress)
        timed, uneven = _time(order, table, columns, scorers, first, clock, progress)
        memory = tuple(_memory(order, scorers))
        notes = tuple(filter(None, (dropped, uneven, *_layers(scorers), *map(files.note, scored))))
    rows = next(f.n for f in facts if f.n is not None) if any(f.n is not None for f in facts) else 0
    return Benchmark((*facts, *timed, *memory, *scored), notes, holdout.data, table.sha256, int(rows or 0))


class _Clock:
    """How long the whole benchmark may take."""

    def __init__(self, seconds: float, data: str) -> None:
        self.end, self._seconds, self._data = time.monotonic() + seconds, seconds, data

    def left(self) -> float:
        """Seconds that are left; raises Undetermined when none are."""
        left = self.end - time.monotonic()
        if left <= 0:
            fix = "Raise timeout in the policy's holdout block, or give it a smaller holdout."
            raise Undetermined(f"scoring {self._data} took too long", f"it was ended after {self._seconds:g} s", fix)
        return left


def download(registry: Registry, uri: str, into: Folder) -> Folder:
    """Copies what an URI of MLflow names into a folder; returns where it lies. Raises Undetermined."""
    into.mkdir(parents=True, exist_ok=True)
    # How a file ends says what it is; the rest of its name is anybody's, `..` too.
    place = into / f"rows{PurePosixPath(uri).suffix}"
    registry.download(uri, place)
    return place


def _must_be(table: Table, holdout: Holdout) -> None:
    """Refuses another content than the policy pins, before a row is scored."""
    if holdout.sha256 and table.sha256 != holdout.sha256.lower():
        raise Undetermined(
            f"the holdout {holdout.data} is not the one that the policy means",
            f"its sha256 is {table.sha256}, and the policy pins {holdout.sha256}",
            "Bring the file back, or pin the new content in a change of the policy that people review.",
        )


def _start(order: Order, version: Version, folder: Folder, clock: _Clock) -> Scorer:
    """A worker that begins to load the model; `wait` tells how it went."""
    holdout = order.holdout
    return Scorer.start(
        folder,
        label=str(version),
        wants=_wants(order),
        positive=holdout.positive if holdout.task == "binary" else None,
        sandbox=holdout.sandbox,
        limits=Limits(timeout_seconds=max(float(holdout.timeout) * _SHARE, _PATIENCE), until=clock.end),
        runs_in=environment.of_model(folder, timeout=clock.left()) if holdout.environment == "model" else None,
        bare=not order.of("latency") and not order.of("memory"),
    )


def _wants(order: Order) -> Wants:
    if order.holdout.task == "regression":
        return "value"
    asked = {METRICS[n.path.key].answer for n in order.of("holdout") if n.path.key in METRICS}
    return "probability" if "probabilities" in asked else "label"


# -- scoring -----------------------------------------------------------------------------------------------------


def _score(
    order: Order, table: Table, columns: Columns, scorers: Sequence[Scorer], clock: _Clock, progress: Progress
) -> tuple[tuple[Fact, ...], str, list[Predictions]]:
    """The facts about predictions, a remark about rows that were left out, and what was said of the first rows."""
    first: list[Predictions] = []
    if not order.of("holdout"):
        return (), "", first
    total, done, dropped = table.rows(), 0, 0
    tally: Tally | None = None
    for rows, answers in _predicted(table, columns, scorers, clock):
        first = first or answers
        tally = tally or _tally(order, table, columns, scorers)
        _must_be_comparable(order, rows.target, answers, scorers, tally)
        try:
            tally.update(_batch(order, rows, answers, scorers, tally))
        except ValueError as error:  # true is none of the classes 0 and 1
            what = f"the models could not be compared with {table.uri}"
            raise Undetermined(what, first_words(str(error)), _SAME_WORDS) from None
        done, dropped = done + len(rows.target), dropped + rows.dropped
        progress("scoring rows", done + dropped, total)
    if tally is None:
        fix = "Give it rows, or name another file in holdout.data."
        raise Undetermined(f"nothing could be scored on {table.uri}", "the holdout is empty", fix)
    if order.holdout.task == "binary" and not tally.count(None)[:, 1].any():
        positive, target = order.holdout.positive, order.holdout.target
        fix = "Say positive: in the policy's holdout block as the column has it: 1 is not the text '1'."
        raise Undetermined(f"nothing could be told from {table.uri}", f"no row has {target} = {positive!r}", fix)
    remark = f"{dropped} rows without a target were left out of {total}" if dropped else ""
    return tally.facts(f"holdout {table.uri} sha256 {table.sha256[:12]}"), remark, first


def _predicted(
    table: Table, columns: Columns, scorers: Sequence[Scorer], clock: _Clock
) -> Iterator[tuple[Any, list[Predictions]]]:
    """Rows and what each model says of them. While the workers predict, the batch before is counted up here."""
    waiting: Any = None
    for batch in table.batches(columns.needed):
        rows = columns.rows(batch)
        if not len(rows.target):
            continue
        answers = [s.collect() for s in scorers] if waiting is not None else []
        clock.left()
        for scorer, inputs in zip(scorers, rows.inputs, strict=True):
            scorer.submit(inputs)
        if waiting is not None:
            yield waiting, answers
        waiting = rows
    if waiting is not None:
        yield waiting, [s.collect() for s in scorers]


def _tally(order: Order, table: Table, columns: Columns, scorers: Sequence[Scorer]) -> Tally:
    holdout = order.holdout
    return Tally(
        holdout.task,
        order.of("holdout"),
        positive=holdout.positive,
        labels=_labels(table, columns, scorers) if holdout.task == "multiclass" else (),
        slice_columns=columns.slices,
        min_slice_rows=holdout.min_slice_rows,
        paired=len(scorers) > 1,
        unit=bool(holdout.unit),
        seed=order.seed,
    )


def _labels(table: Table, columns: Columns, scorers: Sequence[Scorer]) -> tuple[Label, ...]:
    """Every class of the truth and of the models, in an order that does not depend on that of the rows."""
    found: set[Label] = {label for scorer in scorers for label in scorer.classes}
    for batch in table.batches([columns.target]):
        found |= {label for label in batch.column(0).unique().to_pylist() if label is not None}
    return tuple(sorted(found, key=lambda label: (str(type(label)), label)))


def _must_be_comparable(
    order: Order, target: Any, answers: Sequence[Predictions], scorers: Sequence[Scorer], tally: Tally
) -> None:
    """Refuses labels of another vocabulary than the truth's: none would be right, and most rows may be negative."""
    for answer, scorer in zip(answers, scorers, strict=True):
        if answer.labels is None:
            continue
        if order.holdout.task == "multiclass":
            odd = next((x for x in dict.fromkeys(answer.labels.tolist()) if x not in tally.labels), None)
            known = ", ".join(map(repr, tally.labels[:10]))
        else:
            # Both are of one kind throughout, or the next batch tells.
            (told, *_), (due, *_) = answer.labels[:1].tolist(), target[:1].tolist()
            odd = None if isinstance(told, str) == isinstance(due, str) else told
            known = repr(due)
        if odd is not None:
            why = f"it predicts {first_words(repr(odd), 80)}, and {order.holdout.target} holds {first_words(known)}"
            raise Undetermined(f"{scorer.label} could not be compared with the truth", why, _SAME_WORDS)


def _batch(order: Order, rows: Any, answers: Sequence[Predictions], scorers: Sequence[Scorer], tally: Tally) -> Batch:
    if order.holdout.task == "multiclass":
        pairs = zip(answers, scorers, strict=True)
        answers = [_aligned(a, s, tally) for a, s in pairs]
    champion = answers[1] if len(answers) > 1 else None
    return Batch(rows.target, answers[0], champion, rows.keys, rows.slices, rows.units)


def _aligned(answer: Predictions, scorer: Scorer, tally: Tally) -> Predictions:
    if answer.probabilities is None:
        return answer
    return Predictions(answer.labels, align(answer.probabilities, scorer.classes, tally.labels), None, answer.seconds)


# -- speed and memory --------------------------------------------------------------------------------------------


def _time(
    order: Order,
    table: Table,
    columns: Columns,
    scorers: Sequence[Scorer],
    first: Sequence[Predictions],
    clock: _Clock,
    progress: Progress,
) -> tuple[tuple[Fact, ...], str]:
    needs, block = order.of("latency"), order.policy.latency or Latency()
    if not needs:
        return (), ""
    inputs = _some_rows(table, columns, block.batch * (block.warmup + block.requests))
    there = inputs[0].num_rows
    if there < block.batch:
        why = f"a call takes {block.batch} rows, and the holdout has {there}"
        raise Undetermined("the models could not be timed", why, "Make latency.batch smaller.")

    first = first or [scorer.predict(rows) for scorer, rows in zip(scorers, inputs, strict=True)]
    strayed = [0] * len(scorers)

    def call(who: int) -> latency.Call:
        scorer, rows = scorers[who], inputs[who]

        def timed(number: int) -> float:
            clock.left()
            start = number * block.batch % (there - block.batch + 1)
            with ExitStack() as stack:
                for other in scorers:
                    if other is not scorer:
                        # A model that computes on when it has answered would slow its rival down.
                        stack.enter_context(other.at_rest())
                timing = scorer.time(rows.slice(start, block.batch))
            strayed[who] += not first[who].agrees(timing.predictions, start)
            return timing.seconds

        return timed

    progress("timing calls", 0, 0)
    champion = call(1) if len(scorers) > 1 else None
    times = latency.take_times(block, call(0), champion, order.seed)
    for scorer, count in zip(scorers, strayed, strict=True):
        _must_agree(scorer, count, block.warmup + block.requests)
    rows = f"{block.batch} row{'s' if block.batch > 1 else ''}"
    source = f"{block.requests} calls of {rows} after {block.warmup} to warm up, in turn with the champion's"
    return tuple(latency.facts(needs, times, source)), latency.noise(times)


def _must_agree(scorer: Scorer, strayed: int, calls: int) -> None:
    """Refuses the times of other answers than those that were scored: whoever need not think is always fast."""
    if strayed > calls * _STRAYED:
        why = f"it answers {strayed} of {calls} calls otherwise than the same rows in a batch"
        raise Undetermined(f"{scorer.label} could not be timed", why, "Make its answer to a row the same in any batch.")


def _some_rows(table: Table, columns: Columns, count: int) -> tuple[pa.RecordBatch, ...]:
    """The first rows as each model takes them, as many as are needed and as the first batch has."""
    first = next(iter(table.batches(columns.needed)), None)
    if first is None:
        raise Undetermined("the models could not be timed", f"{table.uri} is empty", "Give it rows.")
    return tuple(inputs.slice(0, count) for inputs in columns.rows(first).inputs)


def _memory(order: Order, scorers: Sequence[Scorer]) -> Iterator[Fact]:
    for path in dict.fromkeys(n.path for n in order.of("memory")):
        for who, scorer in zip(_WHO, scorers, strict=False):
            source = "the worker's largest resident size, libraries included"
            yield Fact(who, path, "known", scorer.peak_memory, source=source)


def _layers(scorers: Sequence[Scorer]) -> Iterator[str]:
    """Which walls stood around the models, and what the models said of themselves."""
    missing = dict.fromkeys(f"{la.name} ({la.note})" for s in scorers for la in s.layers if not la.active)
    standing = [la.name for la in scorers[0].layers if la.active]
    yield f"the models ran behind these walls: {', '.join(standing)}"
    if missing:
        yield f"these were missing: {', '.join(missing)}"
    yield from dict.fromkeys(f"{s.label}: {warning}" for s in scorers for warning in s.warnings)


def unreadable(needs: Sequence[Need], why: str) -> tuple[Fact, ...]:
    """What stands in the evidence for a benchmark that failed: it says nothing about the model."""
    paths: dict[Path, None] = dict.fromkeys(n.path for n in needs)
    return tuple(Fact("candidate", path, "unreadable", why=why) for path in paths)
