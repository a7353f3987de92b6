"""A registry in memory, for tests and rehearsals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gatewright import ladder
from gatewright.problem import Undetermined
from gatewright.registry import Registry, Run
from gatewright.subject import Model, Step, Version


class MemoryRegistry:
    """Models, runs, logged models and files as given; steps change them and are kept in `applied`.

    files: (registered model, version number) → path → content.
    """

    def __init__(
        self,
        models: Iterable[Model] = (),
        runs: Iterable[Run] = (),
        logged_models: Iterable[Run] = (),
        files: Mapping[tuple[str, int], Mapping[str, bytes]] | None = None,
        address: str = "memory",
    ) -> None:
        self.models = {m.name: m for m in models}
        self.runs = {r.id: r for r in runs}
        self.logged_models = {r.id: r for r in logged_models}
        self.files = dict(files or {})
        self.applied: list[Step] = []
        self.address = address

    def model(self, name: str) -> Model | None:
        """A registered model."""
        return self.models.get(name)

    def several(self, names: Sequence[str]) -> dict[str, Model]:
        """Many registered models."""
        return {name: self.models[name] for name in names if name in self.models}

    def run(self, run_id: str) -> Run | None:
        """A run."""
        return self.runs.get(run_id)

    def logged_model(self, model_id: str) -> Run | None:
        """A logged model."""
        return self.logged_models.get(model_id)

    def open(self, version: Version, path: str) -> bytes | None:
        """A file of a version; a copy has the files of what it was copied from."""
        model, _, number = version.source.removeprefix("models:/").rpartition("/")
        copied = (model, int(number)) if number.isdigit() else None
        files = self.files.get((version.model, version.number)) or (self.files.get(copied) if copied else None)
        return (files or {}).get(path)

    def download(self, uri: str, into: Path) -> None:
        """Writes the files of the version that a URI `models:/NAME/N` names."""
        model, _, number = uri.removeprefix("models:/").rpartition("/")
        files = self.files.get((model, int(number) if number.isdigit() else -1))
        if files is None:
            raise Undetermined(f"could not fetch {uri}", "there is no such thing in memory", "Check the address.")
        for path, content in files.items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            (into / path).write_bytes(content)

    def apply(self, step: Step) -> None:
        """Performs a step as MLflow would."""
        self.applied.append(step)
        self.models = performed(step, self.models, self.address)


class Rehearsal:
    """A registry whose reads are real and whose steps only seem to happen: what a dry run acts upon."""

    def __init__(self, real: Registry) -> None:
        self._real = real
        self._changed: dict[str, Model] = {}
        self.applied: list[Step] = []
        self.address = real.address

    def model(self, name: str) -> Model | None:
        """A registered model as the steps so far would have left it."""
        return self._changed.get(name) or self._real.model(name)

    def several(self, names: Sequence[str]) -> dict[str, Model]:
        """Many models as the steps so far would have left them."""
        return {**self._real.several(names), **{name: m for name, m in self._changed.items() if name in names}}

    def run(self, run_id: str) -> Run | None:
        """A run, from the real registry."""
        return self._real.run(run_id)

    def logged_model(self, model_id: str) -> Run | None:
        """A logged model, from the real registry."""
        return self._real.logged_model(model_id)

    def open(self, version: Version, path: str) -> bytes | None:
        """A file of a version, from the real registry."""
        return self._real.open(version, path)

    def download(self, uri: str, into: Path) -> None:
        """Files, from the real registry."""
        self._real.download(uri, into)

    def apply(self, step: Step) -> None:
        """Notes a step and shows its result from now on."""
        names = {step.model, step.value} if step.kind == "copy" else {step.model}
        seen = {name: model for name in names if (model := self.model(name))}
        self._changed |= performed(step, seen, self.address)
        self.applied.append(step)


def performed(step: Step, models: Mapping[str, Model], address: str) -> dict[str, Model]:
    """The models after a step; Undetermined where MLflow would refuse."""
    where = models.get(step.model)
    if where is None or where.version(step.version) is None:
        missing = f"{step.model}/{step.version}"
        why = f"{missing} does not exist at {address}"
        raise Undetermined(f"could not {step}", why, "Somebody may have deleted it; run the command again.")
    there = models.get(step.value) if step.kind == "copy" else None
    if there and there.shows(step):
        return dict(models)
    return dict(ladder.perform(step, models))
