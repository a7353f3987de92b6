"""A worker's last words, fit to stand in a sentence: the model wrote them, and may have meant to deceive."""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", re.DOTALL)

#: what a runner takes for a command to itself: `::error::` at a line's start, `##[…]` anywhere
_RUNNER_COMMAND = re.compile(r"#(?=#\[)|:(?=:)")

MAX_WORDS = 600

#: what the interpreter adds below a crash's traceback: a list of a hundred libraries
_NOT_SAID = "Extension modules: "


def last_words(raw: bytes, limit: int = MAX_WORDS) -> str:
    """The end of an output as one line of at most `limit` characters; "" if nothing was said."""
    lines = _ESCAPE.sub("", raw.decode("utf-8", "replace")).splitlines()
    said = [s for s in (" ".join(_visible(line).split()) for line in lines) if s and not s.startswith(_NOT_SAID)]
    crash = max((i for i, s in enumerate(said) if s.startswith("Fatal Python error: ")), default=None)
    if crash is not None:
        # Its traceback begins where it happened, and is longer than anybody reads.
        said = said[crash : crash + 5]
    text = _RUNNER_COMMAND.sub(lambda m: f"{m.group()} ", " / ".join(said))
    return text if len(text) <= limit else "…" + text[1 - limit :]


def first_words(text: str, limit: int = MAX_WORDS) -> str:
    """The beginning of a message, cleaned in the same way: an exception says first what matters."""
    clean = last_words(text.encode("utf-8", "replace"), limit=max(limit, len(text) * 4 + 16))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _visible(line: str) -> str:
    """Controls, direction marks, surrogates and unassigned characters as spaces."""
    return "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in line)
