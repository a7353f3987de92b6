"""Scores rows with a model that runs in a worker: batches in, numpy arrays out, every answer checked."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gatewright.measure import mlmodel
from gatewright.measure.holdout import environment, plain, process
from gatewright.measure.holdout.answers import Classes, Predictions, Unacceptable, read_answer
from gatewright.measure.holdout.environment import Environment
from gatewright.measure.holdout.process import Lost, Worker
from gatewright.measure.holdout.words import first_words
from gatewright.measure.holdout.worker import frames
from gatewright.measure.mlmodel import MLmodel
from gatewright.measure.model import main_flavor
from gatewright.problem import Undetermined

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

#: seconds that an interpreter may take to start, and to import its libraries: not the model's doing
_PATIENCE = 300.0

LOADED, SCORED = "loaded", "scored"

_INSTALL = "Install what the model needs beside Gatewright, or say environment: model."
_LET_READ = "Let everybody read the interpreter's folder (chmod -R o+rX), or install Gatewright elsewhere."
_SLOW = "Raise timeout in the policy's holdout block if the model is only slow."
_TRY = "Load the model where it was trained and call it with rows of the holdout: the same should show there."

Wants = Literal["label", "probability", "value"]

#: every layer there is, in the order of the report, and what each one keeps
LAYERS: Mapping[str, str] = {
    "environment": "no variable of the gate, so no token, reaches the worker",
    "descriptors": "no open file or connection of the gate reaches the worker",
    "gate": "the gate's memory and environment are closed to the worker",
    "user": "the worker runs as a user that owns nothing but its scratch folder",
    "privileges": "the worker cannot gain privileges again",
    "files": "the worker sees its libraries, the model and its scratch folder, no other file",
    "limits": "memory, processor time, file size and number of processes are capped",
    "system calls": "no sockets, no tracing, no namespaces, no leaving the process group",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One wall around the worker. `note`: why it is missing, or what limits it."""

    name: str
    active: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a model may use. Seconds are of the parent's clock, except `cpu_seconds`.

    timeout_seconds: for loading the model, and for each answer. until: when all must be over, by time.monotonic().
    cpu_seconds: of all its threads, over its whole life.
    memory_bytes: what it may map beyond the libraries; 0 for half of the machine's memory, so that two
    workers fit. threads: for OpenMP and BLAS. processes: threads and processes that it may have.
    """

    timeout_seconds: float = 600
    until: float = math.inf
    cpu_seconds: int = 4 * 3600
    memory_bytes: int = 0
    threads: int = 1
    processes: int = 256
    file_bytes: int = 1 << 30

    def patience(self, seconds: float = 0) -> float:
        """Seconds that the next step may take: as many as given, but not beyond the end of all."""
        return max(min(seconds or self.timeout_seconds, self.until - time.monotonic()), 0)


@dataclass(frozen=True, slots=True)
class Timing:
    """One call of the model.

    seconds: from the first byte sent to the last received, by the parent's clock, which no model can set.
    inside: what the worker says the model's own call took; a hostile model may lie about it.
    predictions: what it answered, to be compared with its answer to the same rows in a batch; None for an
    empty call.
    """

    seconds: float
    inside: float
    predictions: Predictions | None = None


class Scorer:
    """One model in one worker: a context manager, for one thread at a time; see `start` and `open`.

    label: how messages name the model. layers: the walls, in the order of `LAYERS`. flavor: what loads the
    model. warnings: what a reader of the verdict should know.
    """

    def __init__(
        self, label: str, worker: Worker, closing: contextlib.ExitStack, limits: Limits, answers: Classes
    ) -> None:
        self.label = label
        self.flavor = ""
        self.warnings: tuple[str, ...] = ()
        self.layers: tuple[Layer, ...] = ()
        self._worker = worker
        self._closing = closing
        self._limits = limits
        self._answers = answers
        self._require = False
        self._ready = False
        self._number = 0
        self._rows: int | None = None
        self._schema: Any = None

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        label: str,
        wants: Wants,
        positive: bool | int | float | str | None = None,
        sandbox: Literal["require", "report"] = "report",
        limits: Limits | None = None,
        runs_in: Environment | None = None,
        bare: bool = False,
    ) -> Scorer:
        """Starts a worker and returns at once: two models load side by side. `wait` tells how it went.

        folder: a downloaded MLflow model; never changed. positive: the positive class of a binary task, None
        for other tasks. bare: load it without MLflow if the predictions are the same; not where its speed or
        memory is measured, since those who serve it have MLflow around it. Raises Undetermined.
        """
        fields = _fields(folder, label)
        limits = limits or Limits()
        runs_in = runs_in or environment.current(folder)
        with contextlib.ExitStack() as closing:
            try:
                uid = closing.enter_context(process.own_user())
                scratch = closing.enter_context(process.scratch_folder(uid))
                model = closing.enter_context(process.readable(folder.resolve(), uid))
                open_to_others = closing.enter_context(process.closed_parent())
                variables = process.clean_environment(scratch, limits.threads)
                worker = Worker(runs_in.python, variables, scratch, uid, limits.cpu_seconds)
                closing.callback(worker.end)
                plan = _plan(model, scratch, uid, limits, runs_in)
                told = {
                    "plan": plan,
                    "model": str(model),
                    "plain": plain.estimator(fields) if bare else None,
                    "wants": wants,
                    "require": sandbox == "require",
                    "memory_bytes": _memory(limits),
                    "isolated": runs_in.isolated,
                    "paths": [str(p) for p in runs_in.paths],
                }
                worker.send(frames.START, 0, json.dumps(told).encode(), limits.patience())
            except (OSError, Lost) as e:
                raise _not_started(label, e) from None
            scorer = cls(label, worker, closing.pop_all(), limits, Classes(wants, positive))
        scorer.flavor, scorer.warnings = first_words(main_flavor(fields["flavors"]), 80), runs_in.warnings
        scorer.layers = _around(open_to_others)
        scorer._require = sandbox == "require"
        return scorer

    @classmethod
    def open(cls, folder: Path, **options: Any) -> Scorer:
        """`start` and `wait` in one."""
        scorer = cls.start(folder, **options)
        try:
            return scorer.wait()
        except BaseException:
            scorer.close()
            raise

    def wait(self) -> Scorer:
        """Returns when the model is loaded. Raises Undetermined if it cannot be, or for want of a layer."""
        if self._ready:
            return self
        self._enter(self._report(frames.LAYERS, _PATIENCE))
        unlimited = str(self._report(frames.IMPORTED, _PATIENCE).get("memory", ""))
        if unlimited:
            self._must_have({"limits": Layer("limits", False, f"memory: {unlimited}")})
        ready = self._report(frames.READY)
        self.warnings += tuple(self._checked(LOADED, lambda: self._answers.learn(ready)))
        self._ready = True
        return self

    @property
    def classes(self) -> tuple[Any, ...]:
        """In the order of the probabilities' columns; () if unknown, which a first answer may change."""
        return self._answers.known

    @property
    def peak_memory(self) -> int:
        """Bytes: the most the worker ever had in memory, libraries included, as the kernel counts."""
        return self._worker.peak_memory

    def predict(self, batch: pa.RecordBatch) -> Predictions:
        """`submit` and `collect` in one."""
        self.submit(batch)
        return self.collect()

    def submit(self, batch: pa.RecordBatch) -> None:
        """Hands over a batch and returns: the worker predicts meanwhile. One batch at a time.

        The batch holds the model's inputs and nothing else, above all not the target. Raises Undetermined.
        """
        assert self._rows is None, "the answer to the batch before was not collected"
        self._send(frames.SCORE, self._prepare(batch))
        self._rows = batch.num_rows

    def collect(self) -> Predictions:
        """The answer to what was submitted. Raises Undetermined; a worker that lives may be asked again."""
        assert self._rows is not None, "nothing was submitted"
        rows, self._rows = self._rows, None
        return self._read(self._answer(self._answers.longest(rows)), rows)

    def time(self, batch: pa.RecordBatch) -> Timing:
        """Calls the model as its users do, and takes the time. Raises Undetermined."""
        begin, body = self._timed(frames.TIME, batch)
        seconds = time.perf_counter() - begin
        predictions = self._read(body, batch.num_rows)
        return Timing(seconds, predictions.seconds, predictions)

    def overhead(self, batch: pa.RecordBatch) -> Timing:
        """The same journey without the model: what of `time` is the pipe's. Raises Undetermined."""
        begin, _ = self._timed(frames.EMPTY, batch)
        return Timing(time.perf_counter() - begin, 0.0)

    def at_rest(self) -> contextlib.AbstractContextManager[None]:
        """Holds the worker still, so that it slows nobody down who is being timed meanwhile."""
        return self._worker.at_rest()

    def close(self) -> None:
        """Ends the worker and everything that it started, and removes what it wrote."""
        self._closing.close()

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _timed(self, kind: int, batch: pa.RecordBatch) -> tuple[float, memoryview]:
        assert self._rows is None, "the answer to the batch before was not collected"
        body = self._prepare(batch)
        begin = time.perf_counter()
        self._send(kind, body)
        return begin, self._answer(self._answers.longest(batch.num_rows))

    def _read(self, body: memoryview, rows: int) -> Predictions:
        predictions = self._checked(SCORED, lambda: read_answer(body, rows, self._answers))
        self.warnings += tuple(self._answers.notes)
        self._answers.notes.clear()
        return predictions

    def _prepare(self, batch: pa.RecordBatch) -> memoryview:
        """The batch as bytes; tells the worker of its columns if they are not those of the batch before."""
        self.wait()
        batch = _plain(batch)
        if self._schema is None or not batch.schema.equals(self._schema):
            self._send(frames.SCHEMA, memoryview(batch.schema.serialize()))
            self._schema = batch.schema
        return memoryview(batch.serialize())

    def _send(self, kind: int, body: memoryview) -> None:
        self._number += kind != frames.SCHEMA
        try:
            self._worker.send(kind, self._number, body, self._limits.patience())
        except Lost as e:
            raise self._lost(SCORED, e) from None

    def _answer(self, longest: int) -> memoryview:
        kind, body = self._receive(SCORED, self._number, longest)
        if kind != frames.ANSWER:
            raise self._failed(SCORED, kind, body)
        return body

    def _report(self, due: int, timeout: float = 0) -> dict[str, Any]:
        kind, body = self._receive(LOADED, 0, frames.MAX_HEAD, timeout)
        if kind != due:
            raise self._failed(LOADED, kind, body)
        return self._checked(LOADED, lambda: frames.parse_json(body))

    def _receive(self, doing: str, number: int, longest: int, timeout: float = 0) -> tuple[int, memoryview]:
        try:
            return self._worker.receive(number, longest, self._limits.patience(timeout))
        except Lost as e:
            raise self._lost(doing, e) from None

    def _checked(self, doing: str, read: Callable[[], T]) -> T:
        """Reads an answer. What is wrong with it is Undetermined, and ends a worker that is not itself."""
        try:
            return read()
        except Unacceptable as e:
            raise self._undetermined(doing, str(e), e.fix) from None
        except frames.Garbled as e:
            raise self._lost(doing, self._worker.garbled(str(e))) from None

    def _enter(self, told: Mapping[str, Any]) -> None:
        """Takes note of the layers. The model's code has not run yet, so the worker can be believed."""
        closed = ", ".join(map(str, told["closed"]))
        if closed:
            raise self._undetermined(LOADED, f"the worker's user may not read {closed}", _LET_READ)
        named = {row[0]: Layer(*row) for row in told["layers"]}
        self._confirm(named)
        self._must_have(named)

    def _must_have(self, named: Mapping[str, Layer]) -> None:
        """Adds to the layers; if the policy requires them, one that is missing is the end."""
        known = {layer.name: layer for layer in self.layers} | dict(named)
        self.layers = tuple(known[name] for name in LAYERS if name in known)
        missing = [f"{layer.name} ({layer.note})" for layer in self.layers if not layer.active]
        if missing and self._require:
            why = f"the policy says sandbox: require, and here is missing: {'; '.join(missing)}"
            fix = "Run the gate as root in a container on Linux 5.13 or newer, or say sandbox: report."
            raise self._undetermined(LOADED, why, fix)

    def _confirm(self, named: Mapping[str, Layer]) -> None:
        """Compares what the worker says of itself with what the kernel says of it."""
        seen = self._worker.seen()
        if seen is None:
            return
        kept = {
            "user": process.own_ids().isdisjoint(seen.users),
            "privileges": seen.no_new_privileges,
            "system calls": seen.filtered,
        }
        for name in [n for n, holds in kept.items() if named[n].active and not holds]:
            why = f"the kernel does not confirm its layer “{name}”"
            raise self._lost(LOADED, self._worker.garbled(why))

    def _failed(self, doing: str, kind: int, body: memoryview) -> Undetermined:
        """What the worker's own code reports of a model that failed."""
        if kind != frames.FAILED:
            return self._lost(doing, self._worker.garbled("an answer of another kind than was asked"))
        told = self._checked(doing, lambda: frames.parse_json(body))
        error, text = first_words(str(told.get("type", "")), 100), first_words(str(told.get("text", "")))
        if told.get("memory") is True:
            return self._undetermined(doing, "it ran out of the memory that it may use", self._more_memory())
        if not error:
            return self._undetermined(doing, text, "This says nothing about how good the model is.")
        fix = _INSTALL if error in ("ModuleNotFoundError", "ImportError") else _TRY
        return self._undetermined(doing, f"its own code raised {error}: {text}".rstrip(": "), fix)

    def _more_memory(self) -> str:
        allowed = _memory(self._limits) / (1 << 30)
        return f"It may map {allowed:.3g} GiB beyond its libraries: use a larger runner or a smaller model."

    def _lost(self, doing: str, lost: Lost) -> Undetermined:
        fix = self._more_memory() if lost.cause == "memory" else _SLOW if lost.cause == "time" else _TRY
        return self._undetermined(doing, str(lost), fix)

    def _undetermined(self, doing: str, why: str, fix: str) -> Undetermined:
        words = self._worker.last_words
        said = f"; its last words: “{words}”" if words else ""
        return Undetermined(f"{self.label} could not be {doing}", why + said, fix)


def _fields(folder: Path, label: str) -> Mapping[str, Any]:
    """The MLmodel file of a model that MLflow loads as a python_function. Raises Undetermined for any other."""
    try:
        model = mlmodel.parse(mlmodel.read_plain(folder / "MLmodel", mlmodel.MAX_BYTES + 1))
    except OSError as e:
        model = MLmodel("", fault=f"its MLmodel file cannot be read ({e.strerror})")
    flavors = model.fields.get("flavors")
    if isinstance(flavors, dict) and "python_function" in flavors:
        return model.fields
    raise Undetermined(
        f"{label} could not be loaded",
        model.fault or "its MLmodel file has no python_function flavor",
        "Log the model with MLflow's log_model, whose python_function flavor the gate loads.",
    )


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without dictionaries, which would travel apart from it."""
    import pyarrow as pa

    if not any(pa.types.is_dictionary(f.type) for f in batch.schema):
        return batch
    columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plan(model: Path, scratch: Path, uid: int | None, limits: Limits, runs_in: Environment) -> dict[str, Any]:
    """The worker's `sandbox.Plan`."""
    return {
        "uid": uid,
        "readable": [str(p) for p in (*runs_in.readable, *runs_in.paths, model)],
        "scratch": str(scratch),
        "cpu_seconds": limits.cpu_seconds,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
    }


def _memory(limits: Limits) -> int:
    return limits.memory_bytes or process.physical_memory() // 2


def _around(open_to_others: str) -> tuple[Layer, ...]:
    """The layers that the parent itself sees to."""
    gate = Layer("gate", not open_to_others, open_to_others)
    return (Layer("environment", True), Layer("descriptors", True), gate)


def _not_started(label: str, error: Exception) -> Undetermined:
    return Undetermined(
        f"{label} could not be loaded",
        f"no worker could be started ({error})",
        "Check the interpreter, the temporary folder and the model's folder.",
    )
