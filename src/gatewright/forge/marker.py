"""The hidden first line by which our own comments and issues are found again."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

#: the most characters that GitHub takes in a comment or an issue
LONGEST = 65_536

_MARKER = re.compile(r"<!-- gatewright (?P<key>.+) -->")


def marker(key: str) -> str:
    """An HTML comment that names a key. Different keys have different markers, and none can end it early."""
    return f"<!-- gatewright {quote(key, safe='/ ').replace('-', '%2D')} -->"


def marked(key: str, body: str) -> str:
    """A body that starts with its marker."""
    return f"{marker(key)}\n{body}"


def room(key: str) -> int:
    """Characters that GitHub leaves for a body below its marker."""
    return LONGEST - len(marked(key, ""))


def bears(key: str, body: str | None) -> bool:
    """Whether a body starts with the marker; one that is quoted further down does not count."""
    return (body or "").replace("\r\n", "\n").split("\n", 1)[0].strip() == marker(key)


def key_of(body: str | None) -> str:
    """The key whose marker a body starts with; "" if it starts with none."""
    found = _MARKER.match(body or "")
    key = unquote(found["key"]) if found else ""
    return key if bears(key, body) else ""


def same(one: str | None, other: str) -> bool:
    """Whether two bodies are the same but for line ends."""
    return (one or "").replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()
