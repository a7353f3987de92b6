"""What parent and worker say to each other: a header of fixed size, then a body of the length it announces.

A batch goes to the worker as an Arrow record batch. An answer comes back as a JSON head and flat columns
whose length the head determines: the parent never hands a parser of columns what a model wrote.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import Any

#: mark, kind, sequence number, length of the body
HEADER = struct.Struct("<4sIQQ")
MARK = b"GWf1"

#: longest head of an answer, longest report: names of classes and sentences, never rows
MAX_HEAD = 4 << 20

# parent → worker
START, SCHEMA, SCORE, TIME, EMPTY = range(1, 6)
# worker → parent
LAYERS, IMPORTED, READY, ANSWER, FAILED = range(101, 106)

_HEAD_LENGTH = struct.Struct("<Q")


class Garbled(ValueError):
    """What arrived is no frame, or not the one that was due."""


@dataclass(frozen=True)
class Frame:
    """One message. `body` is only valid until the next one is read into the same buffer."""

    kind: int
    number: int
    body: memoryview

    def json(self) -> dict[str, Any]:
        """The body of a report. Raises Garbled."""
        return parse_json(self.body)


def header(kind: int, number: int, length: int) -> bytes:
    """The header of a body of `length` bytes."""
    return HEADER.pack(MARK, kind, number, length)


def read_header(raw: bytes | bytearray | memoryview) -> tuple[int, int, int]:
    """(kind, number, length). Raises Garbled."""
    mark, kind, number, length = HEADER.unpack(raw)
    if mark != MARK:
        raise Garbled("something else than the worker's own code wrote to its line")
    return kind, number, length


def parse_json(raw: bytes | bytearray | memoryview) -> dict[str, Any]:
    """A JSON object out of bytes that anybody may have written. Raises Garbled."""
    try:
        value = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        raise Garbled("a report that is no JSON") from None
    if not isinstance(value, dict):
        raise Garbled("a report that is no JSON object")
    return value


def answer(head: dict[str, Any], columns: list[memoryview]) -> list[bytes | memoryview]:
    """The parts of an answer's body: length of the head, head, columns."""
    encoded = json.dumps(head).encode()
    return [_HEAD_LENGTH.pack(len(encoded)), encoded, *columns]


def split_answer(body: memoryview) -> tuple[dict[str, Any], memoryview]:
    """An answer's head and the bytes of its columns. Raises Garbled."""
    if len(body) < _HEAD_LENGTH.size:
        raise Garbled("an answer without a head")
    (length,) = _HEAD_LENGTH.unpack(body[: _HEAD_LENGTH.size])
    rest = body[_HEAD_LENGTH.size :]
    if length > min(len(rest), MAX_HEAD):
        raise Garbled("an answer whose head is longer than the answer")
    return parse_json(rest[:length]), rest[length:]


class Line:
    """The worker's end: reads and writes whole frames, and waits for as long as that takes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray(1 << 16)

    def read(self) -> Frame:
        """The parent's next message. Raises EOFError when it has hung up."""
        head = bytearray(HEADER.size)
        self._fill(memoryview(head))
        kind, number, length = read_header(head)
        if length > len(self._buffer):
            self._buffer = bytearray(length)
        body = memoryview(self._buffer)[:length]
        self._fill(body)
        return Frame(kind, number, body)

    def write(self, kind: int, number: int, parts: list[bytes | memoryview]) -> None:
        """Sends one frame."""
        parts = [memoryview(p).cast("B") for p in parts if len(p)]
        parts.insert(0, header(kind, number, sum(map(len, parts))))
        while parts:
            written = os.writev(self._descriptor, parts)
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if written:
                parts[0] = memoryview(parts[0])[written:]

    def report(self, kind: int, number: int, value: dict[str, Any]) -> None:
        """Sends a JSON object."""
        self.write(kind, number, [json.dumps(value).encode()])

    def _fill(self, view: memoryview) -> None:
        while len(view):
            count = os.readv(self._descriptor, [view])
            if not count:
                raise EOFError
            view = view[count:]
