"""What a runner reads from a step: nothing in it ends early, and nothing that people wrote commands anybody."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.action.runner import Mark, Runner, command, fitted, heredoc


def runner(tmp_path: Path, word: str = "w0rd") -> tuple[Runner, io.StringIO]:
    """A runner whose files are in a folder and whose random word is known."""
    log = io.StringIO()
    files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    return Runner(files, log, lambda: word), log


def obeyed(text: str) -> list[str]:
    """The lines in which a runner would look for a command."""
    return [line for line in text.split("\n") if line.lstrip().startswith(("::", "##["))]


@given(st.text(), st.text(), st.text())
def test_a_remark_is_one_command_whatever_its_texts_hold(message: str, title: str, file: str) -> None:
    """No line break, colon or comma in it is the runner's."""
    line = command(Mark("error", message, title, file, 3))
    assert "\n" not in line and "\r" not in line
    head, _, rest = line.removeprefix("::error").partition("::")
    assert head.count(",") == sum(map(bool, (title, file)))
    assert rest == message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def test_what_people_wrote_is_printed_where_no_command_is_looked_for(tmp_path: Path) -> None:
    """Between stop-commands and a word that nobody can have written into it."""
    ours, log = runner(tmp_path)
    ours.print("::error::owned\n::w0rd")
    assert log.getvalue() == "::stop-commands::w0rd\n: :error::owned\n::w0rd\n::w0rd::\n"


def test_control_characters_never_reach_the_log(tmp_path: Path) -> None:
    """A carriage return would begin a line of its own."""
    ours, log = runner(tmp_path)
    ours.print("a\r::error::b\x1b[31m")
    assert obeyed(log.getvalue()) == ["::stop-commands::w0rd", "::w0rd::"]
    assert "\x1b" not in log.getvalue()


def test_a_secret_of_several_lines_is_masked_line_by_line(tmp_path: Path) -> None:
    """The runner hides lines; and nothing is said of a secret that is empty."""
    ours, log = runner(tmp_path)
    ours.mask(["one\ntwo", "", "one", "  "])
    assert log.getvalue() == "::add-mask::one\n::add-mask::two\n"


def test_outputs_of_many_lines_are_read_back_whole(tmp_path: Path) -> None:
    """With whatever looks like the end of one in the middle of it."""
    ours, _ = runner(tmp_path)
    ours.output({"result": "a\nEOF\nreason=x", "decision": ""})
    assert (tmp_path / "output").read_text() == (
        "result<<gatewright_w0rd\na\nEOF\nreason=x\ngatewright_w0rd\ndecision<<gatewright_w0rd\n\ngatewright_w0rd\n"
    )


def test_a_delimiter_that_is_in_the_value_is_refused() -> None:
    """It cannot happen with a random one, and must not with another."""
    with pytest.raises(ValueError, match="delimiter"):
        heredoc("result", "gatewright_w0rd", "w0rd")


def test_outside_of_a_workflow_there_is_nowhere_to_write(tmp_path: Path) -> None:
    """The command still ends well."""
    Runner({}, io.StringIO()).summary("text")
    assert list(tmp_path.iterdir()) == []


@given(st.text(alphabet="aé\n", max_size=200), st.integers(60, 120))
def test_what_is_too_long_is_cut_at_a_line_and_says_so(text: str, limit: int) -> None:
    """In bytes, as GitHub counts, and never in the middle of a letter."""
    cut = fitted(text, limit)
    assert len(cut.encode()) <= max(limit, len(text.encode()) if cut == text else 0)
    assert cut == text or cut.rstrip().endswith("_The rest does not fit into a job summary._")
