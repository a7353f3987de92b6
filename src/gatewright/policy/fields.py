"""Reading the values of one block: each of its kind, each fault at its place, none hiding the next."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from gatewright.policy.document import Entries, Items, Node, Scalar, did_you_mean, problem, two_spellings
from gatewright.policy.model import Place
from gatewright.policy.schema import STAGES, Block, keys_of
from gatewright.problem import Problem
from gatewright.quantity import Quantity, parse_quantity

T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Faults(list[Problem]):
    """Every problem found so far."""

    def add(self, place: Place, text: str, hint: str = "") -> None:
        self.append(problem(place, text, hint))


def said(node: Node) -> str:
    """What a value is, in words."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Entries):
        return "a mapping"
    kinds = {"null": "empty", "whole": f"the number {node.text}", "real": f"the number {node.text}"}
    return kinds.get(node.kind, node.text if node.kind == "flag" else f'"{_short(node.text)}"')


def _small(about: str) -> str:
    """The first sentence as a remark in parentheses."""
    first = about.split(". ")[0].rstrip(".")
    return first[0].lower() + first[1:]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


class Fields:
    """One mapping of a policy file, read by a block of the schema.

    Making it reports what is wrong with the mapping itself: unknown, missing and empty keys. Each reader then
    reports a value of the wrong kind, and gives the default in its place.
    """

    def __init__(self, block: Block, node: Node | None, what: str, faults: Faults) -> None:
        self.block, self.what, self.faults = block, what, faults
        self._nodes: dict[str, Node] = {}
        self._keys: dict[str, Scalar] = {}
        self.place = node.place if node else Place("", 0, 0)
        if isinstance(node, Entries):
            self._read(node)
        elif node is not None:
            faults.add(
                node.place,
                f"{what} must be a mapping, not {said(node)}",
                f"its keys: {', '.join(keys_of(block))}",
            )

    def _read(self, node: Entries) -> None:
        known = list(keys_of(self.block))
        for key, value in node.pairs:
            if key.text not in known:
                hint = did_you_mean(key.text, known) or f"{self.what} has: {', '.join(known)}"
                self.faults.add(key.place, f'unknown key "{_short(key.text)}"', hint)
                continue
            self._keys[key.text] = key
            if isinstance(value, Scalar) and value.kind == "null":
                self.faults.add(key.place, f'"{key.text}" is empty', "give it a value, or leave the key out")
            else:
                self._nodes[key.text] = value
        for missing in (k for k in self.block.keys if k.required and k.name not in self._keys):
            self.faults.add(node.place, f'{self.what} lacks "{missing.name}"', _small(missing.about))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def node(self, key: str) -> Node | None:
        return self._nodes.get(key)

    def at(self, key: str) -> Place:
        """Where a key's value stands; the key itself if it is empty, the block if there is none."""
        node = self._nodes.get(key) or self._keys.get(key)
        return node.place if node else self.place

    def text(self, key: str, default: str = "") -> str:
        node = self._nodes.get(key)
        value = None if node is None else text_of(node, f'"{key}"', self.faults)
        return default if value is None else value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts, each once."""
        node = self._nodes.get(key)
        if node is None:
            return default
        choices = self.block.key(key).choices
        found: dict[str, Place] = {}
        for item in items_of(node, f'"{key}"', self.faults, empty_is_fine=bool(choices)):
            text = text_of(item, f'an item of "{key}"', self.faults)
            if text is None:
                continue
            if text in found:
                self.faults.add(item.place, f'"{text}" stands in "{key}" twice')
            elif choices and text not in choices:
                self.faults.add(item.place, f'"{key}" does not know "{_short(text)}"', _among(text, choices))
            found.setdefault(text, item.place)
        return tuple(found)

    def whole(self, key: str, default: int) -> int:
        return self._value(key, default, self._whole)

    def _whole(self, key: str, node: Node) -> int | None:
        least = self.block.key(key).least
        if not isinstance(node, Scalar) or node.kind != "whole" or not isinstance(node.value, int):
            self._wrong(key, node, "a whole number")
            return None
        if not least <= node.value <= 10**9:
            self.faults.add(node.place, f'"{key}" must be at least {least} and at most 1000000000, not {node.text}')
            return None
        return node.value

    def flag(self, key: str, default: bool) -> bool:
        return self._value(key, default, self._flag)

    def _flag(self, key: str, node: Node) -> bool | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self._wrong(key, node, "true or false")
        return None

    def choice(self, key: str, default: T) -> T:
        return self._value(key, default, self._choice)

    def _choice(self, key: str, node: Node) -> T | None:
        text = text_of(node, f'"{key}"', self.faults)
        choices = self.block.key(key).choices
        if text is None or text in choices:
            return text  # type: ignore[return-value]
        self.faults.add(node.place, f'"{key}" cannot be {said(node)}', _among(text, choices))
        return None

    def span(self, key: str, default: Decimal) -> Decimal:
        """A length of time in seconds."""
        return self._value(key, default, self._span)

    def _span(self, key: str, node: Node) -> Decimal | None:
        quantity = self._quantity(key, node, "a time", "write 7d or 30m")
        if quantity is None:
            return None
        if quantity.dimension != "time":
            hint = f"write {quantity}d or {quantity}s" if quantity.style == "plain" else "write 7d or 30m"
            self.faults.add(node.place, f'"{key}" is a time, and {quantity} is none', hint)
            return None
        if not (quantity.value > 0 or (quantity.value == 0 and self.block.key(key).default == "0d")):
            self.faults.add(node.place, f'"{key}" must be longer than nothing')
            return None
        return quantity.value

    def share(self, key: str, default: Decimal) -> Decimal:
        """A plain number or a percentage, as a number."""
        return self._value(key, default, self._share)

    def _share(self, key: str, node: Node) -> Decimal | None:
        quantity = self._quantity(key, node, "a number", "write 0.05 or 5%")
        if quantity is not None and quantity.dimension != "number":
            self.faults.add(node.place, f'"{key}" is a plain number: a unit does not fit', "write 0.05 or 5%")
            return None
        return None if quantity is None else quantity.value

    def _quantity(self, key: str, node: Node, kind: str, hint: str) -> Quantity | None:
        if not isinstance(node, Scalar) or node.kind in ("flag", "unclear"):
            self._wrong(key, node, kind)
            return None
        try:
            return parse_quantity(node.text)
        except ValueError as error:
            self.faults.add(node.place, f'"{key}" is {kind}: {error}', hint)
            return None

    def scalar(self, key: str, default: str | int | float | bool) -> str | int | float | bool:
        return self._value(key, default, self._scalar)

    def _scalar(self, key: str, node: Node) -> str | int | float | bool | None:
        if not isinstance(node, Scalar) or node.kind == "unclear":
            self._wrong(key, node, "a text, number or flag")
            return None
        if isinstance(node.value, float) and not math.isfinite(node.value):
            self.faults.add(node.place, f'"{key}" is not finite: {node.text}')
            return None
        return node.value

    def _value(self, key: str, default: T, read: Callable[[str, Node], T | None]) -> T:
        node = self._nodes.get(key)
        value = None if node is None else read(key, node)
        return default if value is None else value

    def _wrong(self, key: str, node: Node, wanted: str) -> None:
        wrong(node, f'"{key}"', wanted, self.faults)


def wrong(node: Node, what: str, wanted: str, faults: Faults) -> None:
    """Reports a value of another kind than what is wanted."""
    if isinstance(node, Scalar) and node.kind == "unclear":
        faults.add(
            node.place,
            f"{node.text} means different things to different readers of YAML",
            two_spellings(node.text),
        )
    else:
        faults.add(node.place, f"{what} must be {wanted}, not {said(node)}")


def text_of(node: Node, what: str, faults: Faults) -> str | None:
    """A text without control characters; None, and a fault, if it is anything else."""
    if not isinstance(node, Scalar) or node.kind in ("null", "unclear"):
        wrong(node, what, "a text", faults)
    elif node.kind != "text":
        faults.add(node.place, f"{what} must be a text, not {said(node)}", f'write "{node.text}" in quotes')
    elif not node.text.strip():
        faults.add(node.place, f"{what} is an empty text")
    elif _CONTROL.search(node.text):
        faults.add(node.place, f"{what} holds a line break or another control character")
    else:
        return node.text
    return None


def items_of(
    node: Node, what: str, faults: Faults, *, empty_is_fine: bool = False, required: bool = False
) -> tuple[Node, ...]:
    """The items of a list that must not be empty. required: nor may it be left out."""
    if not isinstance(node, Items):
        hint = (
            f"write [{node.text}]" if isinstance(node, Scalar) and node.kind == "text" and "," not in node.text else ""
        )
        faults.add(node.place, f"{what} must be a list, not {said(node)}", hint)
        return ()
    if not node.nodes and not empty_is_fine:
        faults.add(node.place, f"{what} is an empty list", "fill it" if required else "fill it, or leave the key out")
    return node.nodes


def entries_of(node: Node, what: str, faults: Faults) -> tuple[tuple[Scalar, Node], ...]:
    """The keys and values of a mapping that must not be empty."""
    if not isinstance(node, Entries):
        faults.add(node.place, f"{what} must be a mapping, not {said(node)}")
        return ()
    if not node.pairs:
        faults.add(node.place, f"{what} is empty", "fill it, or leave the key out")
    return node.pairs


def _among(text: str, choices: Iterable[str]) -> str:
    names = list(choices)
    return did_you_mean(text, names) or f"one of {', '.join(names)}"


def stage_of(node: Node, faults: Faults) -> str:
    """One of the two stages that a version can be promoted to."""
    text = text_of(node, '"stage"', faults)
    if text is None or text in STAGES:
        return text or ""
    if text.lower() in ("none", "archived"):
        faults.add(node.place, f'no version is promoted to "{text}"', "Staging and Production are stages to hold")
    else:
        hint = did_you_mean(text, STAGES) or "MLflow has Staging and Production; for other names use an alias"
        faults.add(node.place, f'MLflow has no stage "{_short(text)}"', hint)
    return ""
