"""What the registry shows of one version, each object read once however many checks ask."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from gatewright.evidence import Fact, Scalar
from gatewright.measure import mlmodel
from gatewright.measure.mlmodel import MLmodel
from gatewright.measure.quoting import ident, storable
from gatewright.paths import Path
from gatewright.registry import Registry, Run
from gatewright.subject import Version

T = TypeVar("T")

_LOGGED_MODEL = re.compile(r"models:/(m-[\w-]+)/?", re.ASCII)
_COPY_OF = re.compile(r"models:/([^/@]+)/([1-9][0-9]{0,17})/?")
_MAX_COPIES = 8


class Once:
    """The registry as one evaluation sees it: every question is put once, even if several threads ask."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._asked: dict[Hashable, Future[Any]] = {}

    def run(self, run_id: str) -> Run | None:
        """The run, None if it is gone for good."""
        return self._once(("run", run_id), lambda: self._registry.run(run_id))

    def logged_model(self, model_id: str) -> Run | None:
        """The logged model of MLflow 3, None if there is none."""
        return self._once(("logged", model_id), lambda: self._registry.logged_model(model_id))

    def version(self, model: str, number: int) -> Version | None:
        """Another version, for copies that name where they came from."""
        found = self._once(("model", model), lambda: self._registry.model(model))
        return found.version(number) if found is not None else None

    def mlmodel(self, version: Version) -> MLmodel | None:
        """The version's MLmodel file, None where there is no such file."""
        return self._once(_file(version), lambda: self._open(version))

    def has_read_mlmodel(self, version: Version) -> bool:
        """Whether somebody asked for the version's MLmodel file."""
        return _file(version) in self._asked

    def _open(self, version: Version) -> MLmodel | None:
        content = self._registry.open(version, "MLmodel")
        return None if content is None else mlmodel.parse(content)

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        with self._lock:
            first = key not in self._asked
            answer = self._asked.setdefault(key, Future())
        if first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
        return cast(T, answer.result())


def _file(version: Version) -> Hashable:
    return ("mlmodel", version.model, version.number)


@dataclass(frozen=True, slots=True)
class Reading:
    """One version, its role, and the registry behind it; `rival` is what it is compared with."""

    who: Literal["candidate", "champion"]
    version: Version
    once: Once
    now: datetime
    rival: Reading | None = None

    @property
    def run(self) -> Run | None:
        """The source run; None where the version names none or the run is gone."""
        return self.once.run(self.version.run_id) if self.version.run_id else None

    @property
    def logged(self) -> Run | None:
        """The logged model that MLflow 3 keeps beside the run."""
        model_id = self.model_id
        return self.once.logged_model(model_id) if model_id else None

    @property
    def model_id(self) -> str:
        """The logged model's id; not every server fills in the field, but the source names it too."""
        if self.version.model_id:
            return self.version.model_id
        match = _LOGGED_MODEL.fullmatch(self.origin)
        return match[1] if match else ""

    @property
    def origin(self) -> str:
        """The source, followed through copies (`models:/fraud/3`) to the version they were made of."""
        source = self.version.source
        for _ in range(_MAX_COPIES):
            copy = _COPY_OF.fullmatch(source)
            if copy is None or _LOGGED_MODEL.fullmatch(source):
                break
            original = self.once.version(copy[1], int(copy[2]))
            if original is None:
                break
            source = original.source
        return source

    @property
    def mlmodel(self) -> MLmodel | None:
        """The MLmodel file, None where there is none.

        Where the logged model or the run tells where the files are, it is read first, to be asked for once.
        """
        if _LOGGED_MODEL.fullmatch(self.version.source):
            _ = self.logged
        elif self.version.source.startswith("runs:/"):
            _ = self.run
        return self.once.mlmodel(self.version)

    @property
    def has_read_mlmodel(self) -> bool:
        """Whether a check has read the MLmodel file."""
        return self.once.has_read_mlmodel(self.version)

    @property
    def run_gap(self) -> str:
        """Why there is no run to read; empty if there is one."""
        if not self.version.run_id:
            return f"{self.name} was registered without a run"
        run, run_id = self.run, ident(self.version.run_id)
        if run is None:
            return f"run {run_id} of {self.name} does not exist any more"
        if run.deleted:
            restore = f"`mlflow runs restore --run-id {run_id}` brings it back"
            return f"run {run_id} of {self.name} was deleted; {restore}"
        return ""

    @property
    def registered(self) -> int | None:
        """When the version was registered, if the registry says so."""
        return self.version.created or None

    @property
    def name(self) -> str:
        """The version for sentences: `fraud-detector/12`."""
        return f"{ident(self.version.model)}/{self.version.number}"

    def known(
        self,
        path: Path,
        value: Scalar,
        source: str,
        *,
        at: int | None = None,
        why: str = "",
        stands_for: Scalar | None = None,
    ) -> Fact:
        """A value that was found."""
        kept = storable(value) if isinstance(value, str) else value
        return Fact(self.who, path, "known", kept, why, source, at, stands_for=stands_for)

    def missing(self, path: Path, why: str, source: str = "") -> Fact:
        """A value that was looked for and is not there."""
        return Fact(self.who, path, "missing", why=why, source=source)

    def unreadable(self, path: Path, why: str, source: str = "", at: int | None = None) -> Fact:
        """A value that is there and cannot be used, or could not be looked for."""
        return Fact(self.who, path, "unreadable", why=why, source=source, at=at)

    def opened(self, path: Path) -> MLmodel | Fact:
        """The MLmodel file, or the fact that stands in for `path` where the file is absent or broken."""
        file = self.mlmodel
        if file is None:
            return self.missing(path, f"there is no MLmodel file where {self.name} is stored", "MLmodel")
        if file.fault:
            return self.unreadable(path, f"{self.name}: {file.fault}", "MLmodel")
        return file
