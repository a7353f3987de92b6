"""For a serving process: which version a unit sees, and a record of who saw what and how it turned out.

    split = Split.read(Path("split.json").read_text())        # gatewright live route … --format json
    log = ParquetLog("outcomes", columns=["score", "chargeback"], unit="account")

    version = split.version(account_id)
    log.exposed(account_id, version, score=0.31)              # as it is served
    log.outcome(account_id, chargeback=0)                     # when it is known, perhaps weeks later

An outcome that did not happen is written as 0: what is not written is taken to be unknown. Logging never waits and
never raises: a row goes into a queue of bounded length, which one thread writes. What could not be logged is counted
in `log.counts` and said to the logger `gatewright.serving`.
"""

from __future__ import annotations

from gatewright.serving.log import Counts, Log, NotWritten
from gatewright.serving.mlflow import MlflowLog
from gatewright.serving.parquet import ParquetLog
from gatewright.serving.split import Split

__all__ = ["Counts", "Log", "MlflowLog", "NotWritten", "ParquetLog", "Split"]
