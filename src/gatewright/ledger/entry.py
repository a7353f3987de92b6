"""A ledger entry, its digest, and what a chain of entries proves. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

from gatewright.canonical import canonical, plain

Kind = Literal[
    "opened",
    "requested",
    "refused",
    "intended",
    "promoted",
    "overridden",
    "rolled_back",
    "aborted",
    "approved",
    "withdrawn",
    "vetoed",
    "unvetoed",
    "held",
    "released",
    "benchmarked",
    "live_started",
    "live_read",
    "live_stopped",
    "adopted",
    "archived",
    "drift",
]

SCHEMA = 1

#: kinds after which the named version holds the named target; `adopted` without a version: nobody holds it
MOVED = frozenset({"promoted", "overridden", "rolled_back", "adopted"})

_KEY = re.compile(r"[0-9]{6}")
_BARE = re.compile(r"[A-Za-z0-9_.:+-]+")
_LINE = re.compile(
    r"(?P<digest>[0-9a-f]{64}) (?P<kind>[a-z_]+)"
    r"(?: version=(?P<version>[0-9]+))?"
    r"(?: target=(?P<target>[A-Za-z0-9_.:+-]+|\"(?:[^\"\\]|\\.)*\"))?"
    r"(?: replaces=(?P<replaces>[0-9]+))?"
    r"(?: closes=(?P<closes>[0-9]+))?"
    r"(?: at=(?P<at>[A-Za-z0-9_.:+-]+|\"(?:[^\"\\]|\\.)*\"))?"
    r"(?: by=(?P<by>[A-Za-z0-9_.:+-]+|\"(?:[^\"\\]|\\.)*\"))?"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, as far as it is known.

    via: `command line` or `github`. url: the workflow run's page.
    """

    login: str
    id: int | None = None
    via: str = "command line"
    url: str = ""

    @property
    def proved(self) -> bool:
        """Whether GitHub says who it is. Otherwise the machine does, on which anybody may take any name."""
        return self.via == "github" or self.id is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. Entry `n` holds the digest of entry `n - 1`; times are ISO 8601, UTC.

    Entry 0 is `opened`, written by the ledger itself; the first event of a model is entry 1.
    replaces: the version that held the target before, by its number in the policy's own model; of a live split, the
    version that it is against.
    closes: the number of the intent (or request) that this entry ends.
    before, after: what the registry showed and was to show, target by target part (see ladder.snapshot).
    lease: until when an intent locks the model. nonce: makes two equal events two entries.
    attachments: name → sha256 of what was stored with it; filled in by `seal`.
    """

    n: int
    previous: str
    kind: Kind
    at: str
    actor: Actor
    model: str
    version: int | None = None
    target: str = ""
    reason: str = ""
    text: str = ""
    evidence_digest: str = ""
    policy_digest: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()
    replaces: int | None = None
    closes: int | None = None
    lease: str = ""
    nonce: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry's line in the index: enough to find locks, requests and holders without reading bodies."""

    n: int
    digest: str
    kind: str
    version: int | None = None
    target: str = ""
    closes: int | None = None
    at: str = ""
    by: str = ""
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """What is wrong with one entry, in a sentence. A `note` is worth a look and breaks nothing."""

    n: int
    text: str
    note: bool = False

    def __str__(self) -> str:
        return f"entry {self.n}: {self.text}"


@dataclass(frozen=True, slots=True)
class Proof:
    """A ledger as it was read, each thing once, and all that is wrong with just these bytes.

    lines: the index as stored. bodies: number → body, None where it is gone. files: (number, name) → what was stored
    beside an entry, None where it is gone.
    """

    breaks: tuple[Break, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[int, bytes | None] = field(default_factory=dict)
    files: Mapping[tuple[int, str], bytes | None] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it but what is worth a look."""
        return all(b.note for b in self.breaks)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The index; () where it has a gap or an unreadable line, which `breaks` tells of."""
        try:
            return parse_index(self.lines)
        except ValueError:
            return ()

    def entry(self, n: int) -> Entry | None:
        """A body; None where it is gone or is no entry, which `breaks` tells of."""
        return readable(self.bodies.get(n))


def seal(entry: Entry, attachments: Mapping[str, bytes]) -> Entry:
    """The entry with the sha256 of everything stored beside it, so that its digest covers them too."""
    return replace(entry, attachments={name: sha256(content) for name, content in attachments.items()})


def body(entry: Entry) -> bytes:
    """The JSON that is stored, and whose sha256 the index and the next entry hold."""
    return canonical({"schema": SCHEMA, **plain(entry)}).encode()


def digest(entry: Entry) -> str:
    """The sha256 of the entry's body."""
    return sha256(body(entry))


def parse_body(content: bytes) -> Entry:
    """Reads a stored body; raises ValueError that says what is wrong with it.

    Fields that this version does not know are left out; the digest is of the bytes and covers them.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("its body is not JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("actor"), dict):
        raise ValueError("its body is not an entry")
    actor = Actor(**_known(Actor, found["actor"], _ACTOR))
    entry = _known(Entry, {**found, "actor": actor}, _ENTRY)
    if not all(isinstance(digest, str) for digest in entry.get("attachments", {}).values()):
        raise ValueError('its body has no valid "attachments"')
    return Entry(**{**entry, "steps": tuple(entry.get("steps", ()))})


def row(entry: Entry) -> Row:
    """The entry's line in the index."""
    return _row(entry, digest(entry))


def line(row: Row) -> str:
    """How a row is written: `<sha256> promoted version=12 target=production closes=4 at=… by=…`."""
    keys = ("version", "target", "replaces", "closes", "at", "by")
    said = (f"{k}={_word(v)}" for k in keys if (v := getattr(row, k)) is not None and v != "")
    return " ".join((row.digest, row.kind, *said))


def parse_row(n: int, text: str) -> Row:
    """Reads a line; raises ValueError if it is anything but what `line` writes."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError(f"its line is unreadable: {text[:80]!r}")
    found = Row(
        n,
        match["digest"],
        match["kind"],
        _number(match["version"]),
        _unword(match["target"]),
        _number(match["closes"]),
        _unword(match["at"]),
        _unword(match["by"]),
        _number(match["replaces"]),
    )
    if line(found) != text:
        raise ValueError(f"its line is not in its normal spelling: {text[:80]!r}")
    return found


def key(n: int) -> str:
    """The name under which entry `n` stands in the index: `000012`."""
    return f"{n:06d}"


def parse_index(lines: Mapping[str, str]) -> tuple[Row, ...]:
    """The rows of an index, ascending; raises ValueError at the first gap or unreadable line.

    Names that are not six digits do not belong to the chain and are passed over.
    """
    rows = []
    for expected, name in enumerate(sorted(k for k in lines if _KEY.fullmatch(k))):
        if int(name) != expected:
            raise ValueError(f"entry {expected} is missing")
        try:
            rows.append(parse_row(expected, lines[name]))
        except ValueError as e:
            raise ValueError(f"entry {expected}: {e}") from None
    return tuple(rows)


def open_intent(rows: Sequence[Row]) -> Row | None:
    """The intent that no later entry closes: it locks the model until it is ended or its lease runs out."""
    return _last_open(r for r in _open(rows) if r.kind == "intended")


def open_request(rows: Sequence[Row], version: int, target: str) -> Row | None:
    """The newest request to bring a version to a target that has been neither fulfilled nor closed."""
    wanted = [r for r in rows if (r.version, r.target) == (version, target)]
    moved = max((r.n for r in wanted if r.kind in MOVED), default=-1)
    standing = set(_open(rows))
    return _last_open(r for r in wanted if r.kind == "requested" and r.n > moved and r in standing)


def open_requests(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The newest standing request of each version and target, oldest first."""
    asked = dict.fromkeys((r.version, r.target) for r in rows if r.kind == "requested" and r.version is not None)
    standing = (open_request(rows, version or 0, target) for version, target in asked)
    return tuple(sorted((r for r in standing if r is not None), key=lambda r: r.n))


def last_move(rows: Sequence[Row], target: str) -> Row | None:
    """The newest entry that says a version came to hold a target."""
    return next((r for r in reversed(rows) if r.target == target and r.kind in MOVED), None)


def holder(rows: Sequence[Row], target: str) -> int | None:
    """The version that holds a target by the ledger's last word; None if nobody does, or it has said nothing."""
    present: int | None = None
    for r in rows:
        present = holder_after(r, present) if r.target == target else present
    return present


def holder_after(r: Row, present: int | None) -> int | None:
    """Who holds an entry's target after it, if `present` did before."""
    if r.kind == "archived" and r.version == present:
        return None
    return r.version if r.kind in MOVED else present


def last_good(rows: Sequence[Row], target: str) -> int | None:
    """The version that a rollback from the ledger's holder goes back to."""
    return next(iter(good(rows, target, holder(rows, target))), None)


def good(rows: Sequence[Row], target: str, present: int | None) -> tuple[int, ...]:
    """Versions that held a target before `present` did and were not taken back from it, the last one first."""
    stack, bad = _holders(rows, target), taken_back(rows, target)
    before = stack[: len(stack) - 1 - stack[::-1].index(present)] if present in stack else stack
    return tuple(dict.fromkeys(v for v in reversed(before) if v != present and v not in bad))


def ever_held(rows: Sequence[Row], target: str) -> frozenset[int]:
    """Every version that the ledger knows to have held a target, by its own doing or not."""
    moves = [r for r in rows if r.target == target and r.kind in MOVED]
    return frozenset(v for r in moves for v in (r.version, r.replaces) if v is not None)


def taken_back(rows: Sequence[Row], target: str) -> Mapping[int, Row]:
    """Versions that were rolled back from a target, with the newest rollback; a later promotion clears a version.

    To adopt a version does not: that records where it is, and does not judge it.
    """
    found: dict[int, Row] = {}
    for r in (r for r in rows if r.target == target):
        if r.kind == "rolled_back" and r.replaces is not None:
            found[r.replaces] = r
        if r.kind in MOVED - {"adopted"} and r.version is not None:
            found.pop(r.version, None)
    return found


def known_from_the_start(rows: Sequence[Row], target: str) -> bool:
    """Whether the ledger knows every holder of a target: it does not if the first one was adopted or only came back."""
    first = next((r for r in rows if r.target == target and r.kind in MOVED), None)
    return first is not None and first.kind in ("promoted", "overridden")


def _holders(rows: Sequence[Row], target: str) -> list[int]:
    """Versions in the order in which they came to hold the target, without what a rollback went past."""
    stack: list[int] = []
    for r in rows:
        _moved(stack, r, target)
    return stack


def _moved(stack: list[int], r: Row, target: str) -> None:
    """What one entry does to the stack of holders; a holder that came by other hands is known as `replaces`."""
    if r.target != target or r.kind not in MOVED or r.version is None:
        return
    if r.kind == "rolled_back":
        back_to = len(stack) - stack[::-1].index(r.version) if r.version in stack else len(stack) - 1
        del stack[max(back_to, 0) :]
    elif r.replaces is not None and stack[-1:] != [r.replaces]:
        stack.append(r.replaces)
    if stack[-1:] != [r.version]:
        stack.append(r.version)


def _open(rows: Sequence[Row]) -> Iterator[Row]:
    closed = {r.closes for r in rows if r.closes is not None}
    return (r for r in rows if r.n not in closed)


def _last_open(rows: Iterable[Row]) -> Row | None:
    return max(rows, key=lambda r: r.n, default=None)


def verify(model: str, lines: Mapping[str, str], bodies: Mapping[int, bytes | None]) -> tuple[Break, ...]:
    """Everything that is wrong with a chain, entry by entry; () if it is whole.

    lines: the index as stored (`000012` → line). bodies: number → body as stored, None where it is gone.
    """
    found: list[Break] = []
    numbers = sorted(int(name) for name in lines if _KEY.fullmatch(name))
    last = numbers[-1] if numbers else -1
    found += [Break(n, "is missing from the index: it was deleted") for n in range(last) if n not in set(numbers)]
    found += [
        Break(last, f'the index has a line "{name}" that is no entry', note=True)
        for name in sorted(lines)
        if not _KEY.fullmatch(name)
    ]
    before: Entry | None = None
    for n in numbers:
        text, content = lines[key(n)], bodies.get(n)
        found += [Break(n, problem) for problem in _wrong(model, n, text, content)]
        entry = readable(content)
        found += _joint(n, entry, lines.get(key(n - 1)), before)
        before = entry or before
    found += _closings(lines)
    return tuple(sorted(found, key=lambda b: b.n))


def verify_attachments(
    bodies: Mapping[int, bytes | None], stored: Callable[[int, str], bytes | None]
) -> tuple[Break, ...]:
    """What is wrong with what is stored beside the entries. stored: (number, name) → content, None if gone."""
    found = []
    for n, content in sorted(bodies.items()):
        entry = readable(content)
        for name, meant in sorted(entry.attachments.items()) if entry else ():
            there = stored(n, name)
            if there is None:
                found.append(Break(n, f"its {name} is gone"))
            elif sha256(there) != meant:
                found.append(Break(n, f"its {name} was changed: sha256 {meant[:12]}… became {sha256(there)[:12]}…"))
    return tuple(found)


def is_opening(content: bytes, digest: str, place: Mapping[str, str]) -> bool:
    """Whether a body is a whole opening entry that names the place where it stands."""
    entry = readable(content)
    whole = entry is not None and sha256(content) == digest and (entry.n, entry.kind) == (0, "opened")
    return whole and entry is not None and entry.details == place


def _wrong(model: str, n: int, text: str, content: bytes | None) -> Iterator[str]:
    """What is wrong with one entry by itself."""
    try:
        said = parse_row(n, text)
    except ValueError as e:
        yield str(e)
        return
    if content is None:
        yield f"its body is gone (sha256 {said.digest[:12]}…)"
        return
    real = sha256(content)
    if real != said.digest:
        yield f"its body was changed: the index says sha256 {said.digest[:12]}…, the body has {real[:12]}…"
    try:
        entry = parse_body(content)
    except ValueError as e:
        yield str(e)
        return
    if entry.n != n:
        yield f"its body says that it is entry {entry.n}"
    if entry.model != model:
        yield f"its body belongs to the ledger of {entry.model}"
    if line(_row(entry, said.digest)) != text and entry.n == n:
        yield "its line in the index and its body tell different stories"


def _joint(n: int, entry: Entry | None, line_before: str | None, before: Entry | None) -> Iterator[Break]:
    """What is wrong between an entry and the one before it."""
    if entry is None:
        return
    if n == 0:
        if entry.kind != "opened" or entry.previous:
            yield Break(n, "the ledger does not begin with its opening entry")
        return
    if line_before is not None and entry.previous != line_before[:64]:
        yield Break(
            n,
            f"it does not follow entry {n - 1}: it names sha256 {entry.previous[:12] or 'none'}…, "
            f"entry {n - 1} has {line_before[:12]}…",
        )
    if entry.kind == "opened":
        yield Break(n, "a second opening entry: two chains were put together")
    if before is not None and entry.at < before.at:
        yield Break(n, f"its clock ({entry.at}) is behind entry {before.n}'s ({before.at})", note=True)


def _closings(lines: Mapping[str, str]) -> Iterator[Break]:
    """Entries that end something which is not there, or which another entry has ended already."""
    ended: dict[int, int] = {}
    for r in readable_rows(lines):
        if r.closes is None:
            continue
        if r.closes >= r.n or key(r.closes) not in lines:
            yield Break(r.n, f"it closes entry {r.closes}, which does not stand before it")
        elif r.closes in ended:
            yield Break(r.n, f"it closes entry {r.closes}, which entry {ended[r.closes]} has closed already")
        ended.setdefault(r.closes, r.n)


def readable_rows(lines: Mapping[str, str]) -> Iterator[Row]:
    """The rows of an index that can be read, ascending; what is wrong with the others is for `verify` to say."""
    for name in sorted(k for k in lines if _KEY.fullmatch(k)):
        with suppress(ValueError):
            yield parse_row(int(name), lines[name])


def readable(content: bytes | None) -> Entry | None:
    """A stored body as an entry; None where it is gone or is none."""
    try:
        return None if content is None else parse_body(content)
    except ValueError:
        return None


_TEXT = (str,)
_NUMBER = (int, type(None))
_OBJECT = (dict,)
_ACTOR: Mapping[str, tuple[type, ...]] = {"login": _TEXT, "id": _NUMBER, "via": _TEXT, "url": _TEXT}
_ENTRY: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("previous", "kind", "at", "model", "target", "reason", "text"), _TEXT),
    **dict.fromkeys(("evidence_digest", "policy_digest", "lease", "nonce"), _TEXT),
    **dict.fromkeys(("before", "after", "details", "attachments"), _OBJECT),
    **dict.fromkeys(("version", "replaces", "closes"), _NUMBER),
    "n": (int,),
    "actor": (Actor,),
    "steps": (list,),
}


def _known(made: type, found: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The fields of `found` that a dataclass has, each of the right type."""
    known = {f.name: found[f.name] for f in fields(made) if f.name in found}
    for name, value in known.items():
        if not isinstance(value, types[name]) or isinstance(value, bool):
            raise ValueError(f'its body has no valid "{name}"')
    for name in ("n", "previous", "kind", "at", "actor", "model") if made is Entry else ("login",):
        if name not in known:
            raise ValueError(f'its body has no "{name}"')
    return known


def _row(entry: Entry, digest: str) -> Row:
    by = entry.actor.login[:100]
    return Row(entry.n, digest, entry.kind, entry.version, entry.target, entry.closes, entry.at, by, entry.replaces)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _word(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=True)


def _unword(text: str | None) -> str:
    if not text:
        return ""
    try:
        return cast(str, json.loads(text)) if text.startswith('"') else text
    except ValueError:
        raise ValueError(f"its line is unreadable: {text[:80]!r}") from None


def sha256(content: bytes) -> str:
    """The sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
