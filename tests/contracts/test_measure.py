"""Evidence read from real MLflow: an embedded SQLite store and a server, and MLflow's own rules on inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.connection import connect
from gatewright.evidence import Evidence, Fact
from gatewright.measure import PATHS, measure
from gatewright.measure.compatible import WIDER, differences
from gatewright.measure.schema import Field, Signature, Type
from gatewright.paths import Path
from gatewright.policy.model import Champion, Check, Place, Policy, Target
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Version
from real.faults import Faults
from real.tracking import Store
from real.versions import make_version

PLACE = Place("policies/fraud.yaml", 1, 1)
AUC = Path("run", "auc")


@pytest.fixture(
    params=[pytest.param("embedded"), pytest.param("mlflow_server", marks=pytest.mark.server)],
)
def store(request: pytest.FixtureRequest) -> Store:
    """A store without a server, and one behind a real server."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Store)
    return found


def check(path: Path, compared: bool = False) -> Check:
    """`path`, or `path >= champion`."""
    row = PATHS.row(path)
    assert row is not None
    return Check(str(path), path, PLACE, op=">=" if compared else None, operand=Champion() if compared else None)


def look(
    uri: str, name: str, paths: Iterable[Path], champion: Version | None = None, compared: Iterable[Path] = ()
) -> Evidence:
    """Measures the newest version of a model, through a connection of its own."""
    registry = MlflowRegistry(connect(uri))
    model = registry.model(name)
    assert model is not None
    checks = (*map(check, paths), *(check(p, compared=True) for p in compared))
    target = Target("production", checks, PLACE, stage="Production")
    policy = Policy(PLACE.file, name, (target,))
    return measure(policy, target, model.versions[-1], champion, registry, datetime.now(timezone.utc))


@pytest.fixture
def one(store: Store, unique: str) -> Callable[[Path], Fact]:
    """The newest version's fact for one path."""

    def looked(path: Path) -> Fact:
        (fact,) = look(store.uri, unique, [path]).facts
        return fact

    return looked


One = Callable[[Path], Fact]


def test_a_runs_metric_is_the_value_at_its_highest_step(store: Store, unique: str, one: One) -> None:
    """Not the one that was written last."""
    client = store.client()
    make_version(client, unique, layout="run")
    run_id = run_of(store, unique)
    for step, value in ((1, 0.7), (5, 0.9), (3, 0.8)):
        client.log_metric(run_id, "auc", value, timestamp=1_700_000_000_000 + step, step=step)
    fact = one(AUC)
    assert (fact.value, fact.source, fact.at) == (0.9, f"run {run_id} step 5", 1_700_000_000_005)


def test_the_logged_models_metric_goes_before_the_runs(store: Store, unique: str, one: One) -> None:
    """A run may train several models; this one was measured by itself."""
    from mlflow.entities import Metric

    client = store.client()
    make_version(client, unique, metrics={"auc": 0.99})
    model_id = version_of(store, unique).model_id
    client.log_batch(run_of(store, unique), [Metric("auc", 0.91, 7, 2, model_id=model_id)])
    fact = one(AUC)
    assert (fact.value, fact.source) == (0.91, f"logged model {model_id} step 2")


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "is NaN"), (float("inf"), "is infinite"), (float("-inf"), "is minus infinite")],
)
def test_what_is_not_a_number_is_unreadable(store: Store, unique: str, one: One, value: float, words: str) -> None:
    """MLflow's database keeps infinity as the largest number there is; that too is no value."""
    make_version(store.client(), unique, metrics={"auc": value}, layout="run")
    fact = one(AUC)
    assert fact.state == "unreadable"
    assert words in fact.why


def test_a_missing_metric_names_the_one_that_was_meant(store: Store, unique: str, one: One) -> None:
    """As the registry spells it."""
    make_version(store.client(), unique, metrics={"val/auc": 0.9}, layout="run")
    assert "did you mean “val/auc”?" in one(Path("run", "val_auc")).why


def test_a_deleted_run_is_no_evidence(store: Store, unique: str, one: One) -> None:
    """Its numbers can still be read, and somebody withdrew them."""
    client = store.client()
    make_version(client, unique, metrics={"auc": 0.9}, layout="run")
    client.delete_run(run_of(store, unique))
    fact = one(AUC)
    assert fact.state == "missing"
    assert "was deleted; `mlflow runs restore" in fact.why


def test_a_version_without_a_run_says_so(store: Store, unique: str, one: One) -> None:
    """Older servers register a version from files alone; what its logged model measured still counts."""
    from mlflow.entities import Metric

    make_version(store.client(), unique)
    made = version_of(store, unique)
    store.client().log_batch(made.run_id, [Metric("auc", 0.91, 7, 2, model_id=made.model_id)])
    store.sql("UPDATE model_versions SET run_id = NULL WHERE name = :name", name=unique)
    assert one(Path("lineage", "run")).why == f"{unique}/1 was registered without a run"
    assert one(AUC).value == 0.91
    assert one(Path("run", "f1")).why == f"{unique}/1 was registered without a run"


def test_a_run_that_is_gone_for_good_says_so(store: Store, unique: str, one: One) -> None:
    """`mlflow gc` removes deleted runs; the version keeps the name of its run."""
    make_version(store.client(), unique, metrics={"auc": 0.9})
    store.sql("UPDATE model_versions SET run_id = :gone WHERE name = :name", gone="0" * 32, name=unique)
    fact = one(AUC)
    assert (fact.state, fact.why) == ("missing", f"run {'0' * 32} of {unique}/1 does not exist any more")


def test_params_tags_and_lineage_are_read(store: Store, unique: str) -> None:
    """All of them in one look."""
    make_version(
        store.client(),
        unique,
        params={"max depth": 8},
        tags={"risk review": "done"},
        run_tags={"mlflow.source.git.commit": "ab12", "mlflow.source.name": "train.py", "team": "payments"},
        datasets=[("train", "d2"), ("test", "d1")],
        layout="run",
    )
    paths = [
        Path("params", "max depth"),
        Path("tags", "risk review"),
        Path("tags", "team"),
        Path("lineage", "git_commit"),
        Path("lineage", "source"),
        Path("lineage", "dataset"),
    ]
    evidence = look(store.uri, unique, paths)
    assert [f.value for f in evidence.facts] == ["8", "done", "payments", "ab12", "train.py", "d1, d2"]


@pytest.mark.parametrize("layout", ["logged", "run"])
def test_the_model_itself_is_described(store: Store, unique: str, layout: Any) -> None:
    """By the MLmodel file that MLflow wrote, as MLflow 3 and MLflow 2 place it."""
    make_version(store.client(), unique, layout=layout, input_example=True)
    keys = ("signature", "input_example", "model.flavor", "model.size", "model.age", "model.author")
    facts = {str(f.path): f for f in look(store.uri, unique, [Path(*key.split(".")) for key in keys]).facts}
    assert facts["signature"].why == "2 inputs, 1 output"
    assert facts["input_example"].value is True
    assert facts["model.flavor"].value == "sklearn"
    assert int(facts["model.size"].value or 0) > 100
    assert 0 <= float(facts["model.age"].value or 0) < 600
    assert facts["model.size"].at is not None


def test_a_model_without_signature_says_no(store: Store, unique: str, one: One) -> None:
    """A plain no: the file was read."""
    make_version(store.client(), unique, signature=None)
    fact = one(Path("signature"))
    assert (fact.state, fact.value) == ("known", False)


def test_a_folder_without_an_mlmodel_file_says_so(store: Store, unique: str, one: One) -> None:
    """The store was asked: it has the folder, and no such file in it."""
    client = store.client()
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "weights", "model/weights.txt")
    client.create_registered_model(unique)
    client.create_model_version(unique, f"runs:/{run_id}/model", run_id)
    assert one(Path("signature")).why == f"there is no MLmodel file where {unique}/1 is stored"


def test_signatures_are_compared(store: Store, unique: str) -> None:
    """A candidate that asks for one more column than the champion cannot stand in for it."""
    import pandas
    from mlflow.models import infer_signature

    old = pandas.DataFrame({"amount": [1.0], "age": [30.0]})
    make_version(store.client(), unique)
    champion = version_of(store, unique)
    make_version(store.client(), unique, signature=infer_signature(old.assign(country="de"), [0.0]))
    (fact,) = look(store.uri, unique, [Path("signature", "compatible")], champion).facts
    assert fact.value is False
    assert "input “country” is new and required" in fact.why


def test_a_copy_in_another_registered_model_is_the_same_model(store: Store, unique: str) -> None:
    """A champion that was promoted by copying is read through its original."""
    client = store.client()
    make_version(client, unique, metrics={"auc": 0.9})
    client.copy_model_version(f"models:/{unique}/1", f"prod.{unique}")
    evidence = look(store.uri, f"prod.{unique}", [AUC, Path("signature")])
    assert [f.value for f in evidence.facts] == [0.9, True]
    assert evidence.subject["artifact"] == look(store.uri, unique, [AUC]).subject["artifact"]


def test_the_same_registry_gives_the_same_digest(store: Store, unique: str) -> None:
    """Read again, over another connection; and another value gives another digest."""
    client = store.client()
    make_version(client, unique, metrics={"auc": 0.9})
    make_version(client, unique, metrics={"auc": 0.95})
    champion = version_of(store, unique, 1)
    paths = [AUC, Path("signature"), Path("model", "age")]
    digests = {look(store.uri, unique, paths, champion, compared=[AUC]).digest for _ in range(5)}
    assert len(digests) == 1
    client.log_metric(run_of(store, unique), "auc", 0.96, step=1)
    assert look(store.uri, unique, paths, champion, compared=[AUC]).digest not in digests


@pytest.mark.server
@pytest.mark.parametrize("layout", ["logged", "run"])
def test_run_metrics_cost_at_most_seven_requests(
    mlflow_server: Store, faults: Faults, unique: str, layout: Any
) -> None:
    """Finding the model included, for candidate and champion together; none is sent twice."""
    for auc in (0.9, 0.95):
        make_version(mlflow_server.client(), unique, metrics={"auc": auc, "f1": 0.5}, layout=layout)
    champion = version_of(mlflow_server, unique, 1)
    faults.reset()
    look(faults.uri, unique, [AUC, Path("run", "f1")], champion, compared=[AUC])
    assert faults.count <= 7, "\n".join(faults.paths())
    assert len({(r.path, r.query) for r in faults.requests}) == faults.count


def version_of(store: Store, name: str, number: int | None = None) -> Version:
    """A version as the registry shows it: the newest, or the one that is asked for."""
    model = MlflowRegistry(connect(store.uri)).model(name)
    assert model is not None
    found = model.version(number) if number else model.versions[-1]
    assert found is not None
    return found


def run_of(store: Store, name: str) -> str:
    """The run of the newest version."""
    return version_of(store, name).run_id


# What MLflow itself enforces: the rules of compatibility are held against it.


def frames() -> dict[str, Any]:
    """Columns of every kind that a caller may send."""
    import numpy
    import pandas

    numbers = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
    return {
        "bool": pandas.Series([True, False]),
        **{kind: pandas.Series(numpy.array([3, 5]).astype(kind)) for kind in numbers},
        "text": pandas.Series(["a", "b"], dtype=object),
        "strings": pandas.Series(["a", "b"], dtype="string"),
        "bytes": pandas.Series([b"a", b"b"]),
        "time": pandas.to_datetime(pandas.Series(["2026-01-01", "2026-01-02"])),
    }


def taken(kind: str) -> set[str]:
    """The columns that MLflow lets into an input of a type."""
    import pandas
    from mlflow.exceptions import MlflowException
    from mlflow.models import validate_schema
    from mlflow.types import ColSpec, Schema

    found = set()
    for name, column in frames().items():
        try:
            validate_schema(pandas.DataFrame({"a": column}), Schema([ColSpec(kind, "a")]))
        except (MlflowException, TypeError):
            continue
        found.add(name)
    return found


KINDS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")


def test_types_widen_exactly_as_mlflow_lets_them() -> None:
    """A type may become another one if MLflow lets everything in that went in before.

    Text and bytes are the exception: MLflow takes either for the other, and the model behind would not.
    """
    takes = {kind: taken(kind) for kind in KINDS}
    allowed = {
        (old, new)
        for old in KINDS
        for new in KINDS
        if old != new and takes[old] <= takes[new] and {old, new} != {"string", "binary"}
    }
    assert allowed == {(old, new) for old, wider in WIDER.items() for new in wider}


FIELDS = st.lists(
    st.builds(Field, st.sampled_from("abcd"), st.sampled_from(KINDS).map(Type), st.booleans()),
    min_size=1,
    max_size=4,
    unique_by=lambda f: f.name,
).map(tuple)
LIKE = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "text",
    "binary": "bytes",
    "datetime": "time",
}


@settings(max_examples=300, deadline=None)
@given(old=FIELDS, new=FIELDS, absent=st.sets(st.sampled_from("abcd")))
def test_a_compatible_model_takes_what_the_champion_takes(
    old: tuple[Field, ...], new: tuple[Field, ...], absent: set[str]
) -> None:
    """Whatever frame MLflow lets into the champion, it lets into a candidate that is called compatible."""
    import pandas
    from mlflow.models import validate_schema
    from mlflow.types import Schema

    if not differences(Signature(old), Signature(new)).compatible:
        return
    columns = {f.name: frames()[LIKE[f.type.kind]] for f in old if f.required or f.name not in absent}
    sent = pandas.DataFrame(columns or {"z": [1]})
    validate_schema(sent, Schema.from_json(spelled(old)))
    validate_schema(sent, Schema.from_json(spelled(new)))


def spelled(fields: tuple[Field, ...]) -> str:
    """Columns in the spelling of MLflow."""
    return json.dumps([{"name": f.name, "type": f.type.kind, "required": f.required} for f in fields])
