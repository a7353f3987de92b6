"""Who holds a target, and which steps bring a version there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatewright.ladder import Models, holding, holds, next_step, number_in, perform, plan, snapshot
from gatewright.policy.model import Place, Target
from gatewright.subject import Model, Step, Version

PRODUCTION = Target("production", (), Place("p.yaml", 1, 1), stage="Production", alias="champion")


def versions(*stages: str, name: str = "fraud") -> tuple[Version, ...]:
    """Versions 1, 2, … in the given stages."""
    return tuple(Version(name, n, stage) for n, stage in enumerate(stages, 1))


def registry(*stages: str, **aliases: int) -> dict[str, Model]:
    """A registry that holds one model."""
    return {"fraud": Model("fraud", versions(*stages), aliases)}


def test_nobody_holds_a_target_of_a_model_that_is_not_there() -> None:
    """Not found means no champion, and no conflict."""
    assert holding(PRODUCTION, "fraud", {}) == holding(PRODUCTION, "fraud", {"fraud": Model("fraud")})


def test_stage_and_alias_that_agree_name_the_holder() -> None:
    """Both say version 1."""
    assert holding(PRODUCTION, "fraud", registry("Production", "None", champion=1)).number == 1


def test_a_stage_names_the_holder_while_the_alias_is_not_set_yet() -> None:
    """A registry that is taken under the gate has stages and no aliases."""
    assert holding(PRODUCTION, "fraud", registry("Production", "None")).number == 1


def test_stage_and_alias_that_disagree_name_nobody() -> None:
    """Choosing one of them would compare with the wrong champion."""
    conflict = holding(PRODUCTION, "fraud", registry("Production", "None", champion=2)).conflict
    assert conflict == "alias champion of fraud names v2, but stage Production holds v1"


def test_two_holders_where_one_is_meant_are_a_conflict() -> None:
    """MLflow allows it; the gate cannot tell which is the champion."""
    conflict = holding(replace(PRODUCTION, alias=""), "fraud", registry("Production", "Production")).conflict
    assert conflict == "v1 and v2 of fraud are all in stage Production, where one is meant"


def test_several_holders_are_fine_where_nothing_is_archived() -> None:
    """The newest is the champion."""
    staging = Target("staging", (), Place("p.yaml", 1, 1), stage="Staging", archive_existing=False)
    assert holding(staging, "fraud", registry("Staging", "Staging")).number == 2


def test_the_stage_moves_before_the_alias() -> None:
    """The transition archives the old holder in the same call; readers of the alias see the old one until then."""
    models = registry("Production", "Staging", champion=1)
    candidate = models["fraud"].versions[1]
    steps = [step for step, _ in plan(PRODUCTION, candidate, models)]
    assert steps == [
        Step("stage", "fraud", 2, "Production", archive=True),
        Step("alias", "fraud", 2, "champion"),
    ]


def test_a_copy_carries_stage_and_alias_in_its_own_model() -> None:
    """The candidate's own stage is left alone."""
    target = replace(PRODUCTION, copy_to="prod.fraud")
    models = registry("None", "None")
    candidate = models["fraud"].versions[1]
    steps = list(plan(target, candidate, models))
    assert [s.kind for s, _ in steps] == ["copy", "stage", "alias"]
    after = steps[-1][1]
    assert after["prod.fraud"].aliases == {"champion": 1}
    assert after["fraud"] == models["fraud"]
    assert holding(target, "fraud", after).number == 2


def promoted_one_after_the_other(target: Target, models: Models) -> Models:
    """The registry after every version of `fraud` has taken the target in turn."""
    for version in models["fraud"].versions:
        *_, (_, models) = plan(target, version, models)
    return models


def test_a_copy_that_is_still_there_is_pointed_at_again() -> None:
    """Going back to an earlier version needs no second copy where an alias tells copies apart."""
    target = Target("production", (), Place("p.yaml", 1, 1), copy_to="prod", alias="champion")
    models = promoted_one_after_the_other(target, registry("None", "None"))
    (step,) = [s for s, _ in plan(target, models["fraud"].versions[0], models)]
    assert step == Step("alias", "prod", 1, "champion")


def test_without_an_alias_the_newest_copy_is_the_holder_so_going_back_copies_again() -> None:
    """Only the newest version of the destination holds such a target."""
    target = Target("production", (), Place("p.yaml", 1, 1), copy_to="prod")
    models = promoted_one_after_the_other(target, registry("None", "None"))
    first = models["fraud"].versions[0]
    step = next_step(target, first, models)
    assert step == Step("copy", "fraud", 1, "prod")
    assert holds(target, first, perform(step, models))


def test_a_version_that_shares_its_stage_does_not_hold_a_target_meant_for_one() -> None:
    """Promotion again archives the other."""
    models = registry("Production", "Production", champion=2)
    step = next_step(PRODUCTION, models["fraud"].versions[1], models)
    assert step == Step("stage", "fraud", 2, "Production", archive=True)
    assert [v.stage for v in perform(step, models)["fraud"].versions] == ["Archived", "Production"]


def test_a_snapshot_shows_every_part_of_the_target() -> None:
    """The ledger keeps it as before and after."""
    models = registry("Production", "Staging", champion=1)
    assert snapshot(PRODUCTION, models["fraud"].versions[1], models) == {
        "model": "fraud",
        "candidate": {"version": 2, "stage": "Staging"},
        "stage": {"Production": [1]},
        "alias": {"champion": 1},
    }


@pytest.mark.parametrize(("source", "number"), [("models:/fraud/7", 7), ("models:/other/7", None), ("s3://x", None)])
def test_a_copy_knows_where_it_came_from(source: str, number: int | None) -> None:
    """By its source, as the registry writes it."""
    assert number_in("fraud", Version("prod", 3, source=source)) == number


def test_copying_what_is_gone_is_an_error() -> None:
    """Nothing is invented."""
    with pytest.raises(ValueError, match="fraud/9 is not there to be copied"):
        perform(Step("copy", "fraud", 9, "prod"), registry("None"))
