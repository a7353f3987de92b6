"""Size, age, flavor and author of a model, and files that are absent or hostile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gatewright.evidence import Evidence, Fact
from gatewright.measure.mlmodel import MAX_BYTES, parse
from gatewright.measure.model import main_flavor
from gatewright.paths import Path
from gatewright.registry import Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

Look = Callable[..., Fact]
SIZE, AGE, FLAVOR, AUTHOR = (Path("model", key) for key in ("size", "age", "flavor", "author"))
CREATED = datetime(2026, 10, 1, tzinfo=timezone.utc)
VERSION = Version("fraud", 4, run_id="1f02", author="anna", created=int(CREATED.timestamp() * 1000))


@pytest.fixture
def look(ask: Callable[..., Evidence]) -> Look:
    """The candidate's fact for one path, with an MLmodel file as given."""

    def looked(path: Path, file: bytes | None = None, version: Version = VERSION, **more: Any) -> Fact:
        files = {} if file is None else {("fraud", 4): {"MLmodel": file}}
        run = more.pop("run", None)
        registry = MemoryRegistry(files=files, runs=[run] if run else [])
        (fact,) = ask([path], version, None, registry, **more).facts
        return fact

    return looked


def test_the_size_is_what_mlflow_wrote_down(look: Look) -> None:
    """The size comes from the MLmodel file, with the time that the file was written."""
    fact = look(SIZE, b"model_size_bytes: 802\nutc_time_created: '2026-10-01 00:00:00.5'\n")
    assert (fact.value, fact.source, fact.at) == (802, "MLmodel", int(CREATED.timestamp() * 1000) + 500)


def test_a_size_that_mlflow_did_not_write_down_is_missing(look: Look) -> None:
    """Old MLflow does not record it."""
    fact = look(SIZE, b"run_id: 1f02\n")
    assert (fact.state, fact.why) == ("missing", "fraud/4: its MLmodel file does not give the model's size")


@pytest.mark.parametrize("size", ["-1", "1e9", "big", "true", ".nan", "9" * 400])
def test_a_size_that_is_no_number_of_bytes_is_unreadable(look: Look, size: str) -> None:
    """Whoever made the model wrote the file: a size below zero must not pass `model.size < 1GB`."""
    assert look(SIZE, f"model_size_bytes: {size}\n".encode()).state == "unreadable"


@pytest.mark.parametrize("path", [SIZE, FLAVOR, Path("signature"), Path("input_example")])
def test_without_an_mlmodel_file_the_fact_is_missing(look: Look, path: Path) -> None:
    """The store answered, and there is no such file."""
    fact = look(path)
    assert (fact.state, fact.why) == ("missing", "there is no MLmodel file where fraud/4 is stored")


HOSTILE = {
    "no mapping": b"- a\n- b\n",
    "no YAML": b"a: [\n",
    "no text": b"\xff\xfe\x00\xd8",
    "nested": b"a: " + b"[" * 50_000,
    "merge bomb": b"a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}\n",
    "an object": b"a: !!python/object/apply:os.getcwd []\n",
    "a wrong tag": b"a: !!bool nonsense\n",
    "a number in sixties": b"a: 1" + b":1" * 500_000,
    "huge": b"a: " + b"x" * MAX_BYTES,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_mlmodel_file_is_unreadable_and_harms_nothing(look: Look, content: bytes) -> None:
    """Such a file is a fault with a digest, never an exception, a hang or a crash."""
    fact = look(FLAVOR, content)
    assert (fact.state, fact.source) == ("unreadable", "MLmodel")
    assert "MLmodel file" in fact.why
    assert len(parse(content).sha256) == 64


def test_shared_parts_of_an_mlmodel_file_are_read(look: Look) -> None:
    """YAML's own writer uses aliases where a value occurs twice; those are harmless."""
    assert look(SIZE, b"a: &a {x: 1}\nb: *a\nmodel_size_bytes: 7\n").value == 7


#: fifty bytes a level, ten times as long each time it is spelled out
_BOMB = b"a0: &a0 [x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)
)


@pytest.mark.parametrize("path", [SIZE, FLAVOR])
def test_what_aliases_would_make_long_is_never_spelled_out(look: Look, path: Path) -> None:
    """A date or a loader that is a list of lists of lists is none; written out it would fill every memory."""
    told = b"utc_time_created: *a11\nmodel_size_bytes: 7\nflavors: {python_function: {loader_module: *a11}}\n"
    fact = look(path, _BOMB + told)
    assert (fact.state, fact.value, fact.at) == ("known", 7 if path == SIZE else "python_function", None)


def test_an_age_counts_from_the_registration(look: Look) -> None:
    """Seconds up to the moment that was handed in."""
    fact = look(AGE, now=CREATED + timedelta(days=2))
    assert (fact.value, fact.at) == (172_800, VERSION.created)


def test_an_age_leaves_the_digest_alone(ask: Callable[..., Evidence]) -> None:
    """A day later the evidence is the same, although the model is a day older."""
    first, later = (ask([AGE], VERSION, now=CREATED + timedelta(days=days)) for days in (2, 3))
    assert first.facts != later.facts
    assert first.digest == later.digest


def test_a_clock_that_runs_a_little_ahead_makes_no_negative_age(look: Look) -> None:
    """A version that was registered a second ago, by a clock that is two seconds ahead."""
    assert look(AGE, now=CREATED - timedelta(seconds=2)).value == 0


def test_a_version_from_the_future_has_no_age(look: Look) -> None:
    """A wrong clock must not make a model young enough."""
    fact = look(AGE, now=CREATED - timedelta(days=1))
    assert (fact.state, fact.why) == (
        "unreadable",
        "fraud/4 was made in the future, says the registry's clock",
    )


def test_an_unknown_time_of_registration_is_missing(look: Look) -> None:
    """Zero is not a date."""
    assert look(AGE, version=Version("fraud", 4)).state == "missing"


@pytest.mark.parametrize(
    ("flavors", "main"),
    [
        ({"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {}}, "sklearn"),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model"}}, "python_function"),
        ({"python_function": {"loader_module": "acme.loader"}, "sklearn": {}}, "acme.loader"),
        ({"python_function": {"loader_module": "mlflow_evil.sklearn"}, "sklearn": {}}, "mlflow_evil.sklearn"),
        ({"python_function": {}}, "python_function"),
        ({"xgboost": {}}, "xgboost"),
        ({"onnx": {}, "mleap": {}}, "mleap, onnx"),
    ],
)
def test_the_main_flavor_is_the_one_that_loads_the_model(flavors: dict[str, Any], main: str) -> None:
    """A custom loader cannot call itself sklearn by listing that flavor beside itself."""
    assert main_flavor(flavors) == main


def test_the_other_flavors_are_told(look: Look) -> None:
    """A policy compares the main flavor; people see all of them."""
    file = b"flavors:\n  python_function: {loader_module: mlflow.sklearn}\n  sklearn: {}\n"
    fact = look(FLAVOR, file)
    assert (fact.value, fact.why) == ("sklearn", "flavors: “python_function”, “sklearn”")


def test_the_author_is_who_registered_the_version(look: Look) -> None:
    """Before whoever started the run."""
    fact = look(AUTHOR, run=Run("1f02", user="ci"))
    assert (fact.value, fact.source) == ("anna", "registry, fraud/4")


@pytest.mark.parametrize("run", [Run("1f02", user="ci"), Run("1f02", tags={"mlflow.user": "ci"})])
def test_else_the_author_is_who_started_the_run(look: Look, run: Run) -> None:
    """Open-source servers without log-in do not say who registered a version."""
    fact = look(AUTHOR, version=Version("fraud", 4, run_id="1f02"), run=run)
    assert (fact.value, fact.source) == ("ci", "run 1f02")


def test_an_unknown_author_is_missing(look: Look) -> None:
    """Nobody is guessed."""
    fact = look(AUTHOR, version=Version("fraud", 4))
    assert (fact.state, fact.why) == ("missing", "MLflow did not record who made fraud/4")
