"""What a command is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.problem import UsageError
from gatewright.subject import Model, Step, Subject, Version, parse_subject

names = st.text(st.characters(exclude_characters="/:", exclude_categories=["Cs", "Cc", "Z"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("fraud/12", Subject("fraud", version=12)), ("fraud@champion", Subject("fraud", alias="champion")),
        ("fraud/latest", Subject("fraud")), ("fraud/Latest", Subject("fraud")),
        ("models:/fraud/12", Subject("fraud", version=12)),
        ("models:/fraud@a-b_1", Subject("fraud", alias="a-b_1")), (" fraud/1 ", Subject("fraud", version=1)),
        ("fraud detector/1", Subject("fraud detector", version=1)),
        ("prod.fraud/1", Subject("prod.fraud", version=1)),
        ("a@b/3", Subject("a@b", version=3)), ("a@b@champion", Subject("a@b", alias="champion")),
    ],
)  # fmt: skip
def test_a_subject_is_a_version_an_alias_or_the_latest(text: str, subject: Subject) -> None:
    """With or without `models:/`; a model's name may hold anything but a slash and a colon."""
    assert parse_subject(text) == subject
    assert subject.latest is (subject.version is None and subject.alias is None)


@pytest.mark.parametrize(
    "text", ["", "fraud", "fraud/", "/12", "fraud@", "fraud/0", "fraud/-1", "fraud/1.5", "fraud/x", "fraud/1/2",
    "a:b/1",
             "fraud/012", "fraud/" + "9" * 19, "runs:/abc/model", "models:/m-123", "fraud/٣"],
)  # fmt: skip
def test_what_names_no_version_is_refused_with_the_three_spellings(text: str) -> None:
    """A usage error, not a guess."""
    with pytest.raises(UsageError, match="write MODEL/12, MODEL@alias or MODEL/latest"):
        parse_subject(text)


@given(names, st.integers(1, 10**17))
def test_a_version_is_read_as_it_is_written(name: str, number: int) -> None:
    """Whatever the model is called."""
    subject = Subject(name, version=number)
    assert parse_subject(str(subject)) == subject


@given(names, st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True))
def test_an_alias_is_read_as_it_is_written(name: str, alias: str) -> None:
    """The last @ is the one that counts."""
    assert parse_subject(f"models:/{name}@{alias}") == Subject(name, alias=alias)


def test_a_model_finds_what_a_subject_means() -> None:
    """Or None, where it has no such version."""
    one, two = Version("m", 1, "Production"), Version("m", 2, "production")
    model = Model("m", (one, two), {"champion": 1, "gone": 9})
    assert model.find(Subject("m")) is two
    assert model.find(Subject("m", version=1)) is one
    assert model.find(Subject("m", alias="champion")) is one
    assert model.find(Subject("m", alias="gone")) is None
    assert model.find(Subject("m", alias="none")) is None
    assert Model("m").find(Subject("m")) is None
    assert model.staged("Production") == (one, two)


def test_a_step_says_what_it_does() -> None:
    """As dry runs and ledgers print it."""
    assert str(Step("stage", "m", 3, "Production", True)) == "m/3 → stage Production"
    assert str(Step("alias", "m", 3, "champion")) == "m/3 → @champion"
    assert str(Step("copy", "m", 3, "prod.m")) == "copy m/3 to prod.m"
