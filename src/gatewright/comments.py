"""Comments that speak to the gate: one line, at the very beginning, in plain sight.

/gate VERB [MODEL/VERSION] [to TARGET] [digest HEX≥7] [reason]
/gate live [start | status | stop keep | stop promote] [MODEL/VERSION] [to TARGET] [reason]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from html import unescape
from typing import Literal, cast, get_args

from gatewright.problem import Problem

Verb = Literal[
    "approve",
    "unapprove",
    "reject",
    "unreject",
    "hold",
    "unhold",
    "promote",
    "rollback",
    "evaluate",
    "live",
    "status",
    "help",
]
#: what is to be done about a live split; "keep" and "promote" are written behind "stop"
Step = Literal["start", "status", "keep", "promote"]

VERBS: tuple[str, ...] = get_args(Verb)

#: words that only ever take weight away: what is not understood of such a line is its reason, not a fault in it
OBJECTING = frozenset({"unapprove", "reject", "hold"})

GRAMMAR = "/gate VERB [MODEL/VERSION] [to TARGET] [digest HEX]"
#: behind the verb `live`; without a word it shows how the split stands
LIVE = "/gate live [start | status | stop keep | stop promote]"

#: characters of a reason that are kept
LONGEST_REASON = 2_000
#: how much of a first line is searched for letters that only look like a command
_GLANCE = 160

_COMMAND = re.compile(r" {0,3}/gate(?![^ \t])[ \t]*(?P<rest>.*)", re.IGNORECASE | re.ASCII)
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_QUOTED = re.compile(r"""(?:models:/)?(?P<q>["`])(?P<model>[^/:"`]+)(?:/|(?P=q)/)(?P<version>[^\s"`]+)(?P=q)?(?!\S)""")
_SUBJECT = re.compile(r"(?:models:/)?(?P<model>[^/:\s]+)/(?P<version>[0-9]+)(?!\S)")
_SPACED = re.compile(r"(?:models:/)?(?P<model>[^/:]+)/(?P<version>[0-9]+)(?=[ \t]*$|[ \t]+(?:to|digest)[ \t])")
_UNNUMBERED = re.compile(r"(?:models:/)?(?:[^/:\s]+@[\w-]+|[^/:\s]+/latest|[^/:\s]+/v[0-9]+|v?[0-9]+)(?!\S)")
_TARGET = re.compile(r"""to[ \t]+(?P<q>["`]?)(?P<target>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?P=q)(?!\S)""", re.IGNORECASE)
_DIGEST = re.compile(r"""digest[ \t]+(?P<q>["`]?)(?P<digest>[^\s"`]+)(?P=q)(?!\S)""", re.IGNORECASE)
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_HEX = re.compile(r"[0-9a-fA-F]{7,64}")

_MEANT = re.compile(
    r"(?P<slash>[/\\|]*) ?gate(?P<gap> ?[:;,./!-] ?| +|(?=[a-z]))(?P<word>[a-z]+)(?P<rest>.*)", re.DOTALL
)
#: what may follow a verb for "gate approve …", without its slash, to be more than the beginning of a sentence
_ARGUMENTS = re.compile(r" *(?:[.!]?$|\S+/\d+|to \S+$|digest \S+)")
_LOOKS_LIKE = str.maketrans(
    {"а": "a", "ɑ": "a", "α": "a", "ɡ": "g", "ց": "g", "т": "t", "τ": "t", "е": "e", "ε": "e", "р": "p", "ρ": "p"}
    | {"о": "o", "ο": "o", "ѵ": "v", "ν": "v", "г": "r", "ʀ": "r", "ј": "j", "с": "c", "ϲ": "c", "һ": "h", "ӏ": "l"}
    | {"ԁ": "d", "υ": "u", "ս": "u", "ո": "n", "ѕ": "s", "і": "i", "ι": "i", "ı": "i", "м": "m"}
    | dict.fromkeys("⁄∕⧸╱⟋", "/")
)


@dataclass(frozen=True, slots=True)
class Command:
    """What a comment tells the gate; what it does not name is "" or None.

    model and target are as typed. digest: 7 to 64 hexadecimal digits in lower case, the beginning of a digest.
    reason: the rest of the comment as written, at most 2,000 characters; it is only ever shown. step: of `live`.
    """

    verb: Verb
    model: str = ""
    version: int | None = None
    target: str = ""
    digest: str = ""
    reason: str = ""
    step: Step | None = None


@dataclass(frozen=True, slots=True, order=True)
class Unclear(Problem):
    """A comment that means to be a command and is none; nothing of it was taken. code: the stable reason for it."""

    code: str = "no_command"


def parse(body: str) -> Command | Unclear | None:
    """Reads a comment. None: it says nothing to the gate. Unclear: it means to, and the hint tells how.

    A command stands on the first line that is not blank, as a paragraph: in code, a quotation, a list, a heading,
    HTML or a link it is only being talked about. Its verb may have capitals, since telephones write them. Letters
    that merely look right are never taken for what they look like.
    """
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip(" \t")), None)
    spoken = _COMMAND.match(lines[first]) if first is not None else None
    if first is None or not (spoken or any(map(_COMMAND.match, _unfenced(lines))) or _looks_like_one(lines[first])):
        return None  # before the Markdown is read, which takes longer than all the rest
    plain = _plain_lines(lines)
    commands = [n for n in plain if _COMMAND.match(lines[n])]
    if spoken is None or first not in plain:
        return _misplaced(lines, first, plain, commands)
    if len(commands) > 1:
        hint = "one command a comment; none of these was taken"
        return _unclear(commands[1], "this is the comment's second command", hint, "ambiguous_command")
    return _command(spoken["rest"], lines[first + 1 :], first)


def _command(text: str, below: Sequence[str], at: int) -> Command | Unclear:
    """The command that stands behind `/gate`."""
    typed, rest = _word(text)
    verb = typed.lower()
    if not typed or verb not in VERBS or not typed.isascii():
        return _no_verb(typed, at)
    begun = Command(cast(Verb, verb))
    if verb == "live":
        stepped = _step(begun, rest, at)
        if isinstance(stepped, Unclear):
            return stepped
        begun, rest = stepped
    read = _arguments(begun, rest, at)
    if isinstance(read, Unclear):
        return read
    command, reason = read
    return replace(command, reason="\n".join([reason, *below]).strip()[:LONGEST_REASON])


def _step(command: Command, text: str, at: int) -> tuple[Command, str] | Unclear:
    """What a command about a live split is to do, and what follows; none is named where it is only to be shown."""
    word, rest = _word(text)
    if word.lower() in ("start", "status"):
        return replace(command, step=cast(Step, word.lower())), rest
    if word.lower() != "stop":
        return command, text
    way, rest = _word(rest)
    if way.lower().removeprefix("--") not in ("keep", "promote"):
        return _unclear(at, "it does not say how the split is to end", "write /gate live stop keep, or stop promote")
    return replace(command, step=cast(Step, way.lower().removeprefix("--"))), rest


def _no_verb(typed: str, at: int) -> Unclear:
    if not typed:
        return _unclear(at, "the command has no verb", f"write {GRAMMAR}")
    near = _nearest(_skeleton(typed))
    hint = f"did you mean /gate {near}?" if near else f"it knows {', '.join(VERBS)}"
    same = near == _skeleton(typed).strip(",.:;!")
    text = "this only looks like a command" if same else f'there is no command "{typed[:40]}"'
    return _unclear(at, text, f"{_odd(typed)}{hint}")


def _arguments(command: Command, text: str, at: int) -> tuple[Command, str] | Unclear:
    """Subject, target and digest in front of the reason, and that reason."""
    command, rest, fault = _subject(command, text)
    while rest and not fault:
        target, digest = _TARGET.match(rest), _DIGEST.match(rest)
        if target and not command.target:
            command, rest = replace(command, target=target["target"]), rest[target.end() :].lstrip(" \t")
        elif digest and _HEX.fullmatch(digest["digest"]) and not command.digest:
            command = replace(command, digest=digest["digest"].lower())
            rest = rest[digest.end() :].lstrip(" \t")
        else:
            fault = _misfit(command, rest)
            break
    if fault and command.verb not in OBJECTING:
        text, hint, code = fault
        return _unclear(at, text, hint, code)
    return command, rest


def _subject(command: Command, text: str) -> tuple[Command, str, tuple[str, str, str] | None]:
    """A command with the version that its line begins with; what follows; what is wrong with it."""
    named = text[:3].lower() != "to " and text[:7].lower() != "digest "
    found = _QUOTED.match(text) or _SUBJECT.match(text) or (_SPACED.match(text) if named else None)
    if found is not None and _VERSION.fullmatch(found["version"]):
        command = replace(command, model=found["model"], version=int(found["version"]))
        return command, text[found.end() :].lstrip(" \t"), None
    loose = found or _UNNUMBERED.match(text)
    if loose is None:
        return command, text, None
    return command, text, (f'"{loose[0][:80]}" names no version', "write MODEL/12", "ambiguous_subject")


def _misfit(command: Command, rest: str) -> tuple[str, str, str] | None:
    """What is wrong with a rest that begins like an argument; None if it is a reason."""
    digest = _DIGEST.match(rest)
    if _TARGET.match(rest) and command.target:
        return "it names two targets", "one command, one target", "ambiguous_command"
    if digest is None:
        return None
    if command.digest:
        return "it names two digests", "one command, one digest", "ambiguous_command"
    return f'"{digest["digest"][:70]}" is no digest', "copy at least 7 of its hexadecimal digits", "no_command"


def _misplaced(lines: Sequence[str], first: int, plain: frozenset[int], commands: Sequence[int]) -> Unclear | None:
    """What to say of a comment whose first line is no command: it may look like one, or one may stand further down."""
    if first in plain:
        meant = _look_alike(lines[first], first)
        if meant is not None:
            return meant
    elif (
        _COMMAND.match(lines[first]) and first + 1 < len(lines) and re.fullmatch(r" {0,3}(=+|-+)\s*", lines[first + 1])
    ):
        return _unclear(first, "the line below makes a heading of it", "leave a blank line behind the command")
    below = next((n for n in sorted(commands) if _says_verb(lines[n])), None)
    if below is None:
        return None
    return _unclear(below, "a command further down is not taken", "begin a new comment with it")


def _says_verb(line: str) -> bool:
    spoken = _COMMAND.match(line)
    return spoken is not None and _word(spoken["rest"])[0].lower() in VERBS


def _looks_like_one(line: str) -> bool:
    """Whether it is worth reading the Markdown of a comment in which no line is a command."""
    return _look_alike(line, 0) is not None


def _look_alike(line: str, at: int) -> Unclear | None:
    """What to say of a line that a person might take for a command."""
    glance = line[:_GLANCE]
    if glance.isascii() and "gate" not in glance.lower():
        return None
    meant = _MEANT.match(_skeleton(glance).strip())
    near = _nearest(meant["word"]) if meant else ""
    if meant is None or not near or (not meant["gap"] and not meant["slash"]):
        return None
    if not meant["slash"] and not _ARGUMENTS.fullmatch(meant["rest"]):
        return None
    return _unclear(at, "this only looks like a command", f"{_odd(glance)}did you mean /gate {near}?")


def _skeleton(text: str) -> str:
    """A text as the eye reads it: entities and escapes shown, invisible letters gone, foreign ones by their looks."""
    shown = unicodedata.normalize("NFKC", unescape(text).replace("\\/", "/"))
    seen = "".join(c for c in shown if unicodedata.category(c) not in ("Cf", "Mn", "Cc"))
    return " ".join(seen.lower().translate(_LOOKS_LIKE).split())


def _odd(text: str) -> str:
    """A remark on what the eye does not see."""
    if any(unicodedata.category(c) == "Cf" for c in text):
        return "it has invisible characters; "
    return "" if text.isascii() else "it has letters of another alphabet; "


def _nearest(word: str) -> str:
    return next(iter(get_close_matches(word, VERBS, 1, 0.75)), "")


def _word(text: str) -> tuple[str, str]:
    """The first word of a line, and what follows. Only blanks and tabs part words."""
    word, _, rest = text.replace("\t", " ").strip(" ").partition(" ")
    return word, rest.lstrip(" ")


def _unfenced(lines: Iterable[str]) -> Iterator[str]:
    """The lines outside of fenced code, which is where most commands stand that are only shown."""
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            closes = mark is not None and mark[1].startswith(fence) and not line.strip(" \t`~")
            fence = "" if closes else fence
        elif mark:
            fence = mark[1]
        else:
            yield line


def _plain_lines(lines: Sequence[str]) -> frozenset[int]:
    """The lines that stand in paragraphs of the comment itself, up to where HTML begins to wrap them."""
    # Imported here: most comments hold no command, and are to cost nothing.
    from markdown_it import MarkdownIt

    found: set[int] = set()
    tokens = MarkdownIt("commonmark").enable("table").disable("inline").parse("\n".join(lines))
    for token in tokens:
        if token.type == "html_block" and not token.content.lstrip().startswith("<!--"):
            break
        if token.type == "paragraph_open" and token.level == 0 and token.map:
            found.update(range(*token.map))
    return frozenset(found)


def _unclear(at: int, text: str, hint: str, code: str = "no_command") -> Unclear:
    return Unclear("comment", at + 1, 1, text, hint, code)


def show(command: Command) -> str:
    """A command as it is typed, without its reason."""
    subject = f"{command.model}/{command.version}" if command.version is not None else ""
    quoted = f'"{command.model}"/{command.version}' if subject and not _SUBJECT.fullmatch(subject) else subject
    to = f"to {command.target}" if command.target else ""
    digest = f"digest {command.digest[:12]}" if command.digest else ""
    step = f"stop {command.step}" if command.step in ("keep", "promote") else command.step
    return " ".join(filter(None, ("/gate", command.verb, step, quoted, to, digest)))
