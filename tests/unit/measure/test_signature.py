"""Signatures as MLmodel files spell them, and which candidate may stand in for which champion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gatewright.evidence import Evidence, Fact
from gatewright.measure.compatible import differences
from gatewright.measure.schema import SchemaFault, Signature, parse
from gatewright.paths import Path
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

Raw = dict[str, Any]
SIGNATURE, COMPATIBLE, EXAMPLE = Path("signature"), Path("signature", "compatible"), Path("input_example")
CANDIDATE, CHAMPION = Version("fraud", 4), Version("fraud", 3)


def col(kind: str, name: str | None = None, **more: Any) -> Raw:
    """A column as MLflow writes it."""
    return {"type": kind, **({} if name is None else {"name": name}), **more}


def tensor(dtype: str, shape: list[int], name: str | None = None) -> Raw:
    """A tensor as MLflow writes it."""
    return {**col("tensor", name), "tensor-spec": {"dtype": dtype, "shape": shape}}


def obj(name: str, **properties: Raw) -> Raw:
    """A column of objects as MLflow writes it."""
    return col("object", name, properties=properties, required=True)


def param(name: str, kind: str = "double", default: Any = 0.5, shape: list[int] | None = None) -> Raw:
    """An inference param as MLflow writes it."""
    return {"name": name, "type": kind, "default": default, "shape": shape}


def block(inputs: list[Raw] | None, outputs: list[Raw] | None = None, params: list[Raw] | None = None) -> Raw:
    """A signature block of an MLmodel file."""
    parts = {"inputs": inputs, "outputs": outputs, "params": params}
    return {key: None if part is None else json.dumps(part) for key, part in parts.items()}


def sig(*inputs: Raw, out: list[Raw] | None = None, params: list[Raw] | None = None) -> Signature:
    """A parsed signature."""
    return parse(block(list(inputs) or None, out or [col("double")], params))


AMOUNT, COUNTRY = col("double", "amount"), col("string", "country")

COMPATIBLE_PAIRS = {
    "the same": (sig(AMOUNT), sig(AMOUNT)),
    "another order": (sig(AMOUNT, COUNTRY), sig(COUNTRY, AMOUNT)),
    "integer to long": (sig(col("integer", "n")), sig(col("long", "n"))),
    "integer to double": (sig(col("integer", "n")), sig(col("double", "n"))),
    "float to double": (sig(col("float", "n")), sig(col("double", "n"))),
    "anything at all": (sig(COUNTRY), sig(col("any", "country"))),
    "required to optional": (sig(AMOUNT), sig({**AMOUNT, "required": False})),
    "a new optional input": (sig(AMOUNT), sig(AMOUNT, {**COUNTRY, "required": False})),
    "a dropped input": (sig(AMOUNT, COUNTRY), sig(AMOUNT)),
    "a free length": (sig(tensor("float32", [-1, 28])), sig(tensor("float32", [-1, -1]))),
    "wider elements": (
        sig(col("array", "a", items=col("integer"))),
        sig(col("array", "a", items=col("long"))),
    ),
    "wider values of a map": (
        sig(col("map", "a", values=col("float"), required=True)),
        sig(col("map", "a", values=col("double"), required=True)),
    ),
    "a new optional property": (
        sig(obj("o", a=col("long"))),
        sig(obj("o", a=col("long"), b=col("string", required=False))),
    ),
    "a new param": (sig(AMOUNT), sig(AMOUNT, params=[param("cut")])),
    "a wider param": (
        sig(AMOUNT, params=[param("cut", "long", 1)]),
        sig(AMOUNT, params=[param("cut", "double", 1)]),
    ),
    "another default": (sig(AMOUNT, params=[param("cut")]), sig(AMOUNT, params=[param("cut", default=0.7)])),
    "no inputs declared any more": (sig(AMOUNT), sig()),
}

BREAKING_PAIRS = {
    "a new required input": (sig(AMOUNT), sig(AMOUNT, COUNTRY), "input “country” is new and required"),
    "a renamed input": (sig(AMOUNT), sig(col("double", "value")), "input “value” is new and required"),
    "long to integer": (
        sig(col("long", "n")),
        sig(col("integer", "n")),
        "input “n” is integer, was long",
    ),
    "long to double": (sig(col("long", "n")), sig(col("double", "n")), "input “n” is double, was long"),
    "integer to float": (sig(col("integer", "n")), sig(col("float", "n")), "input “n” is float, was integer"),
    "boolean to long": (sig(col("boolean", "n")), sig(col("long", "n")), "input “n” is long, was boolean"),
    "a string to a number": (
        sig(COUNTRY),
        sig(col("double", "country")),
        "input “country” is double, was string",
    ),
    "something from anything": (
        sig(col("any", "country")),
        sig(COUNTRY),
        "input “country” is string, was any",
    ),
    "optional to required": (
        sig({**AMOUNT, "required": False}),
        sig(AMOUNT),
        "input “amount” is required, was optional",
    ),
    "columns to tensors": (
        sig(AMOUNT),
        sig(tensor("float64", [-1, 1])),
        "inputs are tensors without names, were columns",
    ),
    "names lost": (sig(AMOUNT), sig(col("double")), "inputs are columns without names, were columns"),
    "fewer positions": (
        sig(col("double"), col("double")),
        sig(col("double")),
        "the number of inputs is 1, was 2, and only their position tells them apart",
    ),
    "another dtype": (
        sig(tensor("float32", [-1, 28])),
        sig(tensor("float64", [-1, 28])),
        "input 1 is a tensor of float64 [-1, 28], was a tensor of float32 [-1, 28]",
    ),
    "a fixed length": (
        sig(tensor("float32", [-1, -1], "x")),
        sig(tensor("float32", [-1, 28], "x")),
        "input “x” is a tensor of float32 [-1, 28], was a tensor of float32 [-1, -1]",
    ),
    "a length of one": (
        sig(tensor("float32", [-1, 28])),
        sig(tensor("float32", [-1, 1])),
        "input 1 is a tensor of float32 [-1, 1], was a tensor of float32 [-1, 28]",
    ),
    "another rank": (
        sig(tensor("float32", [-1, 28])),
        sig(tensor("float32", [-1, 28, 1])),
        "input 1 is a tensor of float32 [-1, 28, 1], was a tensor of float32 [-1, 28]",
    ),
    "a dropped property": (
        sig(obj("o", a=col("long"), b=col("long"))),
        sig(obj("o", a=col("long"))),
        "property “b” of input “o” is gone, and MLflow refuses properties it does not know",
    ),
    "a new required property": (
        sig(obj("o", a=col("long"))),
        sig(obj("o", a=col("long"), b=col("long"))),
        "property “b” of input “o” is new and required",
    ),
    "a narrower property": (
        sig(obj("o", a=col("double"))),
        sig(obj("o", a=col("float"))),
        "property “a” of input “o” is float, was double",
    ),
    "narrower elements": (
        sig(col("array", "a", items=col("array", items=col("double")))),
        sig(col("array", "a", items=col("array", items=col("long")))),
        "an element of an element of input “a” is long, was double",
    ),
    "inputs declared where anything went": (
        sig(),
        sig(AMOUNT),
        "inputs are declared now, where the champion takes anything",
    ),
    "a dropped param": (
        sig(AMOUNT, params=[param("cut")]),
        sig(AMOUNT),
        "param “cut” is gone, and MLflow would silently ignore what callers pass",
    ),
    "a param of another type": (
        sig(AMOUNT, params=[param("cut")]),
        sig(AMOUNT, params=[param("cut", "string", "x")]),
        "param “cut” is string, was double",
    ),
    "a param that became a list": (
        sig(AMOUNT, params=[param("cut")]),
        sig(AMOUNT, params=[param("cut", default=[0.5], shape=[-1])]),
        "param “cut” is a list, was one value",
    ),
    "another output type": (
        sig(AMOUNT),
        sig(AMOUNT, out=[col("long")]),
        "the output is long, was double",
    ),
    "a wider output": (
        sig(AMOUNT, out=[col("float", "p")]),
        sig(AMOUNT, out=[col("double", "p")]),
        "output “p” is double, was float",
    ),
    "another output name": (
        sig(AMOUNT, out=[col("double", "p")]),
        sig(AMOUNT, out=[col("double", "score")]),
        "the output is “score” double, was “p” double",
    ),
}


@pytest.mark.parametrize(("old", "new"), COMPATIBLE_PAIRS.values(), ids=COMPATIBLE_PAIRS)
def test_a_signature_that_takes_every_old_input_is_compatible(old: Signature, new: Signature) -> None:
    """What callers of the champion send works with the candidate, and the answer looks the same."""
    assert differences(old, new).breaking == ()


@pytest.mark.parametrize(("old", "new", "words"), BREAKING_PAIRS.values(), ids=BREAKING_PAIRS)
def test_a_signature_that_breaks_callers_says_what_breaks(old: Signature, new: Signature, words: str) -> None:
    """Every broken promise is named in plain words."""
    assert words in differences(old, new).breaking


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("a dropped input", "input “country” is not used any more"),
        ("a new optional input", "input “country” is new and optional"),
        ("a new param", "param “cut” is new and has a default"),
        ("another default", "param “cut” has another default"),
        ("no inputs declared any more", "inputs are not declared any more, so that none is refused"),
    ],
)
def test_a_compatible_change_that_people_should_know_of_is_noted(pair: str, words: str) -> None:
    """Compatible does not mean unchanged."""
    assert differences(*COMPATIBLE_PAIRS[pair]).noted == (words,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ([], "the signature is no mapping"),
        ({"inputs": "{"}, "its inputs are no JSON"),
        ({"inputs": 7}, "its inputs are no JSON"),
        ({"inputs": "[" * 100_000}, "its inputs are no JSON"),
        ({"inputs": "{}"}, "its inputs are no list of descriptions"),
        (block([{"name": "a"}]), "input “a” has no type"),
        (block([col("tensor", "a")]), "input “a” is a tensor without a dtype"),
        (block([col("quaternion", "a")]), "input “a” has the unknown type “quaternion”"),
        (block([AMOUNT, col("double")]), "its inputs mix columns and tensors, or names and no names"),
        (block([AMOUNT, AMOUNT]), "two of its inputs have one name"),
        (block([tensor("float32", ["x"], "a")]), "input “a” has a shape that is no list of whole numbers"),  # type: ignore[list-item]
        (block([col("object", "a")]), "input “a” is an object without properties"),
        (block([AMOUNT], None, [{"name": "cut"}]), "a param has no name or no default"),
        (block([AMOUNT], None, [param("cut"), param("cut")]), "two of its params have one name"),
    ],
)
def test_a_broken_signature_says_what_is_broken(text: Any, words: str) -> None:
    """A signature that cannot be read is not the same as none."""
    with pytest.raises(SchemaFault, match=f"^{re.escape(words)}$"):
        parse(text)


def test_a_signature_nested_without_end_is_refused() -> None:
    """Thirty-three arrays within one another are no model's input."""
    deep = col("double")
    for _ in range(40):
        deep = col("array", items=deep)
    with pytest.raises(SchemaFault, match="nests deeper than 32 levels"):
        parse(block([{**deep, "name": "a"}]))


def test_mlflows_default_for_required_is_kept() -> None:
    """Where the file does not say, MLflow takes a scalar for required and an array for optional."""
    inputs = parse(block([AMOUNT, col("array", "tags", items=col("string"))])).inputs
    assert inputs is not None
    assert [f.required for f in inputs] == [True, False]


@pytest.fixture
def look(ask: Callable[..., Evidence]) -> Callable[..., Fact]:
    """The fact for one path, of a candidate and a champion with signatures as given."""

    def looked(path: Path, mine: Any = None, theirs: Any = None, champion: Version | None = CHAMPION) -> Fact:
        blocks = {("fraud", 4): mine, ("fraud", 3): theirs}
        files = {
            key: {"MLmodel": json.dumps({"signature": raw}).encode()} for key, raw in blocks.items() if raw != "no file"
        }
        (fact,) = ask([path], CANDIDATE, champion, MemoryRegistry(files=files)).facts
        return fact

    return looked


Look = Callable[..., Fact]
PLAIN = block([AMOUNT], [col("double")])


def test_a_signature_is_described(look: Look) -> None:
    """The reader sees how much of one there is."""
    fact = look(SIGNATURE, block([AMOUNT, COUNTRY], [col("double")], [param("cut")]))
    assert (fact.value, fact.why) == (True, "2 inputs, 1 output, 1 param")


def test_no_signature_is_a_plain_no(look: Look) -> None:
    """The file was read and holds none: the check fails, nothing is undetermined."""
    fact = look(SIGNATURE)
    assert (fact.state, fact.value, fact.why) == ("known", False, "fraud/4 was logged without a signature")


def test_an_unreadable_signature_is_neither_yes_nor_no(look: Look) -> None:
    """The reason says what is wrong with it."""
    fact = look(SIGNATURE, {"inputs": "{"})
    assert (fact.state, fact.why) == (
        "unreadable",
        "the signature of fraud/4 cannot be read: its inputs are no JSON",
    )


@pytest.mark.parametrize(("info", "stored"), [({"type": "dataframe"}, True), (None, False), ("yes", False)])
def test_an_input_example_is_there_or_not(ask: Any, info: Any, stored: bool) -> None:
    """As the MLmodel file says."""
    files = {("fraud", 4): {"MLmodel": json.dumps({"saved_input_example_info": info}).encode()}}
    (fact,) = ask([EXAMPLE], CANDIDATE, None, MemoryRegistry(files=files)).facts
    assert fact.value is stored


def test_compatible_signatures_say_what_that_means(look: Look) -> None:
    """And what changed nevertheless."""
    fact = look(COMPATIBLE, PLAIN, block([AMOUNT, COUNTRY], [col("double")]))
    assert fact.value is True
    assert fact.why == (
        "takes every input that fraud/3 takes, and gives the same output; input “country” is not used any more"
    )


def test_incompatible_signatures_list_every_difference(look: Look) -> None:
    """In one line."""
    fact = look(COMPATIBLE, block([col("long", "amount"), COUNTRY], [col("long")]), PLAIN)
    assert fact.value is False
    assert fact.why == (
        "input “amount” is long, was double; input “country” is new and required; the output is long, was double"
    )
    assert fact.source == "MLmodel of fraud/4 and of fraud/3"


def test_a_thousand_differences_are_cut(look: Look) -> None:
    """The line stays readable."""
    many = block([col("double", f"c{n}") for n in range(1000)], [col("double")])
    why = look(COMPATIBLE, many, PLAIN).why
    assert why.endswith(" and 981 more")
    assert len(why) < 1200


@pytest.mark.parametrize(
    ("mine", "theirs", "state", "words"),
    [
        (PLAIN, None, "missing", "the champion fraud/3 has no signature to compare with"),
        (None, PLAIN, "known", "fraud/4 has no signature, the champion fraud/3 has one"),
        (None, None, "missing", "the champion fraud/3 has no signature to compare with"),
        (PLAIN, {"inputs": "{"}, "unreadable", "the signatures cannot be compared: its inputs are no JSON"),
        (
            PLAIN,
            "no file",
            "unreadable",
            "the signatures cannot be compared: there is no MLmodel file where fraud/3 is stored",
        ),
    ],
)
def test_what_cannot_be_compared_is_never_called_compatible(
    look: Look, mine: Any, theirs: Any, state: str, words: str
) -> None:
    """A signature that one of them lacks, or that cannot be read, is no reason to pass."""
    fact = look(COMPATIBLE, mine, theirs)
    assert (fact.state, fact.why) == (state, words)
    assert not fact.value


def test_without_a_champion_nothing_is_compared(look: Look) -> None:
    """The verdict skips such a check."""
    assert look(COMPATIBLE, PLAIN, champion=None).state == "missing"


def test_the_champion_is_not_compared_with_itself(look: Look) -> None:
    """Comparing a version with itself would prove nothing."""
    fact = look(COMPATIBLE, PLAIN, champion=CANDIDATE)
    assert (fact.state, fact.why) == ("missing", "fraud/4 is itself the champion")
