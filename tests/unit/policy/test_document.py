"""YAML as it is read here: places, YAML 1.2's meaning, and what is refused."""

from __future__ import annotations

import pytest

from gatewright.policy.document import (
    MAX_CHARACTERS,
    Entries,
    Items,
    Scalar,
    decode,
    meaning,
    read_document,
    two_spellings,
)
from gatewright.problem import Problem


def problems(text: str) -> list[str]:
    """What is wrong with a text as YAML."""
    return [str(p) for p in read_document("f.yaml", text)[1]]


def scalar(text: str, key: str = "a") -> Scalar:
    """The value of a key."""
    root, faults = read_document("f.yaml", text)
    assert isinstance(root, Entries) and not faults, faults
    node = root.get(key)
    assert isinstance(node, Scalar)
    return node


def test_every_node_knows_its_line_and_column() -> None:
    """Keys, values, lists and mappings alike."""
    root, _ = read_document("f.yaml", "a: 1\nb:\n  - x\n  - {c: y}\n")
    assert isinstance(root, Entries)
    items = root.get("b")
    assert isinstance(items, Items)
    inner = items.nodes[1]
    assert isinstance(inner, Entries)
    places = [root.pairs[1][0].place, items.place, items.nodes[0].place, inner.place, inner.pairs[0][1].place]
    assert [(p.line, p.col) for p in places] == [(2, 1), (3, 3), (3, 5), (4, 5), (4, 9)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: run.x > ?", (1, 12)),
        ("a: 'run.x > ?'", (1, 13)),
        ('a: "run.x > ?"', (1, 13)),
        ('a: "r\\u0075n.\\x78 > ?"', (1, 21)),
        ("a: 'it''s x ?'", (1, 13)),
        ('a: "say \\"x\\" ?"', (1, 15)),
        ("a: run.x\n   >   ?", (2, 8)),
        ("a: >\n  run.x >\n  ?", (3, 3)),
        ("a: |\n  run.x > ?", (2, 11)),
        ("\ufeffa: run.x > ?", (1, 12)),
        ("# one\r\na: run.x > ?", (2, 12)),
    ],
)
def test_every_character_of_a_text_knows_its_column(text: str, place: tuple[int, int]) -> None:
    """Whatever quotes, escapes and folding stand before it."""
    node = scalar(text)
    found = node.at(node.text.index("?"))
    assert (found.line, found.col) == place


@pytest.mark.parametrize(
    ("word", "kind", "value"),
    [
        ("", "null", None), ("~", "null", None), ("null", "null", None),
        ("true", "flag", True), ("FALSE", "flag", False),
        ("12", "whole", 12), ("-7", "whole", -7), ("0x1F", "whole", 31), ("0", "whole", 0),
        ("1.5", "real", 1.5), (".5", "real", 0.5), ("1e3", "real", 1000.0), ("-.inf", "real", float("-inf")),
        ("y", "text", "y"), ("n", "text", "n"), ("7d", "text", "7d"), ("95%", "text", "95%"),
        ("a: b", "text", "a: b"), ("1.2.3", "text", "1.2.3"), ("yesterday", "text", "yesterday"),
    ],
)  # fmt: skip
def test_a_plain_word_means_what_yaml_1_2_says(word: str, kind: str, value: object) -> None:
    """The core schema."""
    assert meaning(word) == (kind, value)


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("yes", 'write true for the flag, or "yes" in quotes for the text'),
        ("OFF", 'write false for the flag, or "OFF" in quotes for the text'),
        ("010", 'write 10 or 8 for the number that you mean, or "010" in quotes for the text'),
        ("089", 'write 89 for the number that you mean, or "089" in quotes for the text'),
        ("0o17", 'write 15 for the number, or "0o17" in quotes for the text'),
        ("0b11", 'write 3 for the number, or "0b11" in quotes for the text'),
        ("1_000", 'write 1000 for the number, or "1_000" in quotes for the text'),
        ("1:30", 'write 90 for the number, or "1:30" in quotes for the text'),
        ("-1:30", 'write -90 for the number, or "-1:30" in quotes for the text'),
        ("2026-10-01", 'write "2026-10-01" in quotes for the text'),
        ("2026-10-01 12:00:00", 'write "2026-10-01 12:00:00" in quotes for the text'),
    ],
)
def test_a_word_that_yaml_1_1_reads_otherwise_is_unclear(word: str, remedy: str) -> None:
    """Both spellings that every reader agrees on are offered."""
    assert meaning(word)[0] == "unclear"
    assert two_spellings(word) == remedy


def test_quotes_make_a_text_of_anything() -> None:
    """Single or double."""
    assert scalar("a: 'yes'").kind == "text" and scalar('a: "010"').kind == "text"


BROKEN = {
    "a: 1\na: 2": 'f.yaml:2:1: duplicate key "a" (line 1 has it already)',
    "a: {b: 1, 'b': 2}": 'f.yaml:1:11: duplicate key "b" (line 1 has it already)',
    "a: *b": 'f.yaml:1:4: no anchor "&b" stands before this',
    "base: &base 1\na: *bas": 'f.yaml:2:4: no anchor "&bas" stands before this (did you mean "base"?)',
    "a: &a [*a]": 'f.yaml:1:8: "*a" stands inside the very value that it names',
    "a: 1\n---\nb: 2": ("f.yaml:2:1: a second document begins here (one file holds one policy; delete the ---)"),
    "<<: {a: 1}": 'f.yaml:1:1: the merge key "<<" is not read here (write the keys out, or alias the whole value)',
    "1: a": 'f.yaml:1:1: the key 1 is not a text to every reader of YAML (write "1")',
    "on: a": 'f.yaml:1:1: the key on is not a text to every reader of YAML (write "on")',
    "? [a]\n: b": ("f.yaml:1:3: a list or mapping stands where a key is meant (a key is one word or a quoted text)"),
    "{~: b}": 'f.yaml:1:2: a key is empty (write "key: value")',
    "a: !!str 1": (
        'f.yaml:1:4: the YAML tag "tag:yaml.org,2002:str" is not read here (delete the tag; quotes make a text)'
    ),
    "a:\n\t- b": "f.yaml:2:1: a tab indents this line (indent with spaces)",
    "a: @b": 'f.yaml:1:4: "@" cannot begin a value (quote the value)',
    "a: b: c": (
        'f.yaml:1:5: YAML reads this ":" as the end of a key '
        "(quote the whole value if the colon belongs to it, or mend the indentation)"
    ),
    "a: 1\nb\nc: 2": 'f.yaml:2:1: this key is not followed by ":" (write "key: value")',
    "a: 'b\nc: d": "f.yaml:1:4: this quote is never closed (close it)",
    "a: [b": 'f.yaml:1:6: a "," or "]" is missing here (quote values that hold brackets, quotes or commas)',
    'a: "b" c': (
        "f.yaml:1:8: this does not fit the block that it stands in (mend the indentation, or quote the whole value)"
    ),
    'a: "\\d"': 'f.yaml:1:6: YAML knows no escape "\\d" (write \\\\ for a backslash, or use single quotes)',
    "a: \x07": "f.yaml:1:4: unprintable character U+0007 (delete it)",
    "a: b\u2028c": "f.yaml:1:5: unprintable character U+2028 (delete it)",
    'a: "\\ud800"': "f.yaml:1:4: half a character: an escape between \\uD800 and \\uDFFF",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_yaml_is_answered_with_its_place_and_its_remedy(text: str) -> None:
    """The wording is what users meet: it is pinned."""
    assert problems(text) == [BROKEN[text]]


def test_an_escape_beyond_unicode_is_an_error_and_no_crash() -> None:
    """The parser itself fails on it."""
    assert len(problems('a: "\\UFFFFFFFF"')) == 1


def test_aliases_unfold_within_bounds() -> None:
    """One value named twice is fine."""
    root, faults = read_document("f.yaml", "a: &x [1, 2]\nb: *x")
    assert isinstance(root, Entries) and not faults
    assert root.get("a") is root.get("b")


def test_an_alias_bomb_is_a_clear_error_and_no_hang() -> None:
    """Nine lists of nine: a hundred million values if anybody unfolded them."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert problems(bomb)[0].endswith("aliases and all, this file holds more than 10,000 values")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_is_bounded(opening: str) -> None:
    """A thousand levels deep is a clear error and no crash."""
    assert "nested deeper than 30 levels" in problems(opening * 1000)[0]


def test_a_file_has_a_longest_length() -> None:
    """A policy is a page, not a data set."""
    assert problems("#" * (MAX_CHARACTERS + 1)) == ["f.yaml: this file is longer than 200,000 characters"]


def test_bytes_that_are_not_utf_8_are_named_with_their_place() -> None:
    """And a byte order mark of UTF-16 with its remedy."""
    assert decode("f.yaml", "grün".encode()) == "grün"
    wrong = decode("f.yaml", b"a: 1\nb: gr\xfcn")
    assert str(wrong) == "f.yaml:2:6: byte 0xfc is not UTF-8 text (save the file as UTF-8)"
    assert decode("f.yaml", "a".encode("utf-16")) == Problem("f.yaml", 1, 1, "this file is UTF-16", "save it as UTF-8")
