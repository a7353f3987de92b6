"""The whole of measuring: what is read, how often, and what the evidence says was judged."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gatewright.evidence import Evidence
from gatewright.measure import PATHS
from gatewright.paths import Path
from gatewright.problem import Undetermined
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

Ask = Callable[..., Evidence]
AUC, F1, SIGNATURE, COMPATIBLE = (
    Path("run", "auc"),
    Path("run", "f1"),
    Path("signature"),
    Path("signature", "compatible"),
)
CANDIDATE = Version("fraud", 4, run_id="r4", source="models:/m-4", model_id="m-4")
CHAMPION = Version("fraud", 3, run_id="r3", source="s3://bucket/r3/model")
FILE = json.dumps({"signature": {"inputs": json.dumps([{"type": "double", "name": "a"}])}}).encode()
SHA = "sha256:" + hashlib.sha256(FILE).hexdigest()

HELD: dict[str, Any] = {
    "runs": [Run("r4", {"auc": Logged(0.95, 1, 1)}), Run("r3", {"auc": Logged(0.93, 1, 1)})],
    "logged_models": [Run("m-4", {"f1": Logged(0.8, 0, 1)})],
    "files": {("fraud", 4): {"MLmodel": FILE}, ("fraud", 3): {"MLmodel": FILE}},
}


def test_the_subject_says_what_was_judged(ask: Ask) -> None:
    """Model, version, run, files, target and champion are what an approval is about."""
    evidence = ask([AUC], CANDIDATE, CHAMPION, MemoryRegistry(**HELD))
    assert evidence.subject == {
        "model": "fraud",
        "version": 4,
        "run": "r4",
        "source": "models:/m-4",
        "model_id": "m-4",
        "artifact": SHA,
        "target": "production",
        "champion": 3,
        "champion_model": "fraud",
        "champion_source": "s3://bucket/r3/model",
        "champion_artifact": None,
    }


def test_an_absent_mlmodel_file_is_part_of_the_subject(ask: Ask) -> None:
    """Somebody who adds the file later changes what was judged."""
    registry = MemoryRegistry(**{**HELD, "files": {}})
    assert ask([AUC], CANDIDATE, None, registry).subject["artifact"] == "absent"


def test_the_champions_files_count_where_a_check_reads_them(ask: Ask) -> None:
    """And only there."""
    evidence = ask([COMPATIBLE], CANDIDATE, CHAMPION, MemoryRegistry(**HELD))
    assert evidence.subject["champion_artifact"] == SHA


def test_without_a_champion_the_subject_names_none(ask: Ask) -> None:
    """And no fact is about a champion."""
    evidence = ask([AUC], CANDIDATE, None, MemoryRegistry(**HELD), against=[AUC])
    assert evidence.subject["champion"] is None
    assert {f.who for f in evidence.facts} == {"candidate"}


def test_the_champion_is_measured_only_where_a_check_compares(ask: Ask) -> None:
    """A threshold needs no champion."""
    evidence = ask([F1], CANDIDATE, CHAMPION, MemoryRegistry(**HELD), against=[AUC])
    assert [(f.who, str(f.path), f.value) for f in evidence.facts] == [
        ("candidate", "run.f1", 0.8),
        ("candidate", "run.auc", 0.95),
        ("champion", "run.auc", 0.93),
    ]


def test_a_champion_whose_run_is_gone_has_missing_facts(ask: Ask) -> None:
    """Gone is an answer; it is no champion value, and no crash."""
    registry = MemoryRegistry(**{**HELD, "runs": HELD["runs"][:1]})
    fact = ask([], CANDIDATE, CHAMPION, registry, against=[AUC]).one("champion", AUC)
    assert fact is not None
    assert (fact.state, fact.why) == ("missing", "run r3 of fraud/3 does not exist any more")


def test_each_object_is_read_once(ask: Ask, counted: Any) -> None:
    """However many checks ask for it."""
    registry = counted(**HELD)
    everything = [Path(r.family, "x" if r.key == "*" else r.key) for r in PATHS.rows]
    ask(everything, CANDIDATE, CHAMPION, registry, against=[AUC, F1])
    assert dict(registry.reads) == {
        "logged model m-4": 1,
        "run r4": 1,
        "run r3": 1,
        "MLmodel of fraud/4": 1,
        "MLmodel of fraud/3": 1,
    }


def test_a_run_metric_costs_three_reads_a_version(ask: Ask, counted: Any) -> None:
    """Logged model, run and MLmodel file of the candidate; of the champion only what is compared."""
    registry = counted(**HELD)
    ask([], CANDIDATE, CHAMPION, registry, against=[AUC])
    assert sum(registry.reads.values()) == 4


def test_one_run_of_both_versions_is_read_once(ask: Ask, counted: Any) -> None:
    """A model that was registered twice from one run."""
    registry = counted(**HELD)
    ask([], CANDIDATE, Version("fraud", 3, run_id="r4", source="s3://b/x"), registry, against=[AUC])
    assert registry.reads["run r4"] == 1


@pytest.mark.parametrize("what", ["run", "logged_model", "open"])
def test_a_registry_that_cannot_be_read_leaves_everything_undetermined(ask: Ask, what: str) -> None:
    """A time-out is never a missing value."""

    class Broken(MemoryRegistry):
        pass

    def fail(self: Broken, *_: object) -> None:
        raise Undetermined("could not read it", "the server timed out", "Try again.")

    setattr(Broken, what, fail)
    with pytest.raises(Undetermined, match="timed out"):
        ask([AUC, SIGNATURE], CANDIDATE, CHAMPION, Broken(**HELD))


def test_a_champion_that_cannot_be_read_leaves_everything_undetermined(ask: Ask) -> None:
    """An unreachable champion is not an absent one."""

    class Broken(MemoryRegistry):
        def run(self, run_id: str) -> Run | None:
            if run_id == "r3":
                raise Undetermined("could not read it", "the server timed out", "Try again.")
            return super().run(run_id)

    with pytest.raises(Undetermined, match="timed out"):
        ask([], CANDIDATE, CHAMPION, Broken(**HELD), against=[AUC])


def test_candidate_and_champion_are_read_at_the_same_time(ask: Ask) -> None:
    """Each read waits until the other has begun; one after the other would wait for ever."""
    both = threading.Barrier(2, timeout=30)

    class Waiting(MemoryRegistry):
        def run(self, run_id: str) -> Run | None:
            both.wait()
            return super().run(run_id)

    assert len(ask([], CANDIDATE, CHAMPION, Waiting(**HELD), against=[AUC]).facts) == 2


def test_facts_stand_in_the_policys_order_each_once(ask: Ask) -> None:
    """Two checks on one path read one fact."""
    evidence = ask([SIGNATURE, AUC, SIGNATURE], CANDIDATE, None, MemoryRegistry(**HELD))
    assert [str(f.path) for f in evidence.facts] == ["signature", "run.auc"]


@pytest.mark.parametrize(
    "row",
    [r for r in PATHS.rows if r.family in ("holdout", "latency", "memory", "live")],
    ids=lambda row: row.name,
)
def test_what_was_not_measured_is_unreadable_and_says_so(ask: Ask, row: Any) -> None:
    """Such a fact is an error in the verdict: nothing passes on it."""
    path = Path(row.family, "x" if row.key == "*" else row.key)
    (fact,) = ask([path], CANDIDATE, None, MemoryRegistry(**HELD)).facts
    assert (fact.state, fact.value) == ("unreadable", None)
    assert fact.why in ("the benchmark was not run", "no live split of this version was read")


def test_what_was_not_measured_is_unreadable_for_the_champion_too(ask: Ask) -> None:
    """Neither side of a comparison is made up."""
    path = Path("holdout", "roc_auc")
    evidence = ask([], CANDIDATE, CHAMPION, MemoryRegistry(**HELD), against=[path])
    assert [(f.who, f.state) for f in evidence.facts] == [
        ("candidate", "unreadable"),
        ("champion", "unreadable"),
    ]


def test_every_path_has_words_for_people() -> None:
    """What it is and how to make it appear; both end without a full stop, as clauses do."""
    for row in PATHS.rows:
        assert row.about, row.name
        assert row.fix, row.name
        assert not row.about.endswith("."), row.name


def test_every_path_is_declared_once() -> None:
    """Two rows of one name would hide each other."""
    names = [row.name for row in PATHS.rows]
    assert len(names) == len(set(names))


CONTRACT = {
    "run": ["NAME"],
    "params": ["NAME"],
    "tags": ["NAME"],
    "live": ["NAME"],
    "latency": ["p50", "p90", "p95", "p99", "mean", "throughput"],
    "memory": ["peak"],
    "model": ["size", "age", "flavor", "author"],
    "signature": ["compatible"],
    "lineage": ["run", "git_commit", "dataset", "source"],
    "artifact": ["scheme", "uri"],
    "holdout": [
        *("rows", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "roc_auc"),
        *("average_precision", "log_loss", "brier", "f1_macro", "f1_weighted", "recall_macro"),
        *("rmse", "mae", "mape", "r2", "median_ae", "max_error"),
    ],
}
NAMES = [
    "signature",
    "input_example",
    *(f"{family}.{key}" for family, keys in CONTRACT.items() for key in keys),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_path_of_the_contract_can_be_named(name: str) -> None:
    """A policy that follows the documentation loads."""
    assert name in {row.name for row in PATHS.rows}


@pytest.mark.parametrize("row", PATHS.rows, ids=lambda row: row.name)
def test_only_estimates_have_confidence_and_only_the_holdout_has_slices(row: Any) -> None:
    """`at 95%` and `by column` are refused where they mean nothing; a maximum has no sampling bound."""
    assert row.sampled == (
        row.family in ("holdout", "latency", "live") and row.key not in ("rows", "positives", "max_error")
    )
    assert row.sliceable == (row.family == "holdout")


@pytest.mark.parametrize(
    ("key", "up"), [("accuracy", True), ("log_loss", False), ("r2", True), ("rmse", False), ("brier", False)]
)
def test_a_metric_knows_its_good_direction(key: str, up: bool) -> None:
    """A policy that asks for less accuracy can be warned about."""
    row = PATHS.row(Path("holdout", key))
    assert row is not None
    assert row.higher_is_better is up
