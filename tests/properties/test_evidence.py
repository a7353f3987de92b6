"""Laws of evidence: what its digest depends on, and how compatibility of signatures behaves."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from gatewright.canonical import canonical, plain
from gatewright.evidence import Evidence, Fact
from gatewright.measure import lineage, mlmodel, quoting
from gatewright.measure.compatible import WIDER, differences
from gatewright.measure.schema import Field, Param, SchemaFault, Signature, Type, parse
from gatewright.paths import Path
from gatewright.policy.model import Check, Place, Policy, Target
from gatewright.quantity import Interval

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(NUMBERS, st.integers(), TEXT, st.booleans())
MAYBE = st.none() | SCALARS
FACTS = st.builds(
    Fact,
    who=st.sampled_from(["candidate", "champion", "pair"]),
    path=st.builds(Path, st.sampled_from(["run", "tags", "holdout"]), TEXT),
    state=st.sampled_from(["known", "missing", "unreadable"]),
    value=MAYBE,
    why=TEXT,
    source=TEXT,
    at=st.none() | st.integers(0, 2**53),
    n=st.none() | st.integers(0, 2**40),
    intervals=st.lists(st.builds(Interval, NUMBERS, NUMBERS, st.floats(0.5, 0.999), TEXT), max_size=2).map(tuple),
    factor=st.none() | st.floats(0.1, 2),
    column=st.none() | TEXT,
    slice=st.none() | TEXT,
    decides=st.booleans(),
)
EVIDENCE = st.builds(
    Evidence,
    st.dictionaries(TEXT, MAYBE, max_size=4),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.lists(FACTS, max_size=6).map(tuple),
)


@given(EVIDENCE, st.randoms())
def test_the_order_of_facts_and_of_the_subject_does_not_matter(evidence: Evidence, chance: random.Random) -> None:
    """Reads run side by side and end in any order."""
    facts, subject = list(evidence.facts), list(evidence.subject.items())
    chance.shuffle(facts)
    chance.shuffle(subject)
    assert Evidence(dict(subject), evidence.policy_digest, tuple(facts)).digest == evidence.digest


@given(EVIDENCE, st.integers(0, 2**53), TEXT)
def test_neither_clock_nor_wording_nor_remarks_matter(evidence: Evidence, at: int, why: str) -> None:
    """Same evidence, same digest, whenever and by whichever release it was read."""
    facts = tuple(replace(f, at=at, why=why) for f in evidence.facts)
    assert replace(evidence, facts=facts, notes=(why,)).digest == evidence.digest


@given(EVIDENCE, FACTS)
def test_a_fact_more_is_other_evidence(evidence: Evidence, fact: Fact) -> None:
    """Nothing can be slipped in, not even the same fact twice."""
    assert replace(evidence, facts=(*evidence.facts, fact)).digest != evidence.digest


@given(EVIDENCE, FACTS, FACTS)
def test_another_fact_is_other_evidence(evidence: Evidence, old: Fact, new: Fact) -> None:
    """Whatever differs in what the digest covers shows in the digest."""
    assume(old.identity() != new.identity())
    first, second = (replace(evidence, facts=(*evidence.facts, f)) for f in (old, new))
    assert first.digest != second.digest


@given(SCALARS, SCALARS)
@example(1, True)
@example("1", 1)
@example("", False)
@example(0.0, False)
def test_values_differ_where_their_spelling_does(first: Any, second: Any) -> None:
    """`true`, `1` and `"1"` are three values; 1 and 1.0 are one number."""
    facts = [Fact("candidate", Path("tags", "x"), "known", value) for value in (first, second)]
    digests = {Evidence({}, "", (f,)).digest for f in facts}
    same = canonical(first) == canonical(second)
    assert (len(digests) == 1) is same


@given(EVIDENCE, EVIDENCE)
def test_another_subject_or_policy_is_other_evidence(one: Evidence, two: Evidence) -> None:
    """Version, champion, source and rules are all covered."""
    moved = replace(one, subject=two.subject, policy_digest=two.policy_digest)
    if canonical(one.subject) != canonical(two.subject) or one.policy_digest != two.policy_digest:
        assert moved.digest != one.digest


@given(EVIDENCE)
def test_the_digest_survives_the_files_it_is_kept_in(evidence: Evidence) -> None:
    """Evidence is stored as JSON and read back by whoever verifies it."""
    identities = [f.identity() for f in evidence.facts]
    assert json.loads(json.dumps(identities)) == plain(identities)
    assert json.loads(canonical(evidence)) == plain(evidence)


@given(st.lists(TEXT, min_size=1, max_size=4, unique=True), TEXT, TEXT)
def test_any_change_of_the_rules_is_another_policy(texts: list[str], other: str, stage: str) -> None:
    """And where a rule stands in the file is not a rule."""
    place, elsewhere = Place("a.yaml", 1, 1), Place("b.yaml", 7, 3)

    def digest(texts: list[str], place: Place, stage: str = "Production") -> str:
        checks = tuple(Check(t, Path("run", t), place) for t in texts)
        target = Target("production", checks, place, stage=stage)
        return Policy(place.file, "fraud", (target,)).digest(target)

    assert digest(texts, place) == digest(texts, elsewhere)
    assert (digest([*texts, other], place) == digest(texts, place)) is False
    assert (digest(texts, place, stage) == digest(texts, place)) == (stage == "Production")


NAMES = st.sampled_from("abcd")
KINDS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime", "any")
SCALAR_TYPES = st.sampled_from(KINDS).map(Type)


def nested(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    """Arrays, maps and objects of what there is."""
    fields = st.lists(st.builds(Field, NAMES, inner, st.booleans()), min_size=1, max_size=3, unique_by=lambda f: f.name)
    objects = fields.map(lambda fs: Type("object", fields=tuple(sorted(fs, key=lambda f: str(f.name)))))
    return objects | st.builds(Type, st.sampled_from(["array", "map"]), inner)


TYPES = st.recursive(SCALAR_TYPES, nested, max_leaves=5)
SHAPES = st.lists(st.sampled_from([-1, 1, 28]), min_size=1, max_size=3).map(tuple)
TENSORS = st.builds(
    lambda dtype, shape: Type("tensor", dtype=dtype, shape=shape),
    st.sampled_from(["float32", "int64"]),
    SHAPES,
)


def named(types: st.SearchStrategy[Type], required: st.SearchStrategy[bool]) -> st.SearchStrategy[tuple[Field, ...]]:
    """Inputs with names."""
    fields = st.builds(Field, NAMES, types, required)
    return st.lists(fields, min_size=1, max_size=4, unique_by=lambda f: f.name).map(tuple)


POSITIONS = st.lists(st.builds(Field, st.none(), TYPES), min_size=1, max_size=3).map(tuple)
INPUTS = st.one_of(
    st.none(),
    named(TYPES, st.booleans()),
    named(TENSORS, st.just(True)),
    POSITIONS,
    st.builds(Field, st.none(), TENSORS).map(lambda f: (f,)),
)
PARAMS = st.lists(
    st.builds(Param, NAMES, SCALAR_TYPES, st.sampled_from(["1", "2"]), st.sampled_from([None, (-1,)])),
    max_size=3,
    unique_by=lambda p: p.name,
).map(tuple)
SIGNATURES = st.builds(Signature, INPUTS, INPUTS, PARAMS)


@given(SIGNATURES)
def test_a_signature_fits_itself(signature: Signature) -> None:
    """Whatever it holds, and without a word about inputs or params."""
    found = differences(signature, signature)
    assert found.breaking == ()
    assert all("output" in note for note in found.noted)


@given(TYPES, TYPES, TYPES)
@example(Type("integer"), Type("long"), Type("double"))
def test_widening_twice_is_widening(first: Type, second: Type, third: Type) -> None:
    """If b takes all of a and c all of b, then c takes all of a: no chain smuggles a break in."""
    a, b, c = (Signature((Field("x", t),), None) for t in (first, second, third))
    if differences(a, b).compatible and differences(b, c).compatible:
        assert differences(a, c).compatible


@given(SIGNATURES, SIGNATURES, SIGNATURES)
def test_a_chain_of_compatible_signatures_that_drops_nothing_is_compatible(
    a: Signature, b: Signature, c: Signature
) -> None:
    """A dropped input may come back as something else, two promotions later; nothing else can creep in."""
    if not (differences(a, b).compatible and differences(b, c).compatible):
        return
    kept = {f.name for f in b.inputs or ()}
    if b.inputs is not None and {f.name for f in a.inputs or ()} <= kept:
        assert differences(a, c).compatible


@given(SIGNATURES, SIGNATURES)
def test_no_input_comes_or_goes_and_no_output_changes_without_a_word(old: Signature, new: Signature) -> None:
    """Only wider types, looser inputs and another order of names pass in silence."""
    found = differences(old, new)
    if not found.breaking and not found.noted:
        assert {f.name for f in old.inputs or ()} == {f.name for f in new.inputs or ()}
        assert old.outputs == new.outputs
        assert {p.name: p.default for p in old.params} == {p.name: p.default for p in new.params}


@given(named(SCALAR_TYPES, st.booleans()), st.data())
def test_dropping_an_input_never_breaks_and_requiring_one_always_does(
    inputs: tuple[Field, ...], data: st.DataObject
) -> None:
    """The two directions of one change."""
    assume(len(inputs) > 1)
    gone = data.draw(st.sampled_from(inputs))
    fewer = tuple(f for f in inputs if f is not gone)
    assert differences(Signature(inputs), Signature(fewer)).breaking == ()
    assert differences(Signature(fewer), Signature(inputs)).compatible is (not gone.required)


def test_no_type_widens_both_ways() -> None:
    """Otherwise two models could swap places while each loses what the other sends."""
    assert not any(old in WIDER.get(new, ()) for old, wider in WIDER.items() for new in wider)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "items", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_no_text_of_a_signature_is_more_than_a_fault(inputs: Any, outputs: Any, params: Any) -> None:
    """Whoever made the model wrote the text; it is read or refused, nothing else."""
    parts = {"inputs": inputs, "outputs": outputs, "params": params}
    blocks = (parts, {key: json.dumps(part) for key, part in parts.items()}, inputs)
    assert all(map(read_or_refused, blocks))


def read_or_refused(block: object) -> bool:
    """Whether a signature block is read, or refused in printable words."""
    try:
        return isinstance(parse(block), Signature)
    except SchemaFault as fault:
        return str(fault).isprintable()


@given(st.binary(max_size=200) | TEXT.map(str.encode))
def test_no_mlmodel_file_is_more_than_a_fault(content: bytes) -> None:
    """Bytes of any kind end in fields or in a reason."""
    file = mlmodel.parse(content)
    assert file.fault or isinstance(file.fields, dict)
    assert file.written is None or isinstance(file.written, int)


@given(st.text(max_size=300), st.sets(st.text(max_size=100), max_size=8))
def test_words_about_foreign_names_are_short_and_visible(name: str, names: set[str]) -> None:
    """No name of a metric moves the cursor, hides text or fills the screen."""
    for words in (quoting.quoted(name), quoting.ident(name), quoting.nearest(name, names)):
        assert words.isprintable()
        assert len(words) < 4 * 12 * 60
        words.encode()


@given(st.text(max_size=60))
def test_a_uri_is_shown_without_its_password(uri: str) -> None:
    """Whatever stands between scheme and host, and behind the question mark."""
    shown = lineage.public(f"https://user:hidden-{uri.partition('/')[0]}@host/path?hidden-token")
    assert "hidden" not in shown
    assert lineage.public(lineage.public(uri)) == lineage.public(uri)
