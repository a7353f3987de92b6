"""Which regular expressions a stranger's text could hold up for ever; the others are let by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.policy.pattern import runs_away


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a+)+", r"(a*)*", r"(a|aa)+b", r"(ab|abab)+c", r"((ab)*)*", r"((a+))+", r"(.*)*x"),
        *(r"([a-z0-9]+-?)+", r"(\w+\s?)*", r"^(\d+)*$", r"([a-z]+)*[0-9]", r"(?:a?b?)*", r"([^,]+,?)+"),
        *(r"(\w+|-)+", r"(\.?\w+)+", r"(a{1,5}){20}", r"(?i)([a-z]+[A-Z]?)+", r"(ж+)+", r"x(y(a+)+)?z", r"(a+?)+?b"),
    ],
)
def test_a_repetition_that_can_begin_anew_anywhere_runs_away(pattern: str) -> None:
    """Thirty letters and a wrong one at the end are a thousand million ways to fail."""
    assert runs_away(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            r"v\d+(\.\d+)*",
            r"[a-z0-9]+(-[a-z0-9]+)*",
            r"s3://[^/]+(/[^/]+)*",
            r"([A-Z][a-z]+)+",
            r".*",
            r"[0-9a-f]{40}",
        ),
        *(r"(dev|staging|prod)(,(dev|staging|prod))*", r"\d{4}-\d{2}-\d{2}", r"(?:GET|POST|DELETE)+", r"(a+b)+"),
        *(r"(\d{1,3}\.){3}\d{1,3}", r"(?:[a-z]+\.)+[a-z]{2,}", r"^(approved|waived by .+)$", r"(\s*\w+\s*,)+"),
        *(r"(?=.*\d)\w+", r"()*", r"(\bfoo\b;)*", r"(?:(a)|b)(?(1)c|d)\1", r"(?!x)[^é]*"),
    ],
)
def test_what_people_write_is_let_by(pattern: str) -> None:
    """Versions, paths, dates and lists repeat within a repetition too, and part their pieces by a sign."""
    assert not runs_away(pattern)


@given(st.text(r"ab.|()[]*+?{}1,2\dw^$-!:=<>P", max_size=20))
def test_whatever_compiles_is_judged(pattern: str) -> None:
    """No pattern makes the judging itself fail."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return
    assert runs_away(pattern) in (True, False)
