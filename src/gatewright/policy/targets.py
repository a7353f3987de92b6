"""The ladder: each target's way of being held, what it stands after, what it asks for."""

from __future__ import annotations

import re
from decimal import Decimal

from gatewright.policy.approvers import Roll
from gatewright.policy.checks import CheckList, Vocabulary, resolved, stand_once
from gatewright.policy.document import Node, Scalar, did_you_mean
from gatewright.policy.fields import Faults, Fields, entries_of, stage_of
from gatewright.policy.model import Approver, Check, Place, Rule, Target
from gatewright.policy.schema import OVERRIDE, ROLLBACK, TARGET

MAX_TARGETS = 50
DEFAULT_EXCLUDE = ("requester", "pr_author", "model_author")

_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ALIAS = re.compile(r"[\w-]{1,255}")


def read_targets(node: Node | None, model: str, known: Vocabulary, roll: Roll, faults: Faults) -> tuple[Target, ...]:
    """All targets of a file, lowest first, their includes taken over."""
    pairs = entries_of(node, '"targets"', faults) if node else ()
    if len(pairs) > MAX_TARGETS:
        faults.add(pairs[MAX_TARGETS][0].place, f"more than {MAX_TARGETS} targets", "nobody could climb them")
        pairs = pairs[:MAX_TARGETS]
    named = [(key, Fields(TARGET, value, f'target "{key.text}"', faults)) for key, value in pairs]
    _names([key for key, _ in named], faults)
    checks = _checks(named, known, faults)
    targets = tuple(_target(key, fields, checks[key.text], roll) for key, fields in named)
    for target, (_, fields) in zip(targets, named, strict=True):
        _after(target, fields, [t.name for t in targets], faults)
        _can_be_held(target, fields, model, known, faults)
    _one_holder(targets, named, model, faults)
    return targets


def _names(keys: list[Scalar], faults: Faults) -> None:
    seen: dict[str, str] = {}
    for key in keys:
        if not _TARGET_NAME.fullmatch(key.text):
            hint = "a comment must be able to name it: letters, digits, _ . and -"
            faults.add(key.place, f'"{key.text[:60]}" cannot be the name of a target', hint)
        other = seen.setdefault(key.text.casefold(), key.text)
        if other != key.text:
            faults.add(key.place, f'"{key.text}" and "{other}" differ only in letter case', "rename one of them")


def _checks(named: list[tuple[Scalar, Fields]], known: Vocabulary, faults: Faults) -> dict[str, tuple[Check, ...]]:
    """Target → blocking checks, then warnings."""
    lists = CheckList(known, faults)
    blocking = {key.text: lists.read(fields.node("checks"), "block") for key, fields in named}
    warning = {key.text: lists.read(fields.node("warnings"), "warn") for key, fields in named}
    for name, entries in blocking.items():
        stand_once([*entries, *warning[name]], faults)
    whole = resolved(blocking, faults)
    return {name: whole[name] + tuple(c for c in warning[name] if isinstance(c, Check)) for name in whole}


def _target(key: Scalar, fields: Fields, checks: tuple[Check, ...], roll: Roll) -> Target:
    stage = fields.node("stage")
    return Target(
        name=key.text,
        checks=checks,
        place=key.place,
        after=fields.text("after"),
        stage=stage_of(stage, fields.faults) if stage else "",
        archive_existing=fields.flag("archive_existing", True),
        alias=fields.text("alias"),
        copy_to=fields.text("copy_to"),
        approvals=roll.rules(fields.node("approvals")),
        exclude=fields.texts("exclude", DEFAULT_EXCLUDE),
        expires=fields.span("expires", Decimal(7 * 86400)),
        rollback_approvals=_rollback(fields, roll),
        override=_override(fields, roll),
        stale_after=fields.span("stale_after", Decimal(0)) or None,
    )


def _rollback(fields: Fields, roll: Roll) -> tuple[Rule, ...]:
    node = fields.node("rollback")
    inner = Fields(ROLLBACK, node, '"rollback"', fields.faults) if node else None
    return roll.rules(inner.node("approvals")) if inner else ()


def _override(fields: Fields, roll: Roll) -> tuple[Approver, ...]:
    node = fields.node("override")
    inner = Fields(OVERRIDE, node, '"override"', fields.faults) if node else None
    return roll.approvers(inner.node("from"), '"from"') if inner else ()


def _after(target: Target, fields: Fields, names: list[str], faults: Faults) -> None:
    lower = names[: names.index(target.name)]
    if not target.after or target.after in lower:
        return
    if target.after == target.name:
        faults.add(fields.at("after"), f'"{target.name}" cannot stand after itself', "name a lower target")
    elif target.after in names:
        hint = "targets are written lowest first"
        faults.add(fields.at("after"), f'"{target.after}" stands higher than "{target.name}"', hint)
    else:
        hint = did_you_mean(target.after, lower) or (f"there is {', '.join(lower)}" if lower else "leave it out")
        faults.add(fields.at("after"), f'there is no target "{target.after}" below "{target.name}"', hint)


def _can_be_held(target: Target, fields: Fields, model: str, known: Vocabulary, faults: Faults) -> None:
    if not any(key in fields for key in ("stage", "alias", "copy_to")):
        hint = "give it a stage, an alias, or copy_to"
        faults.add(target.place, f"no version can ever hold {fields.what}", hint)
    if "archive_existing" in fields and "stage" not in fields:
        faults.add(fields.at("archive_existing"), '"archive_existing" goes with a stage', "leave it out")
    if target.copy_to:
        model_name(target.copy_to, fields.at("copy_to"), faults)
        if target.copy_to == model:
            faults.add(
                fields.at("copy_to"),
                f'"{model}" cannot be copied into itself',
                "name another registered model",
            )
    if target.alias:
        _alias(target.alias, fields.at("alias"), known, faults)


def _alias(alias: str, place: Place, known: Vocabulary, faults: Faults) -> None:
    if alias.lower() == "latest":
        faults.add(place, 'MLflow keeps the alias "latest" for itself', "choose another")
    elif re.fullmatch(r"[vV][0-9]+", alias):
        faults.add(place, f'MLflow reads the alias "{alias}" as a version number', "choose another")
    elif not _ALIAS.fullmatch(alias):
        faults.add(place, f'"{alias[:60]}" cannot be an alias', "MLflow allows letters, digits, _ and -")
    elif alias == "challenger" and "live" in known.blocks:
        faults.add(place, 'the live split needs the alias "challenger" for itself', "choose another")


def model_name(name: str, place: Place, faults: Faults) -> None:
    """Reports a name that no registered model can have."""
    if any(c in name for c in "/:") or name in (".", ".."):
        faults.add(place, f'"{name}" cannot be a registered model', "MLflow's names hold no / and no :")


def _one_holder(targets: tuple[Target, ...], named: list[tuple[Scalar, Fields]], model: str, faults: Faults) -> None:
    """No two targets are held by the same stage, alias or copy: whoever entered one would leave the other."""
    taken: dict[tuple[str, str, str], str] = {}
    for target, (_, fields) in zip(targets, named, strict=True):
        home = target.copy_to or model
        ways = [("stage", target.stage), ("alias", target.alias)]
        if target.copy_to and not (target.stage or target.alias):
            ways.append(("copy_to", target.copy_to))
        for way, value in ways:
            other = taken.setdefault((home, way, value), target.name) if value else target.name
            if other != target.name:
                text = f'target "{other}" is held by {way} "{value}" already'
                faults.add(fields.at(way), text, "each target needs its own")
