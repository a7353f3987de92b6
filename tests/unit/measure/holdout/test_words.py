"""A worker's last words: what a model wrote, made fit for a sentence."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.measure.holdout.words import first_words, last_words


@given(st.text(st.sampled_from(list(":#[]\x1b;m\n\r a\u202e\x00"))) | st.text())
@example(":::error::x")
@example("###[group]")
def test_nothing_of_it_can_be_a_command_or_hide(said: str) -> None:
    """A runner takes `::` and `##[` for commands; controls and direction marks would change what people see."""
    words = last_words(said.encode("utf-8", "surrogatepass"))
    assert "::" not in words and "##[" not in words
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in words)


@given(st.binary(max_size=4000), st.integers(10, 700))
def test_it_is_never_longer_than_its_sentence_allows(said: bytes, limit: int) -> None:
    """Whatever bytes come."""
    assert len(last_words(said, limit)) <= limit


def test_the_end_is_kept_of_an_output_and_the_beginning_of_a_message() -> None:
    """A log says last what happened; an exception says it first."""
    text = "first " + "x" * 900 + " last"
    assert last_words(text.encode()).endswith(" last") and last_words(text.encode()).startswith("…")
    assert first_words(text).startswith("first ") and first_words(text).endswith("…")


def test_lines_become_one_without_colours() -> None:
    """It has to fit into a cell of a table."""
    assert last_words(b"\x1b[31mred\x1b[0m\r\n\n  two\twords \n") == "red / two words"


def test_a_crash_is_told_from_its_first_line() -> None:
    """What the interpreter lists below, libraries by the hundred, says nothing."""
    said = b"noise\nFatal Python error: Segmentation fault\n\nThread 1:\n  File a\n  File b\nExtension modules: numpy\n"
    assert last_words(said) == "Fatal Python error: Segmentation fault / Thread 1: / File a / File b"


@pytest.mark.parametrize("nothing", [b"", b"\n \n", b"\x00\x1b[0m"])
def test_silence_has_no_words(nothing: bytes) -> None:
    """Callers leave the words out then."""
    assert last_words(nothing) == ""
