"""The comment calls whom it must, fits into what GitHub takes, and renders what it does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gatewright.approvals import Counted, NotCounted, Objection, Standing
from gatewright.decision import Decision, Reason
from gatewright.problem import PolicyError, Problem, Undetermined
from gatewright.report import markdown
from gatewright.report.headline import headline
from gatewright.report.markdown import LONGEST, Links, comment, failure
from gatewright.report.model import Failure, Report
from gatewright.verdict import Result, Verdict
from unit.report.examples import HOSTILE, NOW, approved, examples, measured, pressed

REPORTS = {name: thing for name, thing in examples().items() if isinstance(thing, Report)}


def opening(said: str) -> str:
    """The alert that a comment begins with."""
    return said.split("\n\n")[1]


def widened(results: int = 0, slices: int = 0, notes: int = 0) -> Report:
    """The measured report with as many more of each."""
    report = measured()
    assert report.verdict is not None
    assert report.evidence is not None
    first, *rest = report.verdict.results
    rest += [r for r in rest if r.status == "pass"]
    (sliced,) = (r for r in report.verdict.results if r.slices)
    many = replace(
        sliced, slices=tuple(replace(s, slice=f"{s.slice} {n}") for n in range(slices) for s in sliced.slices)
    )
    verdict = Verdict((*(first for _ in range(results)), *rest, *((many,) if slices else ())))
    evidence = replace(report.evidence, notes=tuple(f"note {n}" for n in range(notes)))
    return replace(report, verdict=verdict, evidence=evidence)


def test_only_those_whose_turn_it_is_are_called() -> None:
    """Whoever has agreed is named, and not called again."""
    said = comment(approved(), NOW)
    assert re.findall(r"\*\*(@[\w/-]+)\*\*", said) == ["@hubber", "@acme/ml"]
    assert "**octo**" in said


def test_nobody_is_called_where_nobody_is_left_to_agree() -> None:
    """A line to paste would only lead them astray."""
    report = approved()
    stuck = tuple(replace(r, could=()) for r in report.standing.rules)
    said = opening(comment(replace(report, standing=replace(report.standing, rules=stuck)), NOW))
    assert "@" not in said
    assert "Next: " in said


def test_a_veto_and_a_hold_are_shown_with_their_reasons() -> None:
    """Beside the approvals, as they stand against them."""
    report = approved()
    against = replace(
        report.standing,
        vetoed_by=(Objection("ria", 7, "2026-11-09T13:00:00.000Z", reason="the data are of 2019"),),
        held_by=(Objection("hal", 8, "2026-11-09T13:00:00.000Z"),),
    )
    said = comment(replace(report, standing=against), NOW)
    assert "- 🛑 **ria** says no: the data are of 2019" in said
    assert "- ⏸️ **hal** asks to wait" in said


def test_words_are_linked_and_told_why_they_do_not_count() -> None:
    """A spare approval fills no place."""
    standing = Standing(
        approved().standing.rules,
        (
            Counted("octo", 1, "two ML leads", "2026-11-09T13:00:00.000Z", "https://github.test/c/1"),
            Counted("zoe", 2, "two ML leads", "2026-11-09T13:05:00.000Z", spare=True),
        ),
        (NotCounted("mona", "https://github.test/c/3", "self_approval", "mona asked for it", "approve"),),
    )
    said = comment(replace(approved(), standing=standing), NOW)
    assert "| octo | [approve](https://github.test/c/1) 2026-11-09 13:00 UTC | two ML leads |  |" in said
    assert "| zoe | approve 2026-11-09 13:05 UTC |  | every place was filled already |" in said
    assert "| mona | [approve](https://github.test/c/3) | | self approval: mona asked for it |" in said
    assert "two ML leads: **octo** ([2026-11-09 13:00 UTC](https://github.test/c/1));" in said


def test_the_slice_that_decides_stands_beside_its_value() -> None:
    """Whoever reads no further knows where it fails."""
    said = comment(measured(), NOW)
    assert "| ❌ | **holdout.recall by country** `at 95%` | **0.871** PT | ≥ 0.902 | 0.922 |" in said


def test_a_reason_leads_to_its_line_of_the_policy() -> None:
    """On the trusted commit, where there is an address for it."""
    said = comment(measured(), NOW, links=Links(policy="https://github.test/blob/c0ffee/policies/fraud.yaml"))
    line = "[`policies/fraud.yaml:18`](https://github.test/blob/c0ffee/policies/fraud.yaml#L18)"
    assert f"lies below the limit −0.02 ({line})" in said


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    """No champion, no difference: nobody reads empty columns."""
    said = comment(REPORTS["refused"], NOW)
    assert "|  | Check | Candidate&nbsp;v3 | Needs |\n|:-:|:--|--:|--:|\n" in said


def test_what_is_folded_is_named_as_it_ended() -> None:
    """No skips are told of where there were none."""
    report = measured()
    assert report.verdict is not None
    failed, passed = (next(r for r in report.verdict.results if r.status == s) for s in ("fail", "pass"))
    skipped = replace(passed, status="skip")
    some = comment(replace(report, verdict=Verdict((failed, passed, passed))), NOW)
    assert "2 more passed |" in some and "The 2 checks that passed<" in some
    mixed = comment(replace(report, verdict=Verdict((failed, skipped, passed))), NOW)
    assert "2 more passed or skipped |" in mixed


def test_a_name_with_an_underscore_is_read_as_it_is_in_a_folded_title() -> None:
    """Markdown does not look into HTML, so a backslash would be seen."""
    report = measured()
    assert report.verdict is not None
    (sliced,) = (r for r in report.verdict.results if r.slices)
    odd = replace(sliced, check=replace(sliced.check, column="risk_band"))
    said = comment(replace(report, verdict=Verdict((odd,))), NOW)
    assert "<details><summary>holdout.recall by risk_band · 3 slices" in said


def test_a_decision_that_is_not_known_is_told_by_its_reason() -> None:
    """And not as something that could not be determined."""
    unknown: Any = "live_started"
    report = replace(REPORTS["promoted"], decision=Decision(unknown, Reason.DRY_RUN))
    said = comment(report, NOW)
    assert "> [!NOTE]\n> **Live started. " in said
    assert Reason.DRY_RUN.meaning in said
    assert "determined" not in opening(said)


@pytest.mark.parametrize("name", REPORTS)
def test_undetermined_is_never_told_as_the_models_failure(name: str) -> None:
    """Nor does a colour or a sign stand alone: every row that is not a pass has its word."""
    report = REPORTS[name]
    said = comment(report, NOW)
    assert "model failed" not in said
    for result in report.verdict.results if report.verdict else ():
        if result.status in ("fail", "error", "inconclusive", "warn"):
            assert re.search(r"\*\* (failed|undetermined|inconclusive|warned): ", said)


def test_a_refusal_counts_the_checks_that_must_hold() -> None:
    """What is undecided is not counted as failed."""
    report = replace(measured(), decision=Decision("refused", Reason.CHECKS_FAILED))
    assert headline(report).startswith(
        "Refused: 1 of 4 checks failed, 1 could not be decided, 1 undetermined. Nothing was changed."
    )
    undecided = tuple(r for r in report.verdict.results if r.status in ("inconclusive", "pass"))  # type: ignore[union-attr]
    assert "failed" not in headline(replace(report, verdict=Verdict(undecided)))
    broken, _ = pressed()
    veto = replace(broken, decision=Decision("refused", Reason.VETOED))
    assert headline(veto).startswith("Refused: somebody who may say no has said no")


def test_inconclusive_says_how_many_rows_would_settle_it() -> None:
    """As the verdict found."""
    assert "about 90 000 rows would settle it, there are 18 322" in comment(measured(), NOW)


def test_a_thread_cannot_be_closed_by_a_models_name() -> None:
    """The marker is the first line, whole."""
    report = approved()
    said = comment(replace(report, candidate=replace(report.candidate, model="a --> <b>\n@octo")), NOW)
    first, rest = said.split("\n", 1)
    assert first.startswith("<!-- gatewright v1 thread=")
    assert first.endswith("/production -->")
    assert first.count("-->") == 1
    assert rest.startswith("### ")


# -- what fits ---------------------------------------------------------------------------------------------------


def test_the_slices_go_first() -> None:
    """They are the longest, and the page has them."""
    whole = comment(widened(slices=4), NOW)
    said = comment(widened(slices=4), NOW, longest=len(whole) - 1)
    assert "```text" in whole
    assert said.count("```text") == whole.count("```text") - 1
    assert "_Left out, as a comment has no more room: the slices of holdout.recall by country._" in said


def test_what_is_left_out_follows_its_order() -> None:
    """Headline and digests never go; the table is shortened last, by whole rows that are counted."""
    report = widened(results=60, slices=4, notes=20)
    whole, gone = comment(report, NOW), list[str]()
    said = whole
    for longest in range(len(whole), 3_000, -1_000):
        said = comment(report, NOW, longest=longest)
        assert len(said) <= longest
        assert opening(said) == opening(whole)
        assert "<sub>evidence `" in said
        told = re.search(r"no more room: (.*?)\._", said)
        names = told[1].split(", ") if told else []
        assert names[: len(gone)] == gone
        gone = names
    slices = "the slices of holdout.recall by country"
    assert gone == [slices, slices, "what passed", "where the numbers come from", "the reasons"]
    assert re.search(r"^\| \d+ more rows of the table are left out$", said, re.MULTILINE)


def test_what_is_left_out_is_linked() -> None:
    """Where there is a page that holds everything."""
    said = comment(widened(slices=4), NOW, links=Links(report="https://github.test/run/1"), longest=2_500)
    assert "They are in the [full report](https://github.test/run/1)._" in said


TEXTS = st.sampled_from(["x", "@a ", HOSTILE, "\U000e0001", "`|", "é "])


@settings(max_examples=12, deadline=None)
@given(TEXTS, st.sampled_from([1, 11, 300]), st.sampled_from([1, 60, 3_000]))
def test_a_comment_never_exceeds_what_github_takes(piece: str, many: int, times: int) -> None:
    """Whatever is too long, and however often; no fold or fence is left open."""
    words = piece * max(1, times // len(piece))
    report = widened(results=many, slices=2)
    assert report.evidence is not None
    report = replace(
        report,
        notes=(words,) * many,
        against=(words,) * many,
        evidence=replace(report.evidence, notes=(words,)),
        decision=replace(report.decision, detail=words),
        verdict=Verdict(tuple(_because(r, words) for r in report.verdict.results)),  # type: ignore[union-attr]
    )
    said = comment(report, NOW)
    assert len(said) <= LONGEST
    assert said.count("<details>") == said.count("</details>")
    assert "<sub>evidence `" in said
    kinds = [t.type for t in MarkdownIt("commonmark").parse(said)]
    assert kinds.count("fence") == sum(line.startswith("```") for line in said.splitlines()) / 2


def _because(result: Result, words: str) -> Result:
    return replace(result, because=words)


@pytest.mark.parametrize("count", [1, 5, 3_000])
def test_a_long_failure_fits_too(count: int) -> None:
    """A policy with thousands of errors shows the first of them, and counts."""
    problems = tuple(Problem("policies/fraud.yaml", n + 1, 1, 'unknown key "x"') for n in range(count))
    said = failure(Failure(PolicyError(problems), "fraud"))
    assert len(said) <= LONGEST
    assert f"{count} error{'s' * (count != 1)}.**" in said
    assert ("more errors are left out" in said) is (count == 3_000)
    assert len(failure(Failure(Undetermined("x" * 70_000, "y" * 70_000, "z" * 70_000), "fraud"))) <= LONGEST


def test_every_decision_has_an_alert() -> None:
    """Of its own colour and word."""
    assert set(markdown.ALERTS) == {"promoted", "rolled_back", "pending", "refused", "noop", "evaluated", "error"}


def test_nobody_fills_the_comment_by_saying_the_same_again() -> None:
    """The newest of what one person said in vain stands there, with how often."""
    words = tuple(
        NotCounted("mallory", f"https://github.example/{n}", "not_authorized", "the policy names octo", "approve", n)
        for n in range(200)
    )
    other = NotCounted("mona", "https://github.example/x", "expired", "it is 9.0 days old", "approve", 999)
    report = approved()
    said = comment(replace(report, standing=replace(report.standing, not_counted=(*words, other))), NOW)
    assert said.count("mallory") == 1
    assert "https://github.example/199" in said and "(200 times)" in said
    assert "9.0 days old" in said
