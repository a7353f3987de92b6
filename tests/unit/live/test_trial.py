"""One split: what the ledger keeps of it, and what the registry shows of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import ladder
from gatewright.live.looks import Arm, Look
from gatewright.live.moments import Moments
from gatewright.live.trial import ALIAS, SALT, WEIGHT, Trial, next_label, read, shown, trial_of, written
from gatewright.subject import Model, Version

TRIAL = Trial("fraud", 1, 2, datetime(2026, 11, 1, 8, 30, tzinfo=timezone.utc), 1000, "5a17", 12_345.5)


def model(aliases: dict[str, int] | None = None, tags: dict[int, dict[str, str]] | None = None) -> Model:
    """Three versions of fraud."""
    versions = tuple(Version("fraud", n, tags=(tags or {}).get(n, {})) for n in (1, 2, 3))
    return Model("fraud", versions, aliases or {})


def labelled(models: ladder.Models, trial: Trial | None) -> tuple[ladder.Models, list[str]]:
    """The registry after every label, and the calls that it took."""
    steps = []
    while (step := next_label(models, "fraud", trial)) is not None:
        models = ladder.perform(step, models)
        steps.append(step.kind)
        assert len(steps) < 20
    return models, steps


def test_a_split_comes_back_from_the_ledger_as_it_was() -> None:
    """Through JSON, to the last digit."""
    assert trial_of(json.loads(json.dumps(TRIAL.details()))) == TRIAL


@pytest.mark.parametrize("broken", [{}, {**TRIAL.details(), "started": "soon"}, {**TRIAL.details(), "parts": None}])
def test_an_entry_that_tells_of_no_split_is_said_to_be_none(broken: dict[str, object]) -> None:
    """Another release's, or a damaged one."""
    with pytest.raises(ValueError, match="tells of no experiment"):
        trial_of(broken)


@given(
    st.lists(st.floats(0, 1e12), min_size=7, max_size=7), st.floats(0, 1e8), st.integers(0, 10**9), st.integers(0, 99)
)
def test_what_was_seen_comes_back_to_the_last_digit(sums: list[float], at: float, exposed: int, mixed: int) -> None:
    """So that the same judgement comes of it in a year."""
    look = Look(at, Arm(exposed, {"bought": Moments(*sums)}), Arm(), mixed)
    assert read(written([look], at)) == ((look,), at)


def test_tags_come_before_the_alias_and_leave_after_it() -> None:
    """Whoever sees the alias sees its share."""
    begun, steps = labelled({"fraud": model({"champion": 1})}, TRIAL)
    assert steps == ["tag", "tag", "tag", "tag", "alias"]
    assert shown(begun["fraud"])["parts"] == {"1": "9000", "2": "1000"}
    ended, steps = labelled(begun, None)
    assert steps == ["unalias", "untag", "untag", "untag", "untag"]
    assert ended == {"fraud": model({"champion": 1})}


def test_labels_of_a_former_split_are_replaced() -> None:
    """An alias on another version, a share on a third."""
    left = model({ALIAS: 3}, {3: {WEIGHT: "2000", SALT: "old", "risk": "low"}})
    after, _ = labelled({"fraud": left}, TRIAL)
    assert after["fraud"].aliases == {ALIAS: 2}
    assert after["fraud"].versions[2].tags == {"risk": "low"}


def test_a_copy_keeps_no_label_and_its_own_aliases() -> None:
    """It took the tags of its original along; an alias of its model is somebody else's."""
    copy = Model("prod.fraud", (Version("prod.fraud", 1, tags={WEIGHT: "1000", SALT: "5a17"}),), {ALIAS: 1})
    after, _ = labelled({"fraud": model(), "prod.fraud": copy}, TRIAL)
    assert after["prod.fraud"].versions[0].tags == {}
    assert after["prod.fraud"].aliases == {ALIAS: 1}


def test_a_challenger_that_was_deleted_gets_no_alias() -> None:
    """A loop that asks for the impossible would never end."""
    gone = Model("fraud", (Version("fraud", 1),))
    after, _ = labelled({"fraud": gone}, TRIAL)
    assert after["fraud"].aliases == {}
