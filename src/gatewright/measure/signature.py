"""A version's signature and input example, and whether its signature can stand in for the champion's."""

from __future__ import annotations

from gatewright.evidence import Fact
from gatewright.measure.compatible import Differences, differences
from gatewright.measure.quoting import several
from gatewright.measure.reading import Reading
from gatewright.measure.schema import SchemaFault, Signature, parse
from gatewright.paths import Path, PathRow

ROWS = (
    PathRow(
        "signature",
        "",
        "flag",
        "the model says what it takes and gives: column or tensor names, types, params",
        "log the model with signature=infer_signature(inputs, outputs) or with input_example=…",
    ),
    PathRow(
        "signature",
        "compatible",
        "flag",
        "the model takes every input that the champion takes, and gives the same output",
        "keep the champion's input and param names, add only optional inputs, widen types only "
        "(integer to long or double, float to double), and keep the output",
        paired=True,
    ),
    PathRow(
        "input_example",
        "",
        "flag",
        "an example of an input is stored with the model",
        "log the model with input_example=frame.head(3)",
    ),
)

_SHOWN_DIFFERENCES = 20


def collect(path: Path, reading: Reading) -> Fact:
    """Whether there is a signature, an input example, or a signature that fits the champion's."""
    if path.key == "compatible":
        return _compatible(path, reading)
    file = reading.opened(path)
    if isinstance(file, Fact):
        return file
    if path.family == "input_example":
        stored = isinstance(file.fields.get("saved_input_example_info"), dict)
        why = "an input example is stored" if stored else f"{reading.name} was logged without an example"
        return reading.known(path, stored, "MLmodel", at=file.written, why=why)
    try:
        signature = read(reading)
    except SchemaFault as fault:
        return reading.unreadable(path, f"the signature of {reading.name} cannot be read: {fault}", "MLmodel")
    why = f"{reading.name} was logged without a signature" if signature is None else str(signature)
    return reading.known(path, signature is not None, "MLmodel", at=file.written, why=why)


def read(reading: Reading) -> Signature | None:
    """The signature of a version, None if it has none; raises SchemaFault where it cannot be read."""
    file = reading.mlmodel
    if file is None:
        raise SchemaFault(f"there is no MLmodel file where {reading.name} is stored")
    if file.fault:
        raise SchemaFault(file.fault)
    block = file.fields.get("signature")
    return None if block is None else parse(block)


def _compatible(path: Path, reading: Reading) -> Fact:
    rival = reading.rival
    if rival is None:
        return reading.missing(path, "there is no champion to compare with")
    if rival.version == reading.version:
        return reading.missing(path, f"{reading.name} is itself the champion")
    source = f"MLmodel of {reading.name} and of {rival.name}"
    try:
        mine, theirs = read(reading), read(rival)
    except SchemaFault as fault:
        return reading.unreadable(path, f"the signatures cannot be compared: {fault}", source)
    if theirs is None:
        return reading.missing(path, f"the champion {rival.name} has no signature to compare with", source)
    if mine is None:
        why = f"{reading.name} has no signature, the champion {rival.name} has one"
        return reading.known(path, False, source, why=why)
    found = differences(theirs, mine)
    return reading.known(path, found.compatible, source, why=_sentence(found, rival.name))


def _sentence(found: Differences, champion: str) -> str:
    if not found.compatible:
        return several((*found.breaking, *found.noted), _SHOWN_DIFFERENCES, "; ")
    noted = f"; {several(found.noted, _SHOWN_DIFFERENCES, '; ')}" if found.noted else ""
    return f"takes every input that {champion} takes, and gives the same output{noted}"
