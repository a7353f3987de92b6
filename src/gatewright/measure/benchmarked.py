"""What the holdout benchmark measures: predictions, speed and memory. The names are here; the work is in `holdout/`."""

from __future__ import annotations

from gatewright.evidence import Fact
from gatewright.measure import metrics
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow

_LATENCY = {
    "p50": "the median time of a call",
    "p90": "the time that 90 % of calls stay within",
    "p95": "the time that 95 % of calls stay within",
    "p99": "the time that 99 % of calls stay within",
    "mean": "the mean time of a call",
}


ROWS = (
    *metrics.ROWS,
    *(
        PathRow(
            "latency",
            key,
            "number",
            f"{about}, through MLflow's pyfunc on the machine that runs the gate",
            "set the latency block: requests, warmup, batch",
            "time",
            sampled=True,
            comparable=True,
            higher_is_better=False,
        )
        for key, about in _LATENCY.items()
    ),
    PathRow(
        "latency",
        "throughput",
        "number",
        "rows scored a second",
        "set the latency block: requests, warmup, batch",
        sampled=True,
        comparable=True,
        higher_is_better=True,
    ),
    PathRow(
        "memory",
        "peak",
        "number",
        "the most memory that the process needs to load and call the model",
        "use a smaller model or a smaller batch",
        "bytes",
        comparable=True,
        higher_is_better=False,
    ),
)


def collect(path: Path, reading: Reading) -> Fact:
    """What stands where no benchmark was run: such a fact comes from a benchmark's record alone."""
    return reading.unreadable(path, "the benchmark was not run")
