"""Laws of reading comments: what is read is what was written, and nothing breaks the reader."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.comments import VERBS, Command, Unclear, parse, show

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
names = st.text(
    st.characters(exclude_characters='/:"`', exclude_categories=["Cs", "Cc", "Cf", "Z"]), min_size=1, max_size=12
)
spaced = st.lists(names, min_size=1, max_size=3).map(" ".join)
targets = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
digests = st.text("0123456789abcdef", min_size=7, max_size=64)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Any command without a reason."""
    named = draw(st.booleans())
    return Command(
        draw(st.sampled_from(VERBS)),
        draw(spaced) if named else "",
        draw(st.integers(1, 10**18 - 1)) if named else None,
        draw(st.just("") | targets),
        draw(st.just("") | digests),
    )


def written(command: Command) -> str:
    """A command as somebody may type it: with its whole digest."""
    return show(command).replace(f"digest {command.digest[:12]}", f"digest {command.digest}")


@given(commands())
@example(Command("approve", "to a", 1, "to", "digest"[:0]))
@example(Command("approve", "digest 3f9a1c2 x", 1))
def test_every_command_comes_back(command: Command) -> None:
    """Whatever a model is called."""
    assert parse(written(command)) == command


@given(commands(), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(0, 3), st.integers(0, 3), anything)
def test_blank_lines_line_ends_and_what_follows_in_code_change_nothing(
    command: Command, end: str, above: int, indent: int, reason: str
) -> None:
    """Nothing that stands in a block of code below has a say."""
    fence = "~" * (3 + reason.count("~"))
    body = end * above + " " * indent + written(command) + end * 2 + fence + end + reason + end + fence
    found = parse(body)
    assert isinstance(found, Command)
    assert (found.verb, found.model, found.version, found.target, found.digest) == (
        *(command.verb, command.model, command.version, command.target, command.digest),
    )


@given(commands(), commands())
def test_two_commands_are_none(one: Command, other: Command) -> None:
    """Whatever they are, in whatever order, alike or not."""
    found = parse(f"{written(one)}\n\n{written(other)}")
    assert isinstance(found, Unclear)
    assert found.code == "ambiguous_command"


@given(commands(), st.sampled_from(["> ", "- ", "1. ", "    ", "# ", "`", "**", "<b>", "| ", "~~", "I say "]))
def test_no_command_stands_behind_anything(command: Command, before: str) -> None:
    """Quotations, lists, code, headings and prose only talk about commands."""
    assert not isinstance(parse(before + written(command)), Command)


@given(commands(), st.data())
def test_a_letter_of_another_alphabet_is_never_taken_for_its_twin(command: Command, data: st.DataObject) -> None:
    """One foreign or invisible character anywhere in prefix or verb, and it is no command."""
    twins = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "/": "／", "t": "т", "l": "ⅼ", "j": "ј", "d": "ԁ"}
    head = f"/gate {command.verb}"
    at = data.draw(st.integers(0, len(head) - 1))
    instead = twins.get(head[at]) or head[at] + data.draw(st.sampled_from("\u200b\u200d\u2060\u00ad\ufeff"))
    assert not isinstance(parse(head[:at] + instead + head[at + 1 :]), Command)


@given(anything | anything.map("/gate ".__add__) | anything.map("x\n\n/gate approve ".__add__))
@example("/gate \x00approve")
@example("/gate approve\x0b/gate hold")
@example("/gate approve\u2028/gate hold")
@example("\x85/gate approve")
def test_nothing_breaks_the_reader(body: str) -> None:
    """Any text is a command, a hint or nothing; a command's words are in the text."""
    found = parse(body)
    if isinstance(found, Command):
        assert body.lstrip()[:5].lower() == "/gate"
        assert found.target in body
        assert found.model in body
    elif found is not None:
        assert found.hint
        assert found.line >= 1
