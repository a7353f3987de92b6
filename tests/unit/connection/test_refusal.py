"""Defects of our own, told as what they are."""

from __future__ import annotations

from gatewright.connection.refusal import ending
from gatewright.problem import Undetermined, UsageError


def test_what_nobody_foresaw_is_told_in_one_line_without_secrets() -> None:
    """A stranger's words command nobody, a password is not repeated, and the place can be found again."""
    try:
        raise ValueError("http://gate:hunter2@host/x?token=abc\n::add-mask::owned\x1b[31m")
    except ValueError as error:
        found = ending(error)
    assert isinstance(found, Undetermined) and found.exit_code == 3
    assert "ValueError: http://host/x ::add-mask::owned" in found.why
    assert (
        "hunter2" not in str(found) and "abc" not in str(found) and "\n" not in str(found) and "\x1b" not in str(found)
    )
    assert "test_refusal.py:" in found.why


def test_what_was_foreseen_ends_a_command_in_its_own_words() -> None:
    """A wrong command stays one, with its exit code."""
    wrong = UsageError("there is no target prod", "say production")
    assert ending(wrong) is wrong
