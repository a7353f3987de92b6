"""Metrics, params and tags: which value counts, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright.evidence import Evidence, Fact
from gatewright.paths import Path
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version

Ask = Callable[..., Evidence]
AUC = Path("run", "auc")
VERSION = Version("fraud", 4, run_id="1f02", source="s3://bucket/1f02/model", model_id="m-7")


@pytest.fixture
def look(ask: Ask) -> Callable[..., Fact]:
    """The candidate's fact for one path, with a run and a logged model as given."""

    def looked(path: Path, version: Version = VERSION, run: Run | None = None, logged: Run | None = None) -> Fact:
        registry = MemoryRegistry(runs=[run] if run else [], logged_models=[logged] if logged else [])
        (fact,) = ask([path], version, None, registry).facts
        return fact

    return looked


Look = Callable[..., Fact]


def test_a_metric_says_its_run_step_and_time(look: Look) -> None:
    """The value comes with the run and step that it was logged at, and when."""
    fact = look(AUC, run=Run("1f02", {"auc": Logged(0.93, 5, 1_700_000_000_000)}))
    assert (fact.state, fact.value, fact.source, fact.at) == (
        "known",
        0.93,
        "run 1f02 step 5",
        1_700_000_000_000,
    )


def test_the_logged_models_metric_goes_before_the_runs(look: Look) -> None:
    """MLflow 3 measures the model itself; the run may have trained several."""
    run = Run("1f02", {"auc": Logged(0.99, 9, 2)})
    fact = look(AUC, run=run, logged=Run("m-7", {"auc": Logged(0.91, 3, 1)}))
    assert (fact.value, fact.source) == (0.91, "logged model m-7 step 3")


def test_a_metric_that_only_the_run_has_is_read_from_the_run(look: Look) -> None:
    """A logged model without that metric does not hide the run's."""
    run = Run("1f02", {"auc": Logged(0.99, 9, 2)})
    assert look(AUC, run=run, logged=Run("m-7", {"f1": Logged(0.5, 0, 1)})).value == 0.99


def test_the_logged_model_is_found_by_the_source_too(look: Look) -> None:
    """Some servers leave the version's model id empty and name it in the source alone."""
    version = Version("fraud", 4, source="models:/m-7")
    assert look(AUC, version, logged=Run("m-7", {"auc": Logged(0.91, 3, 1)})).value == 0.91


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "metric “auc” is NaN at step 5 of run 1f02"),
        (float("inf"), "metric “auc” is infinite at step 5 of run 1f02"),
        (float("-inf"), "metric “auc” is minus infinite at step 5 of run 1f02"),
        (1.7976931348623157e308, "metric “auc” is infinite (stored as 1.798e+308) at step 5 of run 1f02"),
    ],
)
def test_a_value_that_is_no_number_is_unreadable_and_says_which(look: Look, value: float, words: str) -> None:
    """NaN, infinity and the server's stand-in for infinity are neither missing nor a failing value."""
    fact = look(AUC, run=Run("1f02", {"auc": Logged(value, 5, 1)}))
    assert (fact.state, fact.value, fact.why) == ("unreadable", None, words)


def test_nan_on_the_logged_model_is_not_papered_over_by_the_run(look: Look) -> None:
    """The logged model's value counts even where it is the worse one."""
    run = Run("1f02", {"auc": Logged(0.99, 9, 2)})
    assert look(AUC, run=run, logged=Run("m-7", {"auc": Logged(float("nan"), 3, 1)})).state == "unreadable"


def test_a_missing_metric_names_the_closest_one(look: Look) -> None:
    """A slip of the pen in the policy is answered with the name that was meant."""
    fact = look(Path("run", "acu"), run=Run("1f02", {"auc": Logged(0.9, 0, 1), "loss": Logged(0.1, 0, 1)}))
    assert fact.state == "missing"
    assert fact.why == "run 1f02 has no metric “acu”: did you mean “auc”?"


def test_a_missing_metric_without_a_close_name_shows_what_there_is(look: Look) -> None:
    """Three names and a count, however many metrics were logged."""
    run = Run("1f02", {f"metric_{n}": Logged(0.9, 0, 1) for n in range(500)})
    why = look(Path("run", "zzz"), run=run).why
    assert why == "run 1f02 has no metric “zzz”: it has “metric_0”, “metric_1”, “metric_10” and 497 more"


def test_a_run_without_metrics_says_so(look: Look) -> None:
    """Nothing is suggested where nothing is."""
    assert look(AUC, run=Run("1f02")).why == "run 1f02 has no metric “auc”: it has none"


def test_a_hostile_metric_name_is_cut_and_spelled_out(look: Look) -> None:
    """Neither direction overrides nor line breaks nor ten thousand letters reach a terminal."""
    run = Run("1f02", {"au\u202ec\n" + "x" * 10_000: Logged(0.9, 0, 1)})
    why = look(AUC, run=run).why
    assert "au\\u202ec\\nxxx" in why
    assert why.isprintable()
    assert len(why) < 200


@pytest.mark.parametrize(
    ("version", "run", "words"),
    [
        (Version("fraud", 4), None, "fraud/4 was registered without a run"),
        (VERSION, None, "run 1f02 of fraud/4 does not exist any more"),
        (
            VERSION,
            Run("1f02", {"auc": Logged(0.9, 0, 1)}, deleted=True),
            "run 1f02 of fraud/4 was deleted; `mlflow runs restore --run-id 1f02` brings it back",
        ),
    ],
)
@pytest.mark.parametrize("path", [AUC, Path("params", "depth"), Path("tags", "risk"), Path("lineage", "run")])
def test_without_a_run_the_reason_is_a_sentence(
    look: Look, path: Path, version: Version, run: Run | None, words: str
) -> None:
    """No run, a purged run and a deleted run read differently, and a deleted run's values do not count."""
    fact = look(path, version, run=run)
    assert fact.state == "missing"
    assert words in fact.why


def test_a_param_is_read_from_the_run_then_the_logged_model(look: Look) -> None:
    """Params are text as logged."""
    depth = Path("params", "depth")
    logged = Run("m-7", params={"depth": "9", "eta": "0.1"})
    assert look(depth, run=Run("1f02", params={"depth": "8"}), logged=logged).value == "8"
    assert look(Path("params", "eta"), run=Run("1f02", params={"depth": "8"}), logged=logged).value == "0.1"


def test_a_missing_param_names_the_closest_one(look: Look) -> None:
    """The same help as for metrics."""
    fact = look(Path("params", "max_dept"), run=Run("1f02", params={"max_depth": "8"}))
    assert fact.why == "run 1f02 has no param “max_dept”: did you mean “max_depth”?"


def test_a_tag_is_read_from_the_version_then_the_run(look: Look) -> None:
    """The version's own tag is the later word."""
    version = Version("fraud", 4, run_id="1f02", tags={"risk review": "done"})
    run = Run("1f02", tags={"risk review": "open", "team": "payments"})
    review = look(Path("tags", "risk review"), version, run=run)
    assert (review.value, review.source) == ("done", "version tag of fraud/4")
    team = look(Path("tags", "team"), version, run=run)
    assert (team.value, team.source) == ("payments", "tag of run 1f02")


def test_a_tags_value_is_kept_whole(look: Look) -> None:
    """What a check compares is never shortened, only what is shown."""
    long = "x" * 50_000
    assert look(Path("tags", "note"), Version("fraud", 4, tags={"note": long})).value == long


def test_a_tag_that_nobody_set_is_missing(look: Look) -> None:
    """Both places are named."""
    fact = look(Path("tags", "risk"), run=Run("1f02", tags={"team": "payments"}))
    assert fact.why == "fraud/4 has no tag “risk”, nor has its run: it has “team”"
