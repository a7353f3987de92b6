"""What every registry promises, and what MLflow's does that memory cannot show."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.conftest import World, through_client
from gatewright.connection import connect
from gatewright.measure.holdout.files import digest, digest_now
from gatewright.problem import Undetermined
from gatewright.quantity import is_finite
from gatewright.registry import Dataset, Logged
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Step
from real.faults import Faults
from real.tracking import Store
from real.versions import make_version


def test_an_unknown_model_is_not_found(world: World, unique: str) -> None:
    """Not found is an answer."""
    assert world.registry.model(unique) is None


def test_an_unknown_run_is_not_found(world: World) -> None:
    """A run that is gone for good looks like one that never was."""
    assert world.registry.run("0" * 32) is None


def test_an_unknown_logged_model_is_not_found(world: World) -> None:
    """Not found is an answer here too."""
    assert world.registry.logged_model("m-" + "0" * 32) is None


def test_versions_come_ascending_and_complete(world: World, unique: str) -> None:
    """More versions than fit on one page, none lost, in the order of their numbers."""
    made = [world.add(unique, tags={"n": str(n)}) for n in range(5)]
    model = world.registry.model(unique)
    assert model is not None
    assert [v.number for v in model.versions] == [1, 2, 3, 4, 5]
    assert [v.run_id for v in model.versions] == [v.run_id for v in made]
    assert [v.tags["n"] for v in model.versions] == ["0", "1", "2", "3", "4"]


def test_aliases_name_version_numbers(world: World, unique: str) -> None:
    """MLflow leaves them out of its list of versions; they are read all the same."""
    first, second = world.add(unique), world.add(unique)
    world.alias(first, "champion")
    world.alias(second, "challenger")
    model = world.registry.model(unique)
    assert model is not None
    assert model.aliases == {"champion": 1, "challenger": 2}


def test_every_version_in_a_stage_is_seen(world: World, unique: str) -> None:
    """MLflow's page of a model shows one a stage, although there may be several."""
    for version in (world.add(unique), world.add(unique)):
        world.stage(version, "Production")
    model = world.registry.model(unique)
    assert model is not None
    assert [v.number for v in model.staged("Production")] == [1, 2]


@pytest.mark.parametrize("more", [0, 40], ids=["few", "many"])
def test_several_models_are_what_each_of_them_is(world: World, unique: str, more: int) -> None:
    """Whether each is asked for or all are listed; what does not exist is left out."""
    names = [f"{unique}-{letter}" for letter in "abc"]
    for name in names:
        made = [world.add(name, tags={"of": name}) for _ in range(3)]
        world.stage(made[-1], "Production")
        world.alias(made[-1], "champion")
    wanted = [*names, *(f"{unique}-missing-{n}" for n in range(more))]
    found = world.registry.several(wanted)
    assert found == {name: world.registry.model(name) for name in names}


@pytest.mark.parametrize("name", ["it's", 'the "best"', "churn model", "prüfung", "a.b-c_d", "100%"])
def test_a_model_may_have_any_name(world: World, unique: str, name: str) -> None:
    """Quotes, blanks and umlauts are allowed in MLflow's names."""
    world.add(f"{unique} {name}")
    model = world.registry.model(f"{unique} {name}")
    assert model is not None
    assert [v.number for v in model.versions] == [1]


def test_a_metric_is_its_value_at_the_highest_step(world: World, unique: str) -> None:
    """Logged out of order, the highest step still counts, and says when it was logged."""
    logged = (("val/auc", 0.8, 1, 1000), ("val/auc", 0.9, 7, 2000), ("val/auc", 0.7, 3, 3000))
    version = world.add(unique, metrics=logged)
    run = world.registry.run(version.run_id)
    assert run is not None
    assert run.metrics == {"val/auc": Logged(0.9, 7, 2000)}
    assert not run.deleted


def test_a_logged_model_has_metrics_of_its_own(world: World, unique: str) -> None:
    """MLflow 3 keeps metrics with the logged model as well."""
    version = world.add(unique, metrics=(("auc", 0.9, 2, 2000),))
    logged = world.registry.logged_model(version.model_id)
    assert logged is not None
    assert logged.metrics == {"auc": Logged(0.9, 2, 2000)}


def test_a_deleted_run_is_found_and_says_so(world: World, unique: str) -> None:
    """Deleted is not gone: what it measured can still be read."""
    version = world.add(unique, metrics=(("auc", 0.9, 0, 1),))
    world.delete_run(version.run_id)
    run = world.registry.run(version.run_id)
    assert run is not None
    assert run.deleted
    assert run.metrics["auc"].value == 0.9


def test_a_file_of_the_model_is_read(world: World, unique: str) -> None:
    """`open` reads the version's own folder."""
    version = world.add(unique, files={"MLmodel": b"flavors: {}\n", "conda.yaml": b"name: x\n"})
    assert world.registry.open(version, "MLmodel") == b"flavors: {}\n"
    assert world.registry.open(version, "conda.yaml") == b"name: x\n"


def test_a_file_that_is_not_there_is_none(world: World, unique: str) -> None:
    """A missing signature is a fact about the model, not a failure."""
    version = world.add(unique)
    assert world.registry.open(version, "input_example.json") is None
    assert world.registry.open(version, "no/such/folder") is None


def test_a_models_folder_is_fetched_whole(world: World, unique: str, tmp_path: Path) -> None:
    """Folders within it, and files that no memory would want to hold."""
    files = {"MLmodel": b"flavors: {}\n", "data/model.pkl": bytes(range(256)) * 2**14, "data/empty.txt": b""}
    version = world.add(unique, files=files)
    copy = tmp_path / "model"
    world.registry.download(f"models:/{version.model}/{version.number}", copy)
    found = {p.relative_to(copy).as_posix(): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert found == files


def test_the_same_files_have_the_same_digest_wherever_they_lie(world: World, unique: str, tmp_path: Path) -> None:
    """Else a promotion would not find the files that were scored."""
    files = {"MLmodel": b"flavors: {}\n", "data/model.pkl": b"weights", "data/ä b.txt": b""}
    local = tmp_path / "local"
    for path, content in files.items():
        (local / path).parent.mkdir(parents=True, exist_ok=True)
        (local / path).write_bytes(content)
    first, other = world.add(unique, files=files), world.add(unique, files={**files, "data/model.pkl": b"weighty"})
    assert digest_now(first, world.registry) == digest(local)
    assert digest_now(other, world.registry) != digest(local)


def test_a_folder_that_is_not_there_cannot_be_fetched(world: World, unique: str, tmp_path: Path) -> None:
    """And leaves nothing behind that could be taken for a model."""
    world.add(unique)
    place = tmp_path / "empty"
    place.mkdir()
    with pytest.raises(Undetermined):
        world.registry.download(f"models:/{unique}/9", place / "model")
    assert list(place.iterdir()) == []


def test_entering_a_stage_archives_who_held_it(world: World, unique: str) -> None:
    """One step does both."""
    for version in (world.add(unique), world.add(unique)):
        world.stage(version, "Production")
    third = world.add(unique)
    world.registry.apply(Step("stage", unique, third.number, "Production", archive=True))
    model = world.registry.model(unique)
    assert model is not None
    assert [v.stage for v in model.versions] == ["Archived", "Archived", "Production"]


def test_a_stage_may_be_shared_if_the_policy_says_so(world: World, unique: str) -> None:
    """Without `archive` the present holders stay."""
    world.stage(world.add(unique), "Production")
    world.registry.apply(Step("stage", unique, world.add(unique).number, "Production", archive=False))
    model = world.registry.model(unique)
    assert model is not None
    assert [v.number for v in model.staged("Production")] == [1, 2]


def test_an_alias_moves_to_the_version(world: World, unique: str) -> None:
    """It names one version at a time."""
    world.alias(world.add(unique), "champion")
    world.registry.apply(Step("alias", unique, world.add(unique).number, "champion"))
    model = world.registry.model(unique)
    assert model is not None
    assert model.aliases == {"champion": 2}


def test_a_copy_goes_into_another_registered_model(world: World, unique: str) -> None:
    """It says where it came from, keeps the tags, and opens the same files."""
    world.add(unique, tags={"risk": "low"}, files={"MLmodel": b"the very model"})
    world.registry.apply(Step("copy", unique, 1, f"{unique}.prod"))
    home = world.registry.model(f"{unique}.prod")
    assert home is not None
    (copy,) = home.versions
    assert (copy.model, copy.number, copy.source) == (f"{unique}.prod", 1, f"models:/{unique}/1")
    assert copy.tags["risk"] == "low"
    assert world.registry.open(copy, "MLmodel") == b"the very model"


def test_a_copy_that_is_already_the_newest_is_used_again(world: World, unique: str) -> None:
    """Copying twice is copying once; after another version came, it is copied anew."""
    for _ in range(2):
        world.add(unique)
    for number in (1, 1, 2, 1):
        world.registry.apply(Step("copy", unique, number, f"{unique}.prod"))
    home = world.registry.model(f"{unique}.prod")
    assert home is not None
    assert [v.source for v in home.versions] == [f"models:/{unique}/{n}" for n in (1, 2, 1)]


def test_a_version_is_tagged_and_keeps_the_tags_it_has(world: World, unique: str) -> None:
    """Whatever a person may have typed comes back as it was."""
    said = "back to v1 by anna: it’s “slow” & = ; 100 %"
    world.add(unique, tags={"risk": "low"})
    world.add(unique)
    world.registry.apply(Step("tag", unique, 1, said, key="gatewright.rolled_back.production"))
    model = world.registry.model(unique)
    assert model is not None
    assert [v.tags for v in model.versions] == [{"risk": "low", "gatewright.rolled_back.production": said}, {}]


def test_an_alias_and_a_tag_are_taken_away(world: World, unique: str) -> None:
    """Others stay; what is gone already is not missed."""
    world.add(unique, tags={"risk": "low", "weight": "10"})
    for step in (
        Step("alias", unique, 1, "champion"),
        Step("alias", unique, 1, "challenger"),
        Step("unalias", unique, 1, "challenger"),
        Step("untag", unique, 1, "", key="weight"),
    ):
        perform_twice(world, step)
    model = world.registry.model(unique)
    assert model is not None and model.aliases == {"champion": 1}
    assert model.versions[0].tags == {"risk": "low"}


def test_an_alias_that_points_elsewhere_by_now_is_left_alone(world: World, unique: str) -> None:
    """Somebody has moved it meanwhile."""
    for _ in (1, 2):
        world.add(unique)
    world.registry.apply(Step("alias", unique, 2, "challenger"))
    world.registry.apply(Step("unalias", unique, 1, "challenger"))
    model = world.registry.model(unique)
    assert model is not None and model.aliases == {"challenger": 2}


@pytest.mark.parametrize("kind", ["stage", "alias", "copy", "tag"])
def test_a_step_for_a_version_that_is_gone_changes_nothing(world: World, unique: str, kind: str) -> None:
    """It is undetermined, with the name of what is missing."""
    world.add(unique)
    value = "Production" if kind == "stage" else f"{unique}x"
    with pytest.raises(Undetermined, match=f"{unique}/9 does not exist"):
        world.registry.apply(Step(kind, unique, 9, value, kind == "stage", key="k"))
    model = world.registry.model(unique)
    assert model is not None
    assert [v.stage for v in model.versions] == ["None"]


def test_a_step_performed_twice_is_performed_once(world: World, unique: str) -> None:
    """So that a move can be finished by whoever finds it half done."""
    world.add(unique)
    stage, alias = Step("stage", unique, 1, "Production", archive=True), Step("alias", unique, 1, "champion")
    for step in (stage, alias, Step("tag", unique, 1, "back", key="why")):
        perform_twice(world, step)


def perform_twice(world: World, step: Step) -> None:
    """The second time changes nothing."""
    world.registry.apply(step)
    once = world.registry.model(step.model)
    world.registry.apply(step)
    assert once is not None and world.registry.model(step.model) == once


def test_infinite_and_undefined_metrics_arrive_as_what_they_are(mlflow_server: Store, unique: str) -> None:
    """The database writes an infinity as the largest double; neither counts as a number."""
    made = {"a": math.inf, "b": -math.inf, "c": math.nan}
    make_version(mlflow_server.client(), unique, metrics=made, model=False)
    for connection in (connect(mlflow_server.uri), through_client(mlflow_server.uri)):
        registry = MlflowRegistry(connection)
        model = registry.model(unique)
        assert model is not None
        run = registry.run(model.versions[0].run_id)
        assert run is not None
        assert set(run.metrics) == {"a", "b", "c"}
        assert not any(is_finite(m.value) for m in run.metrics.values())


def test_both_ways_to_a_server_read_the_same(mlflow_server: Store, unique: str) -> None:
    """Plain requests and MLflow's client: not one field differs."""
    make_version(
        mlflow_server.client(),
        unique,
        metrics={"auc": 0.1 + 0.2},
        params={"depth": 3},
        tags={"risk": ""},
        run_tags={"mlflow.source.git.commit": "abc"},
        datasets=[("train", "d1"), ("eval", "d2")],
        input_example=True,
    )
    seen = []
    for connection in (connect(mlflow_server.uri), through_client(mlflow_server.uri)):
        registry = MlflowRegistry(connection)
        model = registry.model(unique)
        assert model is not None
        version = model.versions[0]
        run, logged = registry.run(version.run_id), registry.logged_model(version.model_id)
        files = [registry.open(version, name) for name in ("MLmodel", "input_example.json", "nothing")]
        seen.append((model, run, logged, files))
    assert seen[0] == seen[1]
    run = seen[0][1]
    assert run is not None
    assert run.datasets == (Dataset("train", "d1", "{}"), Dataset("eval", "d2", "{}"))
    assert run.params == {"depth": "3"}
    assert seen[0][3][2] is None


def test_a_version_of_mlflow_2_is_read(mlflow_server: Store, unique: str) -> None:
    """Its model lies in the run's own artifacts, and it has no logged model."""
    make_version(mlflow_server.client(), unique, layout="run")
    registry = MlflowRegistry(connect(mlflow_server.uri))
    model = registry.model(unique)
    assert model is not None
    version = model.versions[0]
    assert version.model_id == ""
    assert b"sklearn" in (registry.open(version, "MLmodel") or b"")
    assert registry.open(version, "nothing") is None


def test_reading_costs_few_requests(faults: Faults, mlflow_server: Store, unique: str) -> None:
    """A model two, a run one, a logged model one, a file one once its folder is known and two before."""
    make_version(mlflow_server.client(), unique)
    registry = MlflowRegistry(connect(faults.uri))
    faults.reset()
    model = registry.model(unique)
    assert model is not None
    assert faults.count == 2
    version = model.versions[0]
    counts: list[int] = []
    reads: tuple[Callable[[], object], ...] = (
        lambda: registry.open(version, "MLmodel"),
        lambda: registry.open(version, "MLmodel"),
        lambda: registry.run(version.run_id),
        lambda: registry.logged_model(version.model_id),
    )
    for read in reads:
        faults.reset()
        read()
        counts.append(faults.count)
    assert counts == [2, 1, 1, 1]


def test_a_folder_of_another_machine_is_not_an_empty_one(embedded: Store, unique: str, tmp_path: Path) -> None:
    """Where the artifacts cannot be seen, nothing is known about them."""
    make_version(embedded.client(), unique, model=False)
    embedded.sql("UPDATE model_versions SET source = :gone", gone=str(tmp_path / "elsewhere"))
    registry = MlflowRegistry(connect(embedded.uri))
    model = registry.model(unique)
    assert model is not None
    with pytest.raises(Undetermined, match="not a folder of this machine"):
        registry.open(model.versions[0], "MLmodel")


@pytest.mark.parametrize(
    "uri", ["mlflow.example.com:5000", "mlflow.example.com", "localhost:5000", "htp://mlflow:5000"]
)
def test_an_address_without_a_scheme_is_told_what_is_missing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would take it for a folder, or speak of modules."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Undetermined, match=r"is no address .* Begin it with https:// or http://"):
        connect(uri)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """MLflow would make one and find no model in it."""
    with pytest.raises(Undetermined, match="is not there"):
        connect(f"sqlite:///{tmp_path}/typo.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_files_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique: str) -> None:
    """MLflow's oldest kind of store, where it is still allowed."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = tmp_path.as_uri()
    from mlflow import MlflowClient

    make_version(MlflowClient(uri, uri), unique, metrics={"auc": 0.9}, layout="run")
    registry = MlflowRegistry(connect(uri))
    model = registry.model(unique)
    assert model is not None
    version = model.versions[0]
    run = registry.run(version.run_id)
    assert run is not None
    assert run.metrics["auc"].value == 0.9
    assert registry.open(version, "MLmodel")


def test_mlflow_keeps_its_remarks_from_users_but_not_from_tests(embedded: Store, unique: str) -> None:
    """The deprecation of stages is news for us: asked for loudly, it is heard."""
    make_version(embedded.client(), unique, model=False)
    step = Step("stage", unique, 1, "Staging", archive=False)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        MlflowRegistry(connect(embedded.uri, quiet=False)).apply(step)
        assert any(issubclass(w.category, FutureWarning) for w in heard)
        heard.clear()
        MlflowRegistry(connect(embedded.uri)).apply(step)
        assert not [w for w in heard if issubclass(w.category, FutureWarning)]
