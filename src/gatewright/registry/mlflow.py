"""An MLflow registry: tracking servers, databases and folders alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gatewright.connection import Connection
from gatewright.connection.together import FEW, side_by_side
from gatewright.problem import Undetermined
from gatewright.registry import Dataset, Logged, Run
from gatewright.subject import Model, Step, Version

#: versions asked for at a time
PAGE = 1000

Answer = Mapping[str, Any]
T = TypeVar("T")


class MlflowRegistry:
    """Reads and moves model versions. Keeps nothing but where the folders of runs and logged models lie."""

    def __init__(self, connection: Connection, page: int = PAGE) -> None:
        self._connection, self._page = connection, page
        self._folders: dict[str, str] = {}
        self.address = connection.registry_address

    def model(self, name: str) -> Model | None:
        """A registered model with all its versions and aliases: two requests, one more a thousand versions."""
        what = f"read model {name}"
        answer = self._connection.call(what, "registered-models/get", name=name)
        if answer is None:
            return None
        return self._read(what, lambda: _named(name, _model(answer["registered_model"], self._versions(name))))

    def several(self, names: Sequence[str]) -> dict[str, Model]:
        """Many models: two requests each; if they are many, the whole registry a thousand at a time."""
        if len(names) <= FEW:
            return {m.name: m for m in side_by_side(self.model, names) if m is not None}
        # Models first: a version that is registered in between is one too many, and none is missing.
        what, wanted = "list the models", set(names)
        models = {str(m["name"]): m for m in self._pages(what, "registered-models/search", "registered_models")}
        versions: dict[str, dict[str, Answer]] = {name: {} for name in models}
        for v in self._pages("list the versions", "model-versions/search", "model_versions"):
            versions.get(str(v["name"]), {})[str(v["version"])] = v
        found = (self._of_lists(models[name], versions[name].values()) for name in sorted(wanted & models.keys()))
        return {model.name: model for model in found if model is not None}

    def _of_lists(self, found: Answer, told: Iterable[Answer]) -> Model | None:
        """A model as the lists show it; where they do not fit together, as it shows itself."""
        try:
            return _model(found, told)
        except (KeyError, TypeError, ValueError):
            return self.model(str(found["name"]))

    def _pages(self, what: str, call: str, part: str) -> Iterator[Answer]:
        """Everything that a list holds, by name, so that what is added meanwhile moves no page by more than itself."""
        token: str | None = None
        while token != "":
            answer = self._connection.call(what, call, max_results=PAGE, order_by=["name ASC"], page_token=token) or {}
            yield from answer.get(part, ())
            token = str(answer.get("next_page_token", ""))

    def _versions(self, name: str) -> list[Answer]:
        """All versions, page by page; a version that turns up on two pages counts once."""
        found: dict[str, Answer] = {}
        token: str | None = None
        while token != "":
            answer = self._connection.call(
                f"list the versions of {name}",
                "model-versions/search",
                filter=f"name={_quoted(name)}",
                max_results=self._page,
                order_by=["version_number ASC"],
                page_token=token,
            )
            page = (answer or {}).get("model_versions", [])
            found.update((str(v["version"]), v) for v in page if v["name"] == name)
            token = (answer or {}).get("next_page_token", "")
        return list(found.values())

    def run(self, run_id: str) -> Run | None:
        """A run; deleted ones are found and say so, those that are gone for good are None."""
        what = f"read run {run_id}"
        answer = self._connection.call(what, "runs/get", run_id=run_id)
        if answer is None:
            return None
        return self._read(what, lambda: self._run(run_id, answer["run"]))

    def _run(self, run_id: str, found: Answer) -> Run:
        info, data = found["info"], found.get("data", {})
        if info.get("run_id", info.get("run_uuid")) != run_id:
            raise ValueError("the answer is about another run")
        self._folders[f"runs:/{run_id}"] = str(info.get("artifact_uri", ""))
        inputs = found.get("inputs", {}).get("dataset_inputs", ())
        tags = _pairs(data.get("tags"))
        return Run(
            run_id,
            _metrics(data.get("metrics")),
            _pairs(data.get("params")),
            tags,
            tuple(_dataset(d["dataset"]) for d in inputs),
            tags.get("mlflow.user") or str(info.get("user_id", "")),
            str(info.get("lifecycle_stage", "active")).lower() == "deleted",
            self._folders[f"runs:/{run_id}"],
        )

    def logged_model(self, model_id: str) -> Run | None:
        """A logged model of MLflow 3 with its own metrics, params and tags."""
        what = f"read logged model {model_id}"
        answer = self._connection.call(what, "logged-models/get", model_id=model_id)
        if answer is None:
            return None
        return self._read(what, lambda: self._logged(model_id, answer["model"]))

    def _logged(self, model_id: str, found: Answer) -> Run:
        info, data = found["info"], found.get("data", {})
        if info["model_id"] != model_id:
            raise ValueError("the answer is about another model")
        self._folders[f"models:/{model_id}"] = str(info.get("artifact_uri", ""))
        tags = _pairs(info.get("tags"))
        metrics, params = _metrics(data.get("metrics")), _pairs(data.get("params"))
        user, location = tags.get("mlflow.user", ""), self._folders[f"models:/{model_id}"]
        return Run(model_id, metrics, params, tags, _used(data.get("metrics")), user, location=location)

    def open(self, version: Version, path: str) -> bytes | None:
        """One file of a version's model folder, for example `MLmodel`."""
        folder = self._folder(version.source, f"{version}")
        if not folder:
            return None
        return self._connection.read(f"read {path} of {version}", folder, path)

    def download(self, uri: str, into: Path) -> None:
        """Copies what a URI names to `into`."""
        what = f"fetch {uri}"
        folder = self._folder(uri, uri)
        if not folder:
            raise Undetermined(f"could not {what}", "what it names does not exist", "Check the address.")
        self._connection.download(what, folder, into)

    def _folder(self, source: str, whose: str) -> str:
        """Where a source's files really lie; "" if what it names does not exist."""
        scheme, _, rest = source.partition(":/")
        if scheme == "runs":
            run_id, _, path = rest.strip("/").partition("/")
            root = self._folders.get(f"runs:/{run_id}") or (self.run(run_id) and self._folders[f"runs:/{run_id}"])
            return f"{root.rstrip('/')}/{path}" if root else ""
        if scheme != "models":
            return source
        if model_id := _model_id(source):
            known = f"models:/{model_id}"
            return self._folders.get(known) or (self.logged_model(model_id) and self._folders[known]) or ""
        name, _, number = rest.strip("/").rpartition("/")
        what = f"find the files of {whose}"
        answer = self._connection.call(what, "model-versions/get-download-uri", name=name, version=number)
        uri = str((answer or {}).get("artifact_uri", ""))
        if uri == source:
            raise Undetermined(f"could not {what}", f"{source} only leads to itself", "Register the version again.")
        return self._folder(uri, whose) if uri else ""

    def apply(self, step: Step) -> None:
        """Performs one step; whether it was is for the next look to tell."""
        what = str(step)
        if step.kind == "copy":
            self._copy(step)
        elif step.kind not in ("unalias", "untag") or _is_there(step, self._must(step.model, what)):
            name, fields = _sent(step)
            if self._connection.call(what, name, **fields) is None:
                self._gone(what, f"{step.model}/{step.version}")

    def _copy(self, step: Step) -> None:
        """Copies, unless the newest version of the destination already is a copy of the same version."""
        what = str(step)
        destination = self.model(step.value)
        if destination and destination.shows(step):
            return
        original = self._must(step.model, what).version(step.version)
        if original is None:
            self._gone(what, f"{step.model}/{step.version}")
        if destination is None:
            self._make_model(step.value)
        made = self._connection.call(
            what,
            "model-versions/create",
            name=step.value,
            source=step.source,
            run_id=original.run_id or None,
            tags=[{"key": k, "value": v} for k, v in original.tags.items()],
        )
        if made is None:
            self._gone(what, step.value)

    def _make_model(self, name: str) -> None:
        """Makes a registered model; another one who made it at the same time is as good."""
        try:
            self._connection.call(f"make model {name}", "registered-models/create", name=name)
        except Undetermined:
            if self.model(name) is None:
                raise

    def _must(self, name: str, what: str) -> Model:
        return self.model(name) or self._gone(what, name)

    def _gone(self, what: str, missing: str) -> NoReturn:
        why = f"{missing} does not exist at {self.address}"
        raise Undetermined(f"could not {what}", why, "Somebody may have deleted it; run the command again.")

    def _read(self, what: str, parse: Callable[[], T]) -> T:
        """What `parse` makes of an answer; an answer that lacks what every MLflow server says is none."""
        try:
            return parse()
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            said = f'it lacks "{e.args[0]}"' if isinstance(e, KeyError) else str(e)
            raise Undetermined(
                f"could not {what}",
                f"the answer of {self.address} cannot be understood: {said}",
                "Check that the tracking URI is an MLflow server's, and that nothing between changes answers.",
            ) from e


def _sent(step: Step) -> tuple[str, dict[str, Any]]:
    """The call that performs a step within one registered model, and its fields."""
    version = {"name": step.model, "version": str(step.version)}
    if step.kind == "stage":
        fields = {**version, "stage": step.value, "archive_existing_versions": step.archive}
        return "model-versions/transition-stage", fields
    if step.kind == "tag":
        return "model-versions/set-tag", {**version, "key": step.key, "value": step.value}
    if step.kind == "untag":
        return "model-versions/delete-tag", {**version, "key": step.key}
    if step.kind == "unalias":
        return "registered-models/delete-alias", {"name": step.model, "alias": step.value}
    return "registered-models/alias", {**version, "alias": step.value}


def _is_there(step: Step, model: Model) -> bool:
    """Whether what is to be taken away is there; an alias that points elsewhere meanwhile is somebody else's."""
    if step.kind == "unalias":
        return model.aliases.get(step.value) == step.version
    version = model.version(step.version)
    return version is None or step.key in version.tags


def _named(name: str, model: Model) -> Model:
    if model.name != name:
        raise ValueError(f"asked for {name}, it spoke of {model.name}")
    return model


def _model(found: Answer, told: Iterable[Answer]) -> Model:
    """A model and its versions; ValueError where the list of versions lacks one that the model's page shows."""
    versions = sorted((_version(v) for v in told), key=lambda v: v.number)
    seen = {v.number for v in versions}
    aliases = {str(a["alias"]): int(a["version"]) for a in found.get("aliases", ())}
    shown = {int(v["version"]) for v in found.get("latest_versions", ())}
    if lost := sorted(shown - seen):
        raise ValueError(f"the list of versions lacks version {lost[0]}, which the model's page shows")
    return Model(str(found["name"]), tuple(versions), aliases)


def _version(found: Answer) -> Version:
    source = str(found.get("source", ""))
    return Version(
        model=str(found["name"]),
        number=int(found["version"]),
        stage=str(found.get("current_stage") or "None"),
        run_id=str(found.get("run_id") or ""),
        source=source,
        model_id=str(found.get("model_id") or "") or _model_id(source),
        author=str(found.get("user_id") or ""),
        created=int(found.get("creation_timestamp") or 0),
        status=str(found.get("status") or "READY"),
        tags=_pairs(found.get("tags")),
        updated=int(found.get("last_updated_timestamp") or 0),
    )


def _model_id(source: str) -> str:
    """The logged model that a source names: `models:/m-…`."""
    name = source.removeprefix("models:/").strip("/")
    return name if source.startswith("models:/") and name.startswith("m-") and "/" not in name else ""


def _metrics(found: Any) -> dict[str, Logged]:
    """Every metric at its highest step; where there are several values of it, the latest."""
    metrics: dict[str, Logged] = {}
    for m in found or ():
        now = Logged(_float(m.get("value")), int(m.get("step") or 0), int(m.get("timestamp") or 0))
        was = metrics.get(m["key"])
        if was is None or (was.step, was.at) <= (now.step, now.at):
            metrics[str(m["key"])] = now
    return metrics


def _float(value: object) -> float:
    """JSON has no NaN and no infinity; they come as text. A value that is not there is no zero."""
    return float(value) if isinstance(value, (int, float, str)) else float("nan")


def _used(metrics: Any) -> tuple[Dataset, ...]:
    """The datasets that a logged model's metrics were measured on."""
    seen = (Dataset(str(m.get("dataset_name", "")), str(m["dataset_digest"])) for m in metrics or () if _on_data(m))
    return tuple(dict.fromkeys(seen))


def _on_data(metric: Answer) -> bool:
    return bool(metric.get("dataset_digest"))


def _dataset(found: Answer) -> Dataset:
    return Dataset(str(found.get("name", "")), str(found.get("digest", "")), str(found.get("source", "")))


def _pairs(found: Any) -> dict[str, str]:
    return {str(t["key"]): str(t.get("value", "")) for t in found or ()}


def _quoted(name: str) -> str:
    for quote in ("'", '"'):
        if quote not in name:
            return f"{quote}{name}{quote}"
    raise Undetermined(
        f"could not list the versions of {name}",
        "MLflow's search cannot be asked for a name that holds both kinds of quotes",
        "Rename the model.",
    )
