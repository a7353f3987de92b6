"""What GitHub shows of each ending: check run, deployment, remarks, outputs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gatewright import gate as story
from gatewright.action.intent import Intent
from gatewright.action.shown import Place, deployment, of_failure, of_report, outcome, remarks
from gatewright.approvals import Objection, Standing
from gatewright.decision import Decision, Reason
from gatewright.forge.marker import LONGEST, marked
from gatewright.problem import PolicyError, Problem, Undetermined
from gatewright.report.model import Failure, Report
from gatewright.subject import Subject
from unit.report.examples import NOW, approved, examples, gate, measured

THINGS = {name: thing for name, thing in examples().items() if isinstance(thing, Report)}
PULL = Intent("evaluate", thread=7, head="c" * 40)
PLACE = Place("https://github.example/acme/models/actions/runs/77", "d" * 40, "https://github.example/blob")


def evaluated(version: int, target: str) -> Report:
    """An evaluation of the examples' registry."""
    return story.evaluate(gate(), Subject("fraud", version), target)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (THINGS["promoted"], "success"),
        (THINGS["noop"], "success"),
        (THINGS["refused"], "failure"),
        (THINGS["pending"], "pending"),
        (approved(), "pending"),
        (measured(), "failure"),
        (evaluated(2, "staging"), "success"),
        (evaluated(2, "production"), "pending"),
        (evaluated(3, "production"), "failure"),
        (replace(THINGS["pending"], decision=Decision("error", Reason.UNDETERMINED)), "undetermined"),
    ],
)
def test_a_check_run_lets_nothing_pass_that_is_not_done(report: Report, said: str) -> None:
    """Missing approvals keep it in progress: GitHub takes neutral and skipped for passed."""
    assert outcome(report) == said


def test_the_check_run_bears_the_digest_and_the_remarks() -> None:
    """On the head, with the evidence's digest for whoever compares."""
    report = measured()
    check = of_report(report, PULL, PLACE, NOW).check
    assert check is not None and report.evidence is not None
    assert (check.head, check.external_id) == (PULL.head, report.evidence.digest)
    assert [a.line for a in check.annotations] == [m.line for m in remarks(report)]
    assert check.summary and len(check.summary) <= 65_535


def test_remarks_that_stand_beside_the_head_already_are_not_doubled() -> None:
    """A run on pull_request belongs to the head itself."""
    check = of_report(measured(), PULL, replace(PLACE, beside=True), NOW).check
    assert check is not None and check.annotations == ()


def test_without_a_head_there_is_no_check_run() -> None:
    """A request by hand has none."""
    assert of_report(measured(), Intent("promote"), PLACE, NOW).check is None


def test_only_a_move_is_a_deployment() -> None:
    """Named for good by the ledger's entry."""
    moved = {name: deployment(report, PLACE) for name, report in THINGS.items()}
    assert [name for name, found in moved.items() if found] == ["promoted", "overridden", "rolled_back"]
    found = moved["promoted"]
    assert found is not None
    assert (found.ref, found.environment, found.state) == (PLACE.commit, "fraud/staging", "success")
    assert "entry" in found.key


def test_a_request_is_settled_by_a_move_and_by_no_veto() -> None:
    """A veto may be lifted, which takes an open issue; one that was overridden has no more to say."""
    veto = Standing(vetoed_by=(Objection("ben", 3, "2026-11-09T13:00:00Z"),))
    ends = {name: of_report(report, PULL, PLACE, NOW).settled for name, report in THINGS.items()}
    assert {name for name, settled in ends.items() if settled} >= {"promoted", "overridden", "rolled_back", "refused"}
    assert not ends["pending"]
    assert not of_report(replace(THINGS["refused"], standing=veto), PULL, PLACE, NOW).settled
    assert of_report(replace(THINGS["overridden"], standing=veto), PULL, PLACE, NOW).settled


def test_a_rehearsed_promotion_is_no_deployment() -> None:
    """It has no entry in the ledger."""
    assert deployment(replace(THINGS["promoted"], entry=None), PLACE) is None


def test_outputs_are_texts_and_the_result_is_json() -> None:
    """Empty where there is nothing to say, never the word None."""
    told = of_report(THINGS["refused"], PULL, PLACE, NOW).outputs
    assert (told["decision"], told["reason"], told["verdict"]) == ("refused", "checks_failed", "fail")
    assert told["previous-version"] == ""
    assert json.loads(told["result"])["version"] == 3


def test_a_policy_error_is_remarked_on_each_of_its_lines() -> None:
    """As far as they have one."""
    error = PolicyError([Problem("policies/a.yaml", 3, 1, "bad", "do"), Problem("policies", 0, 0, "none there")])
    marks = of_failure(Failure(error, "fraud"), PULL, PLACE).marks
    assert {(m.file, m.line) for m in marks} == {("policies/a.yaml", 3), ("", 0)}


def test_what_could_not_be_determined_asks_for_action() -> None:
    """The check run is not red, since nothing is known against the model."""
    failure = Failure(
        Undetermined("could not read", "it is away", "Try again."), "fraud", Subject("fraud", 2), "staging"
    )
    check = of_failure(failure, PULL, PLACE).check
    assert check is not None and check.outcome == "undetermined"


def test_a_comment_fits_with_its_marker() -> None:
    """Whatever is added to it in the end."""
    ending = of_report(measured(), PULL, PLACE, NOW, "- x\n" * LONGEST)
    assert len(marked(ending.key, ending.comment)) <= LONGEST
    assert ending.comment.endswith("_The rest does not fit into a comment._\n")


def test_what_a_comment_has_no_room_for_goes_by_its_worth() -> None:
    """Not by where it stands: what the pull request adds takes a quarter at most, and the digests stay."""
    report = measured()
    assert report.verdict is not None
    many = replace(report, verdict=replace(report.verdict, results=report.verdict.results * 200))
    body = of_report(many, PULL, PLACE, NOW, "- x\n" * LONGEST).comment
    assert "Left out, as a comment has no more room: the slices of" in body
    assert "· policy `" in body
    assert 0 < body.count("- x\n") * 4 <= LONGEST / 4


def test_the_end_of_a_forbidden_promotion_is_an_evaluation() -> None:
    """Whose check run says what the evaluation says."""
    report = replace(evaluated(2, "staging"), decision=Decision("evaluated", Reason.UNSAFE_EVENT))
    assert outcome(report) == "success"
