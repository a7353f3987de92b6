"""Whether a regular expression can be held up for ever by a text that a stranger chose.

Python's matcher goes back over every way to take a text apart. Where a repetition stands in a repetition and both can
take the same characters, as in `([a-z0-9]+-?)+`, thirty letters have a thousand million ways, and nothing stops it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

try:
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as _parser

#: what is compared of two sets of characters: all of ASCII, and a letter and a sign that stand for all beyond it
_ALPHABET = frozenset(map(chr, range(128))) | {"é", "—"}
#: as many repetitions are as good as endless
_MANY = 10

_CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda c: c.isalnum() or c == "_",
}

#: what a parsed expression is a sequence of: (operator, argument)
_Node = tuple[Any, Any]
_Letters = frozenset[str]


def runs_away(pattern: str) -> bool:
    """Whether a repetition can end and begin anew in the middle of a text that it could also take in one.

    pattern: one that compiles. Ways that only grow with a power of the length are let by, and so are rarer shapes.
    """
    tree = _parser.parse(pattern)
    anycase = bool(tree.state.flags & re.IGNORECASE)
    return any(_loose(body, anycase) & _first(body, anycase) for body in _loops(tree))


def _loops(nodes: Sequence[_Node]) -> Iterator[Sequence[_Node]]:
    """The bodies of all repetitions that may go on and can be gone back into."""
    for node in nodes:
        name, argument = str(node[0]), node[1]
        if name in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] >= _MANY:
            yield argument[2]
        for part in _parts(name, argument):
            yield from _loops(part)


def _parts(name: str, argument: Any) -> Sequence[Sequence[_Node]]:
    """The sequences within a node, each of which may be the one that is taken."""
    if name.endswith("_REPEAT"):
        return [argument[2]]
    if name == "BRANCH":
        return list(argument[1])
    if name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return [argument[-1]]
    return [argument] if name == "ATOMIC_GROUP" else []


def _loose(nodes: Sequence[_Node], anycase: bool) -> _Letters:
    """What a sequence can still take at its end, or leave to whatever comes next."""
    found: _Letters = frozenset()
    for node in reversed(nodes):
        name, argument = str(node[0]), node[1]
        parts = _parts(name, argument)
        optional = name == "BRANCH" and any(_may_be_empty(part) for part in parts)
        if optional or (name in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] != argument[1]):
            found |= _letters([node], anycase)
        elif not name.startswith(("ASSERT", "ATOMIC", "POSSESSIVE")):
            found = found.union(*(_loose(part, anycase) for part in parts))
        if not _may_be_empty([node]):
            break
    return found


def _first(nodes: Sequence[_Node], anycase: bool) -> _Letters:
    """What a sequence can begin with."""
    found: _Letters = frozenset()
    for node in nodes:
        parts = _parts(str(node[0]), node[1])
        found = found.union(*(_first(part, anycase) for part in parts)) if parts else found | _letters([node], anycase)
        if not _may_be_empty([node]):
            break
    return found


def _letters(nodes: Sequence[_Node], anycase: bool) -> _Letters:
    """Every character that a sequence can take."""
    found: _Letters = frozenset()
    for node in nodes:
        name, argument = str(node[0]), node[1]
        parts = _parts(name, argument)
        own = frozenset(c for c in _ALPHABET if not parts and _takes(name, argument, c))
        own = own | {c.swapcase() for c in own} if anycase else own
        found = own.union(found, *(_letters(part, anycase) for part in parts))
    return found


def _takes(name: str, argument: Any, c: str) -> bool:
    """Whether a node without parts takes a character."""
    if name == "LITERAL":
        return c == chr(argument) if argument < 128 else c == ("é" if chr(argument).isalnum() else "—")
    if name == "NOT_LITERAL":
        return bool(ord(c) != argument)
    if name == "RANGE":
        return bool(argument[0] <= ord(c) <= argument[1]) if c.isascii() else bool(argument[1] >= 128)
    if name == "CATEGORY":
        kind = str(argument).removeprefix("CATEGORY_")
        return _CATEGORIES[kind.removeprefix("NOT_")](c) is not kind.startswith("NOT_")
    if name == "IN":
        found = any(_takes(str(op), told, c) for op, told in argument if str(op) != "NEGATE")
        return found is not any(str(op) == "NEGATE" for op, _ in argument)
    # A dot, and what only a match can tell: a reference to a group.
    return name in ("ANY", "ANY_ALL", "GROUPREF")


def _may_be_empty(nodes: Sequence[_Node]) -> bool:
    """Whether a sequence can take nothing."""
    return all(_is_empty(str(name), argument) for name, argument in nodes)


def _is_empty(name: str, argument: Any) -> bool:
    if name.endswith("_REPEAT") and argument[0] == 0:
        return True
    parts = _parts(name, argument)
    if name.startswith("ASSERT") or name in ("AT", "GROUPREF", "GROUPREF_EXISTS"):
        return True
    return any(map(_may_be_empty, parts)) if parts else False
