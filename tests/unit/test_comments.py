"""A comment in, a command, a hint or nothing out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from gatewright.comments import LONGEST_REASON, VERBS, Command, Unclear, parse, show


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("/gate approve", Command("approve")),
        ("\n\n \t\n  /gate approve  \r\n\r\nFine by me.", Command("approve", reason="Fine by me.")),
        ("/gate approve fraud/12", Command("approve", "fraud", 12)),
        ("/gate approve models:/fraud/12", Command("approve", "fraud", 12)),
        ("/gate approve to production", Command("approve", target="production")),
        ("/gate approve digest 3F9A1C2", Command("approve", digest="3f9a1c2")),
        ("/gate approve digest 3f9a1c2 to production", Command("approve", "", None, "production", "3f9a1c2")),
        (
            "/gate approve fraud/12 to production digest 3f9a1c2b because it is\nbetter",
            Command("approve", "fraud", 12, "production", "3f9a1c2b", "because it is\nbetter"),
        ),
        ("/gate approve looks good to me", Command("approve", reason="looks good to me")),
        ('/gate approve "fraud detector"/12 to prod', Command("approve", "fraud detector", 12, "prod")),
        ("/gate approve `fraud detector/12`", Command("approve", "fraud detector", 12)),
        ("/gate approve fraud detector/12 to prod", Command("approve", "fraud detector", 12, "prod")),
        ("/gate approve möd€l*_[x]<!--@team/3", Command("approve", "möd€l*_[x]<!--@team", 3)),
        ("/gate approve a@b/3", Command("approve", "a@b", 3)),
        ("/gate\tapprove\tfraud/12", Command("approve", "fraud", 12)),
        ("/gate hold\n\n- one\n- two", Command("hold", reason="- one\n- two")),
    ],
)
def test_a_command_names_what_it_is_about_and_the_rest_is_its_reason(body: str, command: Command) -> None:
    """Subject, target and digest are optional; model names are anything that MLflow takes."""
    assert parse(body) == command


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("/gate live", Command("live")),
        ("/gate live status", Command("live", step="status")),
        (
            "/gate live start fraud/13 to production try it",
            Command("live", "fraud", 13, "production", "", "try it", "start"),
        ),
        ("/gate live Stop Keep the fair is over", Command("live", reason="the fair is over", step="keep")),
        ("/gate live stop --promote fraud/13", Command("live", "fraud", 13, step="promote")),
    ],
)
def test_a_live_split_has_steps_of_its_own(body: str, command: Command) -> None:
    """Behind the verb, in front of whatever a command may name; without one it is only to be shown."""
    assert parse(body) == command
    assert parse(show(command)) == replace(command, reason="")


@pytest.mark.parametrize("body", ["/gate live stop", "/gate live stop now", "/gate live stop fraud/13"])
def test_how_a_split_is_to_end_is_never_guessed(body: str) -> None:
    """Keeping and promoting are two things."""
    found = parse(body)
    assert isinstance(found, Unclear) and "stop keep" in found.hint


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("prefix", ["/gate", "/Gate", "/GATE"])
def test_letter_case_is_a_telephones_business(verb: str, prefix: str) -> None:
    """Prefix and verb may have capitals, and mean the same."""
    assert parse(f"{prefix} {verb.title()}") == Command(verb)  # type: ignore[arg-type]


def test_model_names_keep_their_letter_case() -> None:
    """Fraud and fraud are two models."""
    assert parse("/gate approve Fraud/12 TO Production DIGEST ABCDEF0") == Command(
        "approve", "Fraud", 12, "Production", "abcdef0"
    )


@pytest.mark.parametrize(
    "body",
    [
        *("", " \n\t\n", "LGTM", "I do not /gate approve this", "the gate is open", "/approve", "see /gate"),
        *("> /gate approve", "> > /gate approve", "- /gate approve", "1. /gate approve", "* x\n\n  /gate approve"),
        *("    /gate approve", "\t/gate approve", "```\n/gate approve\n```", "~~~~\n/gate approve\n~~~~"),
        *("`/gate approve`", "# /gate approve", "### /gate approve ###", "**/gate approve**"),
        *("<!-- /gate approve -->", "<!--\n/gate approve\n-->", "<pre>\n/gate approve\n</pre>"),
        *("<details>\n/gate approve\n</details>", "<details>\n\n/gate approve\n\n</details>", "<b>/gate approve</b>"),
        *("[/gate approve](https://example.org)", "![](/gate approve)", "[x]: /gate\n", "/gateway timeout"),
        *("/gate approve | x\n--- | ---\n1 | 2", "gate status looks fine today", "gates approve"),
        *("```\n\n/gate approve", "/gatekeeper approve", "> quoted\n/gate approve"),
    ],
)
def test_what_is_only_talked_about_is_no_command(body: str) -> None:
    """Code, quotations, lists, headings, HTML, links, tables and prose say nothing to the gate."""
    assert parse(body) is None


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("/gate aprove", "did you mean /gate approve?"),
        ("/gate aproove fraud/12", "did you mean /gate approve?"),
        ("/gate approved", "did you mean /gate approve?"),
        ("/gate approve,", "did you mean /gate approve?"),
        ("/gate approve-all", "did you mean /gate approve?"),
        ("/gate reject.", "did you mean /gate reject?"),
        ("gate approve", "did you mean /gate approve?"),
        ("gate approve fraud/12", "did you mean /gate approve?"),
        ("/gate: approve", "did you mean /gate approve?"),
        ("/gate-approve", "did you mean /gate approve?"),
        ("/gateapprove", "did you mean /gate approve?"),
        ("/ gate approve", "did you mean /gate approve?"),
        ("\\/gate approve", "did you mean /gate approve?"),
        ("&#47;gate approve", "did you mean /gate approve?"),
        ("//gate approve", "did you mean /gate approve?"),
        ("／gate approve", "another alphabet; did you mean /gate approve?"),
        ("/gａte approve", "another alphabet; did you mean /gate approve?"),
        ("/gаte approve", "another alphabet; did you mean /gate approve?"),
        ("/gate аpprove", "another alphabet; did you mean /gate approve?"),
        ("/gate rеject", "another alphabet; did you mean /gate reject?"),
        ("/gate\u00a0approve", "another alphabet; did you mean /gate approve?"),
        ("/gate ap\u200bprove", "invisible characters; did you mean /gate approve?"),
        ("/ga\u200bte approve", "invisible characters; did you mean /gate approve?"),
        ("\ufeff/gate approve", "invisible characters; did you mean /gate approve?"),
        ("/gate \u202eapprove", "invisible characters; did you mean /gate approve?"),
        ("/gate frobnicate", "it knows approve, unapprove"),
        ("/gate", "write /gate VERB"),
        ("/gate approve\n---", "leave a blank line behind the command"),
        ("LGTM!\n\n/gate approve", "begin a new comment with it"),
        ("LGTM!\n/gate approve", "begin a new comment with it"),
        ("> quoted\n\n/gate approve", "begin a new comment with it"),
        ("/gate approve digest 12ab", "copy at least 7"),
        ("/gate approve digest 3f9a1c2z", "copy at least 7"),
        (f"/gate approve digest {'a' * 65}", "copy at least 7"),
    ],
)
def test_what_only_looks_like_a_command_is_refused_with_a_hint(body: str, hint: str) -> None:
    """Nothing is folded into what it resembles: the writer is told instead."""
    found = parse(body)
    assert isinstance(found, Unclear)
    assert hint in found.hint
    assert found.code == "no_command"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("/gate approve\n/gate reject", "ambiguous_command"),
        ("/gate hold\n\n/gate unhold", "ambiguous_command"),
        ("/gate approve\n\n/gate approve", "ambiguous_command"),
        ("/gate approve\n\nand then\n/Gate nonsense", "ambiguous_command"),
        ("/gate approve to a to b", "ambiguous_command"),
        ("/gate approve digest 3f9a1c2 digest 4f9a1c2", "ambiguous_command"),
        ("/gate approve fraud@champion", "ambiguous_subject"),
        ("/gate approve fraud/latest", "ambiguous_subject"),
        ("/gate approve fraud/v12", "ambiguous_subject"),
        ("/gate approve fraud/012", "ambiguous_subject"),
        ("/gate approve fraud/0", "ambiguous_subject"),
        ("/gate approve 12", "ambiguous_subject"),
        ("/gate approve v12 now", "ambiguous_subject"),
    ],
)
def test_what_can_mean_two_things_means_nothing(body: str, code: str) -> None:
    """Neither of two commands is taken, and no version is guessed."""
    found = parse(body)
    assert isinstance(found, Unclear)
    assert found.code == code


@pytest.mark.parametrize(
    "body",
    [
        "```\n/gate reject\n```",
        "> /gate reject",
        "- /gate reject",
        "<details>\n\n/gate reject\n\n</details>",
        "/gateway",
    ],
)
def test_a_second_command_that_is_quoted_is_a_part_of_the_reason(body: str) -> None:
    """Only a line that would be taken by itself makes a comment ambiguous."""
    assert parse(f"/gate approve\n\n{body}") == Command("approve", reason=body)


@pytest.mark.parametrize("words", ["digest is wrong", "12 is no good", "fraud@champion is better", "to a to b"])
@pytest.mark.parametrize("verb", ["reject", "hold", "unapprove"])
def test_an_objection_is_never_lost_on_its_wording(verb: str, words: str) -> None:
    """What would be a fault in an approval is a reason here."""
    found = parse(f"/gate {verb} {words}")
    assert isinstance(found, Command)
    assert found.verb == verb


def test_a_reason_is_kept_as_written_and_not_without_end() -> None:
    """Two thousand characters, no word of it interpreted."""
    nasty = "because `$(curl evil)` ${{ secrets.X }} @org/team <!-- --> ::set-output"
    assert parse(f"/gate approve {nasty}") == Command("approve", reason=nasty)
    long = parse(f"/gate approve\n{'x' * 10_000}")
    assert isinstance(long, Command)
    assert len(long.reason) == LONGEST_REASON


def test_the_place_of_a_fault_is_the_line_of_the_comment() -> None:
    """Lines count from 1, and the hint stands in brackets, as in every other problem."""
    found = parse("\n\n/gate approve\n\n/gate hold")
    assert (
        str(found)
        == "comment:5:1: this is the comment's second command (one command a comment; none of these was taken)"
    )


@pytest.mark.parametrize(
    "command",
    [
        Command("approve", "fraud", 12, "production", "3f9a1c2b4d5e"),
        Command("approve", "fraud detector", 12, "production"),
        Command("help"),
        Command("hold", target="staging"),
    ],
)
def test_what_is_shown_for_copying_means_what_it_says(command: Command) -> None:
    """The line that people are told to paste is read as the command that it stands for."""
    assert parse(show(command)) == command


def test_a_command_behind_a_fence_that_was_closed_gets_its_hint() -> None:
    """Only what stands in code is passed over."""
    found = parse("It says:\n\n```\nno\n```\n\n/gate approve")
    assert isinstance(found, Unclear) and "further down" in found.text


def test_a_comment_without_a_command_costs_no_markdown() -> None:
    """The parser of Markdown is not even imported."""
    code = (
        "import sys; from gatewright.comments import parse; "
        "assert parse('Nice work!\\n\\n> all gates are open\\n') is None; "
        "assert 'markdown_it' not in sys.modules; "
        "assert parse('Say `/gate approve`\\n> /gate approve') is None; "
        "assert 'markdown_it' not in sys.modules; "
        "assert parse('Write this:\\n\\n```sh\\n/gate approve\\n`````\\n~~~\\n```\\n/gate approve') is None; "
        "assert 'markdown_it' not in sys.modules; "
        "assert parse('<div>\\n/gate approve') is None; "
        "assert 'markdown_it' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
