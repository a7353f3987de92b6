"""Text from a registry, a comment or a branch, made harmless for whatever will read it."""

from __future__ import annotations

import html
import re
import unicodedata

_PUNCTUATION = re.compile(r"[\\`*_\[\]#|~$]")
#: what GitHub turns into a link, a notification or a picture wherever it stands in plain text
_REFERENCE = re.compile(r"(?:[@#]|GH-(?=\d)|gh-(?=\d))(?=[\w-])|:(?=(?:[a-z][\w+-]*|[+-]1):)")
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)")
#: what begins a list, a rule or a heading where it begins a line
_BLOCK = re.compile(r"\A(?:[-+](?=\s|\Z)|[-=](?=[-=\s]*\Z)|\d{1,9}(?=[.)](?:\s|\Z)))")
_UNSAFE_IN_ADDRESS = re.compile(r"[^\w/:.?=&%#~+,;@-]|[^\x00-\x7f]")
#: letters and marks that Unicode gives no shape of their own
_SHAPELESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
#: what begins a formula, in letters of full width too
_FORMULA = tuple("=+-@|%＝＋－＠")
#: what a workflow's runner obeys in a log: at the start of a line, and wrapping begins lines anywhere; `##[` anywhere
_RUNNER = re.compile(
    r"(?i):(?=:(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|notice|remove-matcher|save-state"
    r"|set-env|set-output|stop-commands|warning)\b)|#(?=#\[)"
)
#: a space of no width: it breaks a reference and is not seen
_BREAK = "&#8203;"


def visible(text: str) -> str:
    """One line in which nothing hides: controls and characters that reorder are shown by their escapes."""
    return "".join(_shown(c) for c in text)


def terminal(text: str) -> str:
    """Nothing in it moves the cursor, changes colours, hides, or commands a workflow's runner; line breaks stay."""
    return _RUNNER.sub(r"\g<0> ", "\n".join(map(visible, text.split("\n"))))


def sheet(text: str) -> str:
    """Within a cell of a csv file: no spreadsheet takes it for a formula."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip()[:1] in _FORMULA else shown


def html_text(text: str) -> str:
    """For an element's content or a quoted attribute."""
    return html.escape(visible(text), quote=True)


def markdown(text: str) -> str:
    """Plain text within a paragraph or a table's cell: no markup, link, mention or reference comes out of it."""
    shown = visible(text).lstrip()
    escaped = _PUNCTUATION.sub(r"\\\g<0>", html.escape(_broken(shown), quote=False))
    return _BLOCK.sub(_not_a_block, escaped).replace("\0", _BREAK)


def element(text: str) -> str:
    """Within HTML in Markdown (`<summary>`): a backslash escapes nothing there, but mentions are still looked for."""
    return html.escape(_broken(visible(text)), quote=True).replace("\0", _BREAK)


def link(label: str, address: str) -> str:
    """A link with a label that is Markdown already; the label alone where the address is not one of the web."""
    if not re.match(r"https?://\w", address):
        return label
    safe = _UNSAFE_IN_ADDRESS.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "replace")), address)
    return f"[{label}]({safe})"


def _broken(text: str) -> str:
    """NUL after whatever would become a link, a mention or a picture."""
    return _ADDRESS.sub("\\g<0>\0", _REFERENCE.sub("\\g<0>\0", text))


def _not_a_block(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


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
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _SHAPELESS:
        return character.encode("unicode_escape").decode()
    return character
