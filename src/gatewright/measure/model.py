"""What is known of the model itself: its size, age, flavor and author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewright.evidence import Fact
from gatewright.measure.quoting import ident, quoted, several
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow

ROWS = (
    PathRow(
        "model",
        "size",
        "number",
        "the bytes of the model's files, as MLflow wrote them into the MLmodel file",
        "log the model again with MLflow 2.0 or newer, which records model_size_bytes",
        "bytes",
        comparable=True,
        higher_is_better=False,
    ),
    PathRow(
        "model",
        "age",
        "number",
        "the time since the version was registered",
        "register the model again",
        "time",
        comparable=True,
    ),
    PathRow(
        "model",
        "flavor",
        "text",
        "the flavor that loads the model (sklearn, xgboost, …); python_function for a custom one",
        "log the model with the flavor of its library, for example mlflow.sklearn.log_model",
    ),
    PathRow(
        "model",
        "author",
        "text",
        "who registered the version, else who started its run, as MLflow recorded it",
        "set MLFLOW_TRACKING_USERNAME, or the run tag mlflow.user, where the model is trained",
    ),
)

_PYFUNC = "python_function"

#: how far the registry's clock may run ahead of ours
_CLOCK_SKEW = 300


def collect(path: Path, reading: Reading) -> Fact:
    """The property that a path names."""
    return {"size": _size, "age": _age, "flavor": _flavor, "author": _author}[path.key](path, reading)


def _size(path: Path, reading: Reading) -> Fact:
    file = reading.opened(path)
    if isinstance(file, Fact):
        return file
    size = file.fields.get("model_size_bytes")
    if size is None:
        return reading.missing(path, f"{reading.name}: its MLmodel file does not give the model's size", "MLmodel")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        why = f"{reading.name}: its MLmodel file gives a size that is no number of bytes"
        return reading.unreadable(path, why, "MLmodel")
    return reading.known(path, size, "MLmodel", at=file.written)


def _age(path: Path, reading: Reading) -> Fact:
    created = reading.version.created
    if not created:
        return reading.missing(path, f"the registry does not say when {reading.name} was made", "registry")
    age = reading.now.timestamp() - created / 1000
    if age < -_CLOCK_SKEW:
        why = f"{reading.name} was made in the future, says the registry's clock"
        return reading.unreadable(path, why, "registry")
    return reading.known(path, max(age, 0.0), "registry", at=created, stands_for=created)


def _flavor(path: Path, reading: Reading) -> Fact:
    file = reading.opened(path)
    if isinstance(file, Fact):
        return file
    flavors = file.fields.get("flavors")
    if not isinstance(flavors, Mapping) or not flavors:
        return reading.missing(path, f"the MLmodel file of {reading.name} names no flavor", "MLmodel")
    why = f"flavors: {several(map(quoted, sorted(map(str, flavors))), 8)}"
    return reading.known(path, main_flavor(flavors), "MLmodel", at=file.written, why=why)


def main_flavor(flavors: Mapping[Any, Any]) -> str:
    """The flavor whose code loads the model.

    With a python_function entry that is what its loader says, whatever other flavors claim: a loader outside
    of MLflow is returned by its module's name. Without one it is the flavor, or all of them joined by commas.
    """
    pyfunc = flavors.get(_PYFUNC)
    if not isinstance(pyfunc, Mapping):
        return ", ".join(sorted(map(str, flavors)))
    told = pyfunc.get("loader_module")
    loader = told if isinstance(told, str) else ""
    package, _, rest = loader.partition(".")
    if package != "mlflow" or not rest:
        return loader or _PYFUNC
    name = rest.partition(".")[0]
    return _PYFUNC if name == "pyfunc" else name


def _author(path: Path, reading: Reading) -> Fact:
    if reading.version.author:
        return reading.known(path, reading.version.author, f"registry, {reading.name}", at=reading.registered)
    for kind, origin in (("run", reading.run), ("logged model", reading.logged)):
        name = "" if origin is None else origin.user or origin.tags.get("mlflow.user", "")
        if origin is not None and name:
            return reading.known(path, name, f"{kind} {ident(origin.id)}")
    return reading.missing(path, f"MLflow did not record who made {reading.name}")
