"""Text from a registry, a comment or a branch, made harmless for whatever will read it."""

from __future__ import annotations

import html
import re
import unicodedata

_PUNCTUATION = re.compile(r"[\\`*_\[\]#|~$]")
#: what GitHub turns into a link or a notification wherever it stands in plain text
_REFERENCE = re.compile(r"(@|#|GH-(?=\d)|gh-(?=\d))(?=[\w-])")
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)")
#: a space of no width: it breaks a reference and is not seen
_BREAK = "&#8203;"


def visible(text: str) -> str:
    """One line in which nothing hides: controls and characters that reorder are shown by their escapes."""
    return "".join(_shown(c) for c in text)


def terminal(text: str) -> str:
    """Nothing in it moves the cursor, changes colours or hides; line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))


def html_text(text: str) -> str:
    """For an element's content or a quoted attribute."""
    return html.escape(visible(text), quote=True)


def markdown(text: str) -> str:
    """Plain text within a paragraph or a table's cell: no markup, link, mention or reference comes out of it."""
    broken = _ADDRESS.sub("\\g<0>\0", _REFERENCE.sub("\\1\0", visible(text)))
    escaped = _PUNCTUATION.sub(r"\\\g<0>", html.escape(broken, quote=False))
    return escaped.replace("\0", _BREAK)


def code(text: str) -> str:
    """A code span that the text cannot leave, within a table too."""
    shown = visible(text) or " "
    runs = [len(run) for run in re.findall(r"`+", shown)]
    fence = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    pad = " " if shown.strip() and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def marker(text: str) -> str:
    """Within an HTML comment: it cannot end it."""
    return re.sub(r"[^\w/.@ -]|-(?=-|$)", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), visible(text))


def command_data(text: str) -> str:
    """The message of a workflow command: it stays one command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a workflow command (`file`, `title`)."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def _shown(character: str) -> str:
    """Controls, and the invisible characters that reorder or hide what stands around them, by their escapes."""
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode()
    return character
