"""Names out of the registry, made fit to stand in a sentence: anybody may have written them."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Iterable

_ORDINARY = re.compile(r"[\w-]{1,64}", re.ASCII)

#: how many names a "did you mean" looks at, and how many it shows
_COMPARED = 2000
_SHOWN = 3


def quoted(text: str, limit: int = 60) -> str:
    """The text in quotation marks, cut to `limit` characters, with everything invisible spelled out."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"“{printable(cut)}”"


def printable(text: str) -> str:
    """The text with control, direction and other invisible characters written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def storable(text: str) -> str:
    """The text with what UTF-8 cannot spell (half of a surrogate pair) written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def ident(text: str) -> str:
    """An id as it is if it looks like one, else quoted."""
    return text if _ORDINARY.fullmatch(text) else quoted(text)


def several(items: Iterable[str], limit: int, joint: str = ", ") -> str:
    """The first `limit` items, and how many more there are."""
    everything = list(items)
    more = len(everything) - limit
    return joint.join(everything[:limit]) + (f" and {more} more" if more > 0 else "")


def nearest(name: str, names: Collection[str]) -> str:
    """What is there instead of `name`: the closest names, else the first few, else nothing."""
    if not names:
        return "it has none"
    compared = list(itertools.islice(sorted(names), _COMPARED))
    close = difflib.get_close_matches(name[:250], compared, n=_SHOWN, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(quoted, close))}?"
    return f"it has {several(map(quoted, sorted(names)), _SHOWN)}"
