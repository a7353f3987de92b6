"""What a command is about: a subject as typed, and the registry's models and versions as they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.problem import UsageError

#: a model's name may hold anything but "/" and ":", so the last "@" is the one that names an alias
_SUBJECT = re.compile(r"(?:models:/)?(?P<model>[^/:]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[\w-]+))")


@dataclass(frozen=True, slots=True)
class Subject:
    """`model/12`, `model@alias` or `model/latest`; exactly one of `version`, `alias` and `latest` is set."""

    model: str
    version: int | None = None
    alias: str | None = None

    @property
    def latest(self) -> bool:
        return self.version is None and self.alias is None

    def __str__(self) -> str:
        if self.alias is not None:
            return f"{self.model}@{self.alias}"
        return f"{self.model}/{'latest' if self.version is None else self.version}"


def parse_subject(text: str) -> Subject:
    """Reads a subject; raises UsageError that shows the three spellings."""
    hint = "write MODEL/12, MODEL@alias or MODEL/latest"
    match = _SUBJECT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f'"{text}" names no model version', hint, "ambiguous_subject")
    if match["alias"] is not None:
        return Subject(match["model"], alias=match["alias"])
    if match["version"].lower() == "latest":
        return Subject(match["model"])
    if not re.fullmatch(r"[1-9][0-9]{0,17}", match["version"]):
        raise UsageError(f'"{match["version"]}" is no version number', hint, "ambiguous_subject")
    return Subject(match["model"], version=int(match["version"]))


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model version as the registry shows it now. Times are milliseconds since 1970, UTC.

    updated: when anything about it was changed last, its stage or a word of its description; no part of what it is.
    """

    model: str
    number: int
    stage: str = "None"
    run_id: str = ""
    source: str = ""
    model_id: str = ""
    author: str = ""
    created: int = 0
    status: str = "READY"
    tags: Mapping[str, str] = field(default_factory=dict)
    updated: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model: all its versions, ascending, and its aliases (name → version number)."""

    name: str
    versions: tuple[Version, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)

    def version(self, number: int) -> Version | None:
        return next((v for v in self.versions if v.number == number), None)

    def find(self, subject: Subject) -> Version | None:
        """The version that a subject means, or None where this model has no such version."""
        if subject.alias is not None:
            number = self.aliases.get(subject.alias)
            return None if number is None else self.version(number)
        if subject.version is not None:
            return self.version(subject.version)
        return self.versions[-1] if self.versions else None

    def staged(self, stage: str) -> tuple[Version, ...]:
        """Every version in a stage; there may be several, whatever MLflow's "latest versions" shows."""
        return tuple(v for v in self.versions if v.stage.lower() == stage.lower())

    def shows(self, copy: Step) -> bool:
        """Whether the newest version is what a copying step would make: then it need not be made again."""
        return bool(self.versions) and self.versions[-1].source == copy.source


@dataclass(frozen=True, slots=True)
class Step:
    """One call that changes the registry.

    stage: `model/version` enters `value`, archiving its present holders if `archive`.
    alias: `value` points at `model/version`.
    copy: `model/version` is copied into the registered model `value`.
    tag: `model/version` is tagged `key` = `value`.
    unalias: `value`, which points at `model/version`, is taken away.
    untag: the tag `key` of `model/version` is taken away.
    """

    kind: str
    model: str
    version: int
    value: str
    archive: bool = False
    key: str = ""

    @property
    def source(self) -> str:
        """What MLflow says that a copy was made of."""
        return f"models:/{self.model}/{self.version}"

    def __str__(self) -> str:
        what = f"{self.model}/{self.version}"
        if self.kind == "copy":
            return f"copy {what} to {self.value}"
        if self.kind in ("tag", "untag"):
            return f"{self.kind} {what} {self.key}"
        if self.kind == "unalias":
            return f"{what} loses @{self.value}"
        return f"{what} → {'@' if self.kind == 'alias' else 'stage '}{self.value}"
