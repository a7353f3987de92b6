"""Where a version comes from, and where its files are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright.evidence import Evidence, Fact
from gatewright.measure.lineage import public, scheme
from gatewright.paths import Path
from gatewright.registry import Dataset, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Model, Version

Look = Callable[..., Fact]
RUN, COMMIT, DATASET, SOURCE = (Path("lineage", k) for k in ("run", "git_commit", "dataset", "source"))
SCHEME, URI = Path("artifact", "scheme"), Path("artifact", "uri")
VERSION = Version("fraud", 4, run_id="1f02", source="s3://bucket/1f02/model", model_id="m-7", created=5)


@pytest.fixture
def look(ask: Callable[..., Evidence]) -> Look:
    """The candidate's fact for one path, with a run, a logged model and other versions as given."""

    def looked(
        path: Path,
        version: Version = VERSION,
        run: Run | None = None,
        logged: Run | None = None,
        others: tuple[Version, ...] = (),
    ) -> Fact:
        registry = MemoryRegistry(
            [Model(v.model, (v,)) for v in others], [run] if run else [], [logged] if logged else []
        )
        (fact,) = ask([path], version, None, registry).facts
        return fact

    return looked


def test_the_run_is_known_while_it_exists(look: Look) -> None:
    """Its id, and when the version was registered from it."""
    fact = look(RUN, run=Run("1f02"))
    assert (fact.value, fact.source, fact.at) == ("1f02", "registry, fraud/4", 5)


def test_the_commit_is_the_runs_tag(look: Look) -> None:
    """MLflow writes it when the script lies in a git checkout."""
    fact = look(COMMIT, run=Run("1f02", tags={"mlflow.source.git.commit": "ab12"}))
    assert (fact.value, fact.source) == ("ab12", "run 1f02, tag mlflow.source.git.commit")


def test_the_commit_of_a_notebook_in_a_repository_counts_too(look: Look) -> None:
    """Databricks writes another tag."""
    assert look(COMMIT, run=Run("1f02", tags={"mlflow.databricks.gitRepoCommit": "cd34"})).value == "cd34"


def test_the_logged_models_commit_is_read_where_the_run_has_none(look: Look) -> None:
    """MLflow 3 keeps it on the logged model when versions are tracked by git."""
    logged = Run("m-7", tags={"mlflow.source.git.commit": "ef56", "mlflow.source.git.dirty": "true"})
    fact = look(COMMIT, run=Run("1f02"), logged=logged)
    assert (fact.value, fact.why) == ("ef56", "the checkout held changes that were not committed")


def test_an_unrecorded_commit_is_missing(look: Look) -> None:
    """An empty tag is no commit."""
    fact = look(COMMIT, run=Run("1f02", tags={"mlflow.source.git.commit": ""}))
    assert (fact.state, fact.why) == ("missing", "MLflow recorded no git commit for fraud/4")


def test_the_source_is_the_script(look: Look) -> None:
    """As MLflow names it."""
    assert look(SOURCE, run=Run("1f02", tags={"mlflow.source.name": "train.py"})).value == "train.py"


def test_datasets_are_their_digests_in_one_order(look: Look) -> None:
    """The same inputs give the same text, in whatever order they were logged, and twice is once."""
    train, test = Dataset("train", "d2"), Dataset("test", "d1")
    fact = look(DATASET, run=Run("1f02", datasets=(train, test, train)))
    assert (fact.value, fact.why) == ("d1, d2", "datasets: “test” d1, “train” d2")


def test_a_dataset_without_digest_proves_nothing(look: Look) -> None:
    """A name alone does not say which rows."""
    fact = look(DATASET, run=Run("1f02", datasets=(Dataset("train", ""),)))
    assert (fact.state, fact.why) == ("missing", "the run of fraud/4 declares no dataset")


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("s3://bucket/x", "s3"),
        ("S3://bucket/x", "s3"),
        ("mlflow-artifacts:/1/x", "mlflow-artifacts"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss"),
        ("file:///data/x", "file"),
        ("/data/x", "file"),
        ("./x", "file"),
        ("C:\\models\\x", "file"),
        ("", "file"),
    ],
)
def test_the_scheme_names_the_store(uri: str, kind: str) -> None:
    """A plain path, of Windows too, is a file."""
    assert scheme(uri) == kind


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://user:secret@host/x?sig=token", "https://host/x"),
        ("https://host/x?sig=token#part", "https://host/x"),
        ("https://user:p@ss@host/x", "https://host/x"),
        (
            "abfss://container@account.dfs.core.windows.net/x",
            "abfss://container@account.dfs.core.windows.net/x",
        ),
        ("s3://bucket/a@b:c/x", "s3://bucket/a@b:c/x"),
        ("mlflow-artifacts:/1/x", "mlflow-artifacts:/1/x"),
        ("/data/what?/x", "/data/what?/x"),
    ],
)
def test_secrets_in_a_uri_are_not_kept(uri: str, shown: str) -> None:
    """Evidence is printed in comments and kept for ever; a container's name before the @ is no secret."""
    assert public(uri) == shown


def test_the_scheme_and_uri_come_from_the_source(look: Look) -> None:
    """Where the registry's source is a place, that is the place."""
    assert look(SCHEME).value == "s3"
    assert look(URI).value == "s3://bucket/1f02/model"


def test_a_copy_is_followed_to_its_original(look: Look) -> None:
    """`prod.fraud/1` was made of `fraud/4`, whose files lie in a bucket."""
    copy = Version("prod.fraud", 1, source="models:/fraud/4")
    assert look(SCHEME, copy, others=(VERSION,)).value == "s3"


def test_copies_in_a_circle_end(look: Look) -> None:
    """Sources are free text; a circle of them is not a place."""
    circle = Version("fraud", 4, source="models:/fraud/4")
    fact = look(SCHEME, circle, others=(circle,))
    assert fact.state == "unreadable"


def test_a_source_that_names_no_place_is_unreadable(look: Look) -> None:
    """`models:/m-7` is not a store, and must not be held against a list of stores."""
    fact = look(SCHEME, Version("fraud", 4, source="models:/m-7"))
    assert fact.state == "unreadable"
    assert "“models:/m-7”" in fact.why


def test_a_version_without_source_has_no_place(look: Look) -> None:
    """Missing, not a file in the current folder."""
    assert look(SCHEME, Version("fraud", 4)).state == "missing"
