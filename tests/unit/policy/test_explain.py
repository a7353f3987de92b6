"""Policies in plain words."""

from __future__ import annotations

import pytest

from gatewright.measure import PATHS
from gatewright.policy.explain import explain, sentence
from gatewright.policy.grammar import parse_check
from gatewright.policy.load import read_policies
from gatewright.policy.model import Check, Place

SENTENCES = {
    "signature": "The model says what goes in and what comes out (a signature).",
    "tags.owner": 'The tag "owner" is given, and is not false.',
    "run.accuracy >= 80%": "The metric accuracy that its training logged is at least 80%.",
    "latency.p95 < 100ms": "The time that 95 % of calls stay within is less than 100ms.",
    "artifact.scheme in [s3, gs]": "The kind of store that its files are in is one of s3 or gs.",
    'tags.x matches "a|b"': 'The tag "x" matches, from end to end, the regular expression "a|b".',
    "tags.x != true": 'The tag "x" is not true.',
    "holdout.f1 gap by c <= 0.1": (
        "The gap between the largest and the smallest f1 on the holdout, by c, is at most 0.1."
    ),
    "holdout.f1 ratio by c >= 80%": "The smallest over the largest f1 on the holdout, by c, is at least 80%.",
    "holdout.recall by c >= champion - 0.02 at 95%": (
        "For every c, the recall on the holdout is at least the champion's less 0.02, with 95 % confidence; "
        "skipped while there is no champion."
    ),
    "latency.p95 <= champion + 5ms": (
        "The time that 95 % of calls stay within is at most the champion's plus 5ms; "
        "skipped while there is no champion."
    ),
    "holdout.rmse <= champion * 1.10": (
        "The rmse on the holdout is at most 1.10 times the champion's; skipped while there is no champion."
    ),
    "signature.compatible": (
        "Its signature accepts all that the champion's accepts, and answers alike; skipped while there is no champion."
    ),
    "model.flavor == sklearn": "Its flavor is sklearn.",
    "holdout.f1 > 0.9 at 97.5%": "The f1 on the holdout is more than 0.9, with 97.5 % confidence.",
}


@pytest.mark.parametrize("line", SENTENCES)
def test_a_check_is_a_sentence(line: str) -> None:
    """The wording is what a risk officer reads: it is pinned."""
    check = parse_check(line, PATHS, Place("p.yaml", 1, 1))
    assert isinstance(check, Check)
    assert sentence(check) == SENTENCES[line]


def test_a_target_says_who_must_agree_and_who_must_not() -> None:
    """Rules, exclusions, expiry, rollback and emergency."""
    text = (
        "version: 1\nmodel: m\ntargets:\n  t:\n    alias: a\n    checks: [signature]\n    expires: 36h\n"
        "    approvals: [{from: [octo, '@a/b'], count: 2}, {name: risk, from: ['@a/risk']}]\n"
        "    exclude: [requester]\n    rollback: {approvals: [{from: [mona]}]}\n    override: {from: [lisa]}\n"
    )
    said = explain(read_policies({"p.yaml": text}, PATHS)[0])
    assert said.splitlines()[-5:] == [
        "Then 2 of octo or a member of @a/b and a member of @a/risk (risk) must agree; nobody counts twice.",
        "The word of whoever asked for the move does not count.",
        "A request, and what is agreed, holds for 36 hours.",
        "A rollback needs a reason and the agreement of mona.",
        "In an emergency lisa may overrule all this; that is always recorded.",
    ]


def test_a_policy_without_holdout_says_that_nothing_is_scored() -> None:
    """Whoever agrees to it should know."""
    text = "version: 1\nmodel: m\ntargets: {t: {alias: a, checks: [run.x > 1]}}\n"
    assert "nothing is scored" in explain(read_policies({"p.yaml": text}, PATHS)[0])


def test_a_live_split_is_told_with_where_its_outcomes_are_and_when_it_ends() -> None:
    """And without the account that reads them."""
    text = """
version: 1
model: shop
live:
  split: {champion: 90, challenger: 10}
  unit: customer
  outcomes: {data: "postgresql://reader@db/shop?sslmode=require", query: select 1}
  primary: {name: returns, better: lower, effect: 0.01}
  label_maturity: 3d
  method: group_sequential
targets: {production: {alias: champion, checks: [live.returns <= champion at 95%]}}
"""
    told = " ".join(explain(read_policies({"p.yaml": text}, PATHS)[0]).split())
    assert "Outcomes are read from postgresql://db/shop." in told and "reader" not in told
    assert "returns must become better (lower is better; a split that cannot find 0.01 less is not begun)" in told
    assert "looks in between decide nothing. A unit counts once its first exposure is 3 days old." in told
