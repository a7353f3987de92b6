"""The worker's life: read the plan, enter the sandbox, load the model, answer until the parent hangs up."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import site
import sys
import threading
import time
from typing import Any

from gatewright.measure.holdout.worker import frames, sandbox, scoring
from gatewright.measure.holdout.worker.frames import Frame, Line
from gatewright.measure.holdout.worker.outputs import MAX_LABELS, Output, Unusable, scalar

_LONGEST_MESSAGE = 2000


def main(line_descriptor: int, leash_descriptor: int) -> None:
    """Serves one model on the line. The leash is a pipe whose other end closes when the parent dies."""
    line = Line(line_descriptor)
    start = line.read().json()
    layers, doors = sandbox.enter(sandbox.Plan(**_tuples(start["plan"])))
    _report_layers(line, start, layers, doors)
    threading.Thread(target=_end_with_parent, args=(leash_descriptor,), daemon=True).start()
    _find_libraries(start, doors)
    try:
        model = _load(line, start, doors)
    except BaseException as e:  # a model may raise anything, SystemExit too
        line.report(frames.FAILED, 0, _failure(e))
        return
    _serve(line, model, start["wants"])


def _tuples(plan: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plan.items()}


def _report_layers(line: Line, start: dict[str, Any], layers: tuple[sandbox.Layer, ...], doors: sandbox.Doors) -> None:
    plan = sandbox.Plan(**_tuples(start["plan"]))
    closed = sandbox.unreadable(plan, doors)
    told = [[layer.name, layer.active, layer.note] for layer in layers]
    line.report(frames.LAYERS, 0, {"layers": told, "closed": closed})
    if closed or (start["require"] and not all(layer.active for layer in layers)):
        os._exit(0)


def _end_with_parent(leash: int) -> None:
    os.read(leash, 1)
    os.killpg(0, signal.SIGKILL)


def _find_libraries(start: dict[str, Any], doors: sandbox.Doors) -> None:
    """Does what `-S` left undone. Only now: the `.pth` files of installed packages are code."""
    sandbox.translate(doors)
    os.environ["HOME"] = os.environ["TMPDIR"] = doors.name(start["plan"]["scratch"])
    site.PREFIXES[:] = [sys.prefix, sys.exec_prefix]
    if not start["isolated"]:
        site.main()
    for path in start["paths"]:
        site.addsitedir(doors.name(path))
    for name in [n for n in sys.modules if n.partition(".")[0] == "gatewright"]:
        del sys.modules[name]


def _load(line: Line, start: dict[str, Any], doors: sandbox.Doors) -> scoring.Model:
    gc.disable()  # a tenth of the time to load: thousands of objects are made, and hardly one becomes garbage
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    plain = start["plain"]
    if plain is None:
        import mlflow.pyfunc  # noqa: F401

    refused = sandbox.limit_memory(start["memory_bytes"])  # beyond what the libraries took until now
    line.report(frames.IMPORTED, 0, {"memory": refused})
    if refused and start["require"]:
        os._exit(0)
    model = scoring.load(doors.name(start["model"]), start["wants"], plain)
    gc.enable()
    told = {"classes": list(model.classes), "derived": model.derived, "notes": list(model.notes)}
    line.report(frames.READY, 0, told)
    return model


def _serve(line: Line, model: scoring.Model, wants: str) -> None:
    import pyarrow as pa

    schema: Any = None
    gc.collect()
    while True:
        try:
            frame = line.read()
        except EOFError:
            return
        if frame.kind == frames.SCHEMA:
            schema = pa.ipc.read_schema(pa.py_buffer(bytes(frame.body)))
        elif frame.kind == frames.EMPTY:
            line.write(frames.ANSWER, frame.number, frames.answer({"seconds": 0.0}, []))
        else:
            _answer(line, model, frame, schema, wants)


def _answer(line: Line, model: scoring.Model, frame: Frame, schema: Any, wants: str) -> None:
    try:
        table = _table(frame.body, schema)
        begin = time.perf_counter()
        result = model.predict(table)
        head: dict[str, Any] = {"seconds": time.perf_counter() - begin}
        output = model.read(result)
        if frame.kind == frames.SCORE and model.labels is not None:
            # A table of its own: the model may have written into the first.
            output = dataclasses.replace(output, labels=model.labels(_table(frame.body, schema)))
        columns = _numbers(head, output) if wants == "value" else _classes(head, output)
    except BaseException as e:
        line.report(frames.FAILED, frame.number, _failure(e))
    else:
        line.write(frames.ANSWER, frame.number, frames.answer(head, columns))


def _table(body: memoryview, schema: Any) -> Any:
    """A data frame of the batch whose columns the model may write into."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    batch = pa.ipc.read_record_batch(pa.py_buffer(body), schema)

    def column(array: Any) -> Any:
        kind = array.type
        if array.null_count or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            return array.to_pandas()
        return np.array(array.to_numpy())

    named = dict(zip(batch.schema.names, map(column, batch.columns), strict=True))
    return pd.DataFrame(named, index=pd.RangeIndex(batch.num_rows), copy=False)


def _numbers(head: dict[str, Any], output: Output) -> list[memoryview]:
    head["rows"] = len(output.values)
    return [_bytes(output.values, "<f8")]


def _classes(head: dict[str, Any], output: Output) -> list[memoryview]:
    """Labels as codes into a vocabulary, then probabilities, row by row."""
    columns: list[memoryview] = []
    labels, probabilities = output.labels, output.probabilities
    known = labels if probabilities is None else probabilities
    head["rows"] = len(known)
    if probabilities is not None:
        head["columns"] = 0 if probabilities.ndim == 1 else probabilities.shape[1]
        head["names"] = list(output.columns)
        columns.append(_bytes(probabilities, "<f8"))
    if labels is not None:
        if len(labels) != len(known):
            raise Unusable(f"it predicts {len(labels)} labels and {len(known)} probabilities")
        codes, head["vocabulary"] = _codes(labels)
        columns.append(_bytes(codes, "<i4"))
    return columns


def _codes(labels: Any) -> tuple[Any, list[Any]]:
    import pandas as pd

    codes, found = pd.factorize(labels, use_na_sentinel=False)
    if len(found) > MAX_LABELS:
        raise Unusable(f"it predicts {len(found)} different labels: these are numbers, not classes")
    return codes, [scalar(v) for v in found]


def _bytes(array: Any, kind: str) -> memoryview:
    import numpy as np

    try:
        return memoryview(np.ascontiguousarray(array, dtype=kind).tobytes())
    except (TypeError, ValueError):
        raise Unusable("its probabilities are not numbers") from None


def _failure(error: BaseException) -> dict[str, Any]:
    text = "; ".join(str(error).split("\n"))[:_LONGEST_MESSAGE]
    kind = "" if isinstance(error, Unusable) else type(error).__name__[:100]
    return {"type": kind, "text": text, "memory": isinstance(error, MemoryError)}
