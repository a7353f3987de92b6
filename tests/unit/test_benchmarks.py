"""A recorded benchmark, on a registry and a ledger in memory: its numbers hold for the files that were scored."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path as Folder
from typing import Any

import pytest

from gatewright import benchmarks
from gatewright import gate as story
from gatewright.case import Gate
from gatewright.evidence import Fact
from gatewright.ledger.entry import Actor
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.measure.holdout import files
from gatewright.measure.holdout.benchmark import Benchmark, Order
from gatewright.paths import Path
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report.model import Report
from gatewright.subject import Model, Subject, Version

POLICY = """\
version: 1
model: fraud
holdout: {data: rows.parquet, target: y, task: binary}
targets:
  production:
    stage: Production
    checks: [CHECK]
    override: {from: [octo]}
"""
GOOD = {"MLmodel": b"flavors: {}\n", "model.pkl": b"good"}
POOR = {**GOOD, "model.pkl": b"poor"}


class World(MemoryRegistry):
    """One version, and how often its files were fetched."""

    def __init__(self) -> None:
        runs = [Run("r1", {"accuracy": Logged(0.95, 0, 0)})]
        super().__init__([Model("fraud", (Version("fraud", 1, run_id="r1"),))], runs, files={("fraud", 1): GOOD})
        self.fetched: list[str] = []
        self.broken = False

    def download(self, uri: str, into: Folder) -> None:
        """Counts, and fails where it is to fail."""
        if self.broken:
            raise Undetermined(f"could not fetch {uri}", "the store is down", "Try again.")
        self.fetched.append(uri)
        super().download(uri, into)


@pytest.fixture
def world() -> World:
    """A registry."""
    return World()


@pytest.fixture
def gate(world: World, tmp_path: Folder) -> Gate:
    """A gate that scores a model by reading what it is."""
    numbers = itertools.count()

    def score(order: Order, registry: Any, progress: object) -> Benchmark:
        folder = tmp_path / f"model-{next(numbers)}"
        digest = files.fetch(order.candidate, registry, folder)
        value = 0.97 if (folder / "model.pkl").read_bytes() == b"good" else 0.5
        facts = (Fact("candidate", Path("holdout", "accuracy"), "known", value, n=100),)
        return Benchmark((*facts, files.fact("candidate", order.candidate, digest)), (), "rows.parquet", "0" * 64, 100)

    return made("holdout.accuracy > 0.9", world, score, lambda: f"n{next(numbers)}")


def made(check: str, world: World, score: Any, nonce: Callable[[], str]) -> Gate:
    """A gate with one check."""
    (policy,) = read_policies({"fraud.yaml": POLICY.replace("CHECK", check)}, PATHS)
    at = datetime(2026, 11, 6, 9, 0, tzinfo=timezone.utc)
    return Gate(policy, world, MemoryLedger(), Actor("octo"), lambda: at, nonce, score=score)


def evaluate(gate: Gate) -> Report:
    """Asks only."""
    return story.evaluate(gate, Subject("fraud", 1), "production")


def promote(gate: Gate, **more: Any) -> Report:
    """Asks and moves."""
    return story.promote(gate, Subject("fraud", 1), "production", **more)


def kinds(gate: Gate) -> list[str]:
    """What the ledger holds, without its opening."""
    return [row.kind for row in gate.ledger.rows("fraud") if row.kind != "opened"]


@pytest.mark.parametrize("override", [False, True], ids=["by the rules", "overridden"])
def test_files_that_were_replaced_after_they_were_scored_do_not_move(gate: Gate, world: World, override: bool) -> None:
    """Not on the numbers of other files, and before anything is locked; nobody overrides what nobody has seen."""
    if override:
        gate = replace(gate, policy=made("holdout.accuracy > 0.99", world, gate.score, gate.nonce).policy)
    evaluate(gate)
    world.files["fraud", 1] = POOR
    report = promote(gate, override=override, why="at night")
    assert (report.decision.kind, str(report.decision.reason)) == ("error", "candidate_changed")
    assert "are not those that were scored" in report.decision.detail
    assert "--rebenchmark" in report.decision.detail
    assert (world.applied, kinds(gate), report.against) == ([], ["benchmarked"], ())
    assert promote(replace(gate, rebenchmark=True)).decision.kind == "refused", "they were scored anew"


def test_files_are_fetched_as_often_as_it_takes_and_no_more(gate: Gate, world: World) -> None:
    """Once to be scored, once before a move that stands on a record, never to ask."""
    evaluate(gate)
    evaluate(gate)
    assert len(world.fetched) == 1
    assert promote(gate).decision.kind == "promoted"
    assert len(world.fetched) == 2


def test_what_this_run_has_scored_is_not_fetched_again(gate: Gate, world: World) -> None:
    """A model can be large."""
    report = promote(gate)
    assert report.decision.kind == "promoted"
    assert len(world.fetched) == 1
    assert report.evidence is not None
    known = report.evidence.one("candidate", files.FILES)
    assert known is not None
    assert known.value == report.scored == files.digest_now(report.candidate, world)


def test_a_move_that_stands_on_no_benchmark_fetches_nothing(gate: Gate, world: World) -> None:
    """What the run has logged does not lie in the model's files."""
    assert promote(made("run.accuracy > 0.9", world, gate.score, gate.nonce)).decision.kind == "promoted"
    assert world.fetched == []


def test_files_that_cannot_be_fetched_again_do_not_move(gate: Gate, world: World) -> None:
    """Whether they are the same is not known, and nothing was locked."""
    evaluate(gate)
    world.broken = True
    with pytest.raises(Undetermined, match="the store is down"):
        promote(gate)
    assert (world.applied, kinds(gate)) == ([], ["benchmarked"])


def test_a_record_that_does_not_say_which_files_is_made_anew(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to hold the files against; the first releases kept such records."""

    def silent(order: Order, *others: Any) -> Benchmark:
        found = gate.score(order, *others)
        return replace(found, facts=tuple(f for f in found.facts if f.path != files.FILES))

    old = replace(gate, score=silent)
    evaluate(old)
    with monkeypatch.context() as patch:
        patch.setattr(benchmarks, "_recorded", lambda *_: None)
        assert str(promote(old).decision.reason) == "candidate_changed", "not even if it were read"
    assert promote(gate).decision.kind == "promoted"
    assert kinds(gate)[-3:] == ["benchmarked", "intended", "promoted"]
