"""Nothing that a stranger wrote becomes markup, a link, a mention, a command or a cursor movement."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gatewright.report import escape, html, markdown
from unit.report.examples import HOSTILE, NOW, hostile

MARKDOWN = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])
OUTER = ("list_item", "bullet_list")
TEXT = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("@#|`*_[]()<>!\\~$&:/.-\n w", max_size=40)


def inline(source: str) -> list[Token]:
    """The tokens within a paragraph."""
    return [child for token in MARKDOWN.parse(source) for child in token.children or []]


@given(TEXT)
@example(HOSTILE)
def test_text_stays_text_in_markdown(text: str) -> None:
    """It reads as it was written and is nothing but text; only a space of no width may have come in."""
    tokens = inline(f"x {escape.markdown(text)} y")
    assert {t.type for t in tokens} <= {"text", "text_special"}
    read = "".join(t.content for t in tokens).replace("\u200b", "")
    assert read.split() == f"x {escape.visible(text)} y".replace("\u200b", "").split()


@given(TEXT | st.text("-+=.)0123456789 \t>#", max_size=12))
@example("- x")
@example("1. x")
@example("---")
@example("===")
@example("    x")
def test_text_begins_no_block(text: str) -> None:
    """No list, rule, heading or code where a line begins with it, after a paragraph or in a list."""
    for source in (escape.markdown(text), f"- {escape.markdown(text)}", f"a\n{escape.markdown(text)}"):
        found = {t.type for t in MARKDOWN.parse(source)}
        assert found <= {"inline", *(f"{kind}_{end}" for kind in ("paragraph", *OUTER) for end in ("open", "close"))}
        assert sum(t.type == "list_item_open" for t in MARKDOWN.parse(source)) <= source.startswith("- ")


@given(TEXT)
@example("roc_auc by @octo <b> #12 & https://e.vil")
def test_a_summary_holds_text_as_it_is(text: str) -> None:
    """Within HTML a backslash would be seen, and a mention would still be one."""
    said = f"<summary>{escape.element(text)}</summary>"
    assert re.findall(r"<[^>]*>", said) == ["<summary>", "</summary>"]
    read = unescape(escape.element(text)).replace("\u200b", "")
    assert read == escape.visible(text)
    assert not re.search(r"@\w|#\w|(?i:https?:)", unescape(escape.element(text)))


@given(TEXT)
@example("https://e.vil/a b) ![x](y) | <b> [z]")
def test_an_address_stays_one_address(text: str) -> None:
    """Whatever it holds, it ends where the link does; what is no address of the web is no link."""
    tokens = inline(escape.link("x", f"https://h/{text}"))
    assert [t.type for t in tokens] == ["link_open", "text", "link_close"]
    assert "|" not in escape.link("x", f"https://h/{text}")
    assert escape.link("x", f"javascript:{text}") == escape.link("x", "") == "x"


@given(
    st.text("ab :#[]-\n", max_size=12),
    st.sampled_from(["::error::x", "::Add-Mask::x", "##[group]x", "::stop-commands::x"]),
)
@example("a" * 40, "::set-output name=verdict::pass")
def test_a_log_of_a_workflow_commands_nobody(before: str, command: str) -> None:
    """The command line runs in workflows too, and its lines may break wherever a command would begin."""
    shown = escape.terminal(before + command)
    for start in range(len(shown)):
        assert not re.match(r"::(error|add-mask|stop-commands|set-output)\b", shown[start:], re.IGNORECASE)
        assert not shown.startswith("##[", start)


def test_two_colons_in_a_name_stay_as_they_are() -> None:
    """No more is taken apart than a runner would obey."""
    assert escape.terminal("val::auc ns::errors_rate ## [x]") == "val::auc ns::errors_rate ## [x]"


def test_names_of_pictures_stay_words() -> None:
    """GitHub draws `:tada:`; a place in a file has colons too, and stays as it can be copied."""
    assert escape.markdown("a :tada: b :+1:") == "a :&#8203;tada: b :&#8203;+1:"
    assert escape.markdown("policies/fraud.yaml:14:7: x") == "policies/fraud.yaml:14:7: x"


@pytest.mark.parametrize("hidden", "\u034f\u115f\u2800\u3164\uffa0\u200b\u2060\ufeff\u00ad\U000e0041")
def test_a_letter_without_a_shape_is_shown(hidden: str) -> None:
    """Two names that look alike are told apart."""
    assert escape.visible(f"a{hidden}b").isascii()


@given(TEXT)
@example("@acme/ml-leads")
@example("see GH-12, #12, https://e.vil, www.e.vil, mailto:a@b.c")
def test_nothing_is_mentioned_or_linked(text: str) -> None:
    """GitHub looks for these in the text that Markdown leaves."""
    read = "".join(t.content for t in inline(f"x {escape.markdown(text)}"))
    assert not re.search(r"@[A-Za-z0-9]|#\d|(?i:GH-\d)|(?i:https?:)|(?i:\bwww\.)", read)


@given(TEXT)
@example(HOSTILE)
def test_a_cell_stays_one_cell(text: str) -> None:
    """Plain or as code."""
    source = f"| a | b |\n|---|---|\n| {escape.markdown(text)} | {escape.code(text)} |\n"
    tokens = MARKDOWN.parse(source)
    assert [t.type for t in tokens].count("td_open") == 2
    assert [t.type for t in tokens].count("tr_open") == 2


@given(TEXT)
@example("``` a `b` ``")
def test_code_reads_as_it_was_written(text: str) -> None:
    """One span, with everything in it."""
    (only,) = inline(escape.code(text))
    assert only.type == "code_inline"
    assert only.content.replace("\\|", "|") == (escape.visible(text) or " ")


@given(TEXT)
@example("--> <b>")
def test_a_marker_stays_a_marker(text: str) -> None:
    """A model's name cannot end the comment that hides it, and two names never share a marker."""
    hidden = escape.marker(text)
    assert "--" not in hidden
    assert not set("<>\n") & set(hidden)
    assert not hidden.endswith("-")


@given(TEXT)
def test_html_has_no_element_of_its_own(text: str) -> None:
    """Neither as content nor as an attribute."""
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)
            assert [name for name, _ in attrs] == ["title"]

    Reader().feed(f'<p title="{escape.html_text(text)}">{escape.html_text(text)}</p>')
    assert seen == ["p"]


@given(TEXT)
@example("\x1b]0;title\x07 \u202e")
def test_a_terminal_obeys_nothing_in_it(text: str) -> None:
    """Line breaks are the only control that is left."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", escape.terminal(text))


@given(TEXT)
@example("a\n::error::b%0A")
def test_a_workflow_command_stays_one(text: str) -> None:
    """A message has no line break, a property no separator either."""
    assert not set("\r\n") & set(escape.command_data(text))
    assert not set("\r\n:,") & set(escape.command_property(text))


def test_a_hostile_registry_changes_no_surface() -> None:
    """The whole comment and the whole page, with an attack in every text."""
    said = markdown.comment(hostile(), NOW)
    assert {t.type for t in inline(said)} & {"link_open", "image"} == set()
    html_inline = [t.content for t in inline(said) if t.type == "html_inline"]
    assert all(re.fullmatch(r"</?(sub|code)>", tag) for tag in html_inline)
    assert "<img" not in html.page(hostile())
    assert "\n/gate" not in said
