"""The seam to a model registry: what the gate reads of it, and the one way it changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gatewright.subject import Model, Step, Version


@dataclass(frozen=True, slots=True)
class Logged:
    """A metric's value at its highest step. `at` is milliseconds since 1970."""

    value: float
    step: int
    at: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that a run declares to have used."""

    name: str
    digest: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The run that made a version, or the logged model of MLflow 3, as far as checks ask about it.

    location: the URI below which its artifacts lie, "" where the registry does not say.
    """

    id: str
    metrics: Mapping[str, Logged] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    user: str = ""
    deleted: bool = False
    location: str = ""


class Registry(Protocol):
    """What every registry adapter offers. Reads return None for "not found" alone.

    Whatever else goes wrong (unreachable, refused, unreadable answer) raises Undetermined, which names the server
    and the remedy; no adapter turns it into None.
    """

    #: the server, for people, without credentials
    address: str

    def model(self, name: str) -> Model | None:
        """A registered model with all its versions and aliases."""

    def several(self, names: Sequence[str]) -> Mapping[str, Model]:
        """Many registered models, read together; those that do not exist are left out."""

    def run(self, run_id: str) -> Run | None:
        """A run; deleted ones are found and say so."""

    def logged_model(self, model_id: str) -> Run | None:
        """A logged model of MLflow 3 with its own metrics, params and tags."""

    def open(self, version: Version, path: str) -> bytes | None:
        """One file of a version's model folder, for example `MLmodel`."""

    def download(self, uri: str, into: Path) -> None:
        """Copies the file or folder that a version's source or another MLflow URI names to `into`.

        Raises Undetermined where it does not exist: a model that is registered has files.
        """

    def apply(self, step: Step) -> None:
        """Performs one step. Whether it has come about is for the next reading to tell, never for the answer.

        Performing the same step twice is the same as performing it once; a copy that already is the newest version
        of its destination is used again.
        """
