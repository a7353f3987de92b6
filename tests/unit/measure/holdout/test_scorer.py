"""Real models in real workers: the numbers that come back are those of the library, for each kind of model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gatewright.measure.holdout import process
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.scorer import LAYERS, Limits, Scorer
from gatewright.problem import Undetermined
from unit.measure.holdout import custom

Saved = Callable[..., Path]


def assert_near(got: Any, due: Any) -> None:
    """Equal but for the last bits: threads add in another order."""
    np.testing.assert_allclose(got, due, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> dict[str, Any]:
    """One estimator for each task."""
    sign = np.where(frame["a"] + 0.3 * frame["b"] > 0, "yes", "no")
    thirds = pd.qcut(frame["a"], 3, labels=False).to_numpy()
    return {
        "binary": make_pipeline(StandardScaler(), custom.Careful()).fit(frame, sign),
        "multiclass": HistGradientBoostingClassifier(max_iter=5).fit(frame, thirds),
        "regression": LinearRegression().fit(frame, frame["a"] * 3 - frame["c"]),
    }


@pytest.fixture(scope="module")
def scorers(fitted: dict[str, Any], saved: Saved, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A worker for each model; importing MLflow takes the time, so they do it together."""
    folder = tmp_path_factory.mktemp("custom")
    (folder / "scale.txt").write_text("2.0")
    yes = {"wants": "probability", "positive": "yes"}
    wanted: dict[str, tuple[Path, dict[str, Any]]] = {
        "binary": (saved(fitted["binary"]), yes),
        "bare": (saved(fitted["binary"]), {**yes, "bare": True}),
        "multiclass": (saved(fitted["multiclass"]), {"wants": "probability"}),
        "regression": (saved(fitted["regression"]), {"wants": "value"}),
        "in context": (
            custom.save(folder / "context", custom.InContext(), artifacts={"scale": str(folder / "scale.txt")}),
            yes,
        ),
        "labels": (custom.save(folder / "labels", custom.Labels()), yes),
        "echo": (custom.save(folder / "echo", custom.Echo()), {"wants": "label"}),
    }
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Scorer.start(path, label=f"{name}/1", **options))
            for name, (path, options) in wanted.items()
        }


def test_a_binary_model_gives_its_own_labels_and_the_positive_class(
    scorers: dict[str, Scorer], fitted: dict[str, Any], frame: pd.DataFrame, batch: pa.RecordBatch
) -> None:
    """Its threshold is 0.9: labels cut from the probabilities at 0.5 would be another model's."""
    answer = scorers["binary"].predict(batch)
    probabilities = fitted["binary"].predict_proba(frame)[:, 1]
    assert_near(answer.probabilities, probabilities)
    assert list(answer.labels) == list(fitted["binary"].predict(frame))
    assert list(answer.labels) != list(np.where(probabilities > 0.5, "yes", "no"))
    assert scorers["binary"].classes == ("no", "yes")


def test_without_mlflow_a_worker_answers_the_same_and_takes_less(
    scorers: dict[str, Scorer], batch: pa.RecordBatch
) -> None:
    """To the bit; MLflow's import is what it does without."""
    bare, whole = (scorers[name].predict(batch) for name in ("bare", "binary"))
    assert list(bare.labels) == list(whole.labels)
    np.testing.assert_array_equal(bare.probabilities, whole.probabilities)
    assert scorers["bare"].classes == scorers["binary"].classes
    assert [layer.active for layer in scorers["bare"].layers] == [layer.active for layer in scorers["binary"].layers]
    assert scorers["bare"].peak_memory < scorers["binary"].peak_memory - 20e6


def test_where_pickles_are_forbidden_nothing_is_unpickled(
    saved: Saved, fitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own switch reaches the worker, whichever way it would have loaded the model."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(Undetermined, match="fraud/1 could not be loaded") as caught:
        Scorer.open(saved(fitted["binary"]), label="fraud/1", wants="label", bare=True).close()
    assert "'MLFLOW_ALLOW_PICKLE_DESERIALIZATION' is not set to 'true'" in caught.value.why


def test_a_model_that_writes_into_its_rows_is_asked_for_labels_of_the_rows(
    saved: Saved, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Its second call gets a table of its own, also where no signature makes MLflow copy it."""
    one = frame[["a"]].assign(a=lambda f: f["a"] * 5 + 40)
    truth = (one["a"] > 40).astype(int)
    fitted = make_pipeline(StandardScaler(copy=False), GaussianNB()).fit(one.copy(), truth)
    folder = tmp_path / "model"
    mlflow.sklearn.save_model(fitted, str(folder), pip_requirements=["scikit-learn"])
    with Scorer.open(folder, label="fraud/1", wants="probability", positive=1, bare=True) as scorer:
        answer = scorer.predict(pa.RecordBatch.from_pandas(one, preserve_index=False))
    np.testing.assert_array_equal(answer.labels, fitted.predict(one.copy()))


def test_a_multiclass_model_gives_a_column_a_class(
    scorers: dict[str, Scorer], fitted: dict[str, Any], frame: pd.DataFrame, batch: pa.RecordBatch
) -> None:
    """In the order of its classes; labels keep their type."""
    answer = scorers["multiclass"].predict(batch)
    assert answer.probabilities is not None and answer.probabilities.shape == (90, 3)
    assert_near(answer.probabilities, fitted["multiclass"].predict_proba(frame))
    np.testing.assert_array_equal(answer.labels, fitted["multiclass"].predict(frame))
    assert answer.labels.dtype.kind == "i"
    assert scorers["multiclass"].classes == (0, 1, 2)


def test_a_regression_gives_values_and_nothing_else(
    scorers: dict[str, Scorer], fitted: dict[str, Any], frame: pd.DataFrame, batch: pa.RecordBatch
) -> None:
    """No labels, no probabilities."""
    answer = scorers["regression"].predict(batch)
    assert_near(answer.values, fitted["regression"].predict(frame))
    assert (answer.labels, answer.probabilities) == (None, None)


def test_a_model_of_ones_own_is_asked_for_its_probabilities(
    scorers: dict[str, Scorer], frame: pd.DataFrame, batch: pa.RecordBatch
) -> None:
    """Its predict_proba takes MLflow's context, and finds the file that was logged beside it."""
    answer = scorers["in context"].predict(batch)
    assert_near(answer.probabilities, 1 / (1 + np.exp(-2 * frame["a"])))


def test_a_model_without_probabilities_is_undetermined_with_the_ways_out(
    scorers: dict[str, Scorer], batch: pa.RecordBatch
) -> None:
    """Labels taken for probabilities would give a log loss, and a wrong one."""
    with pytest.raises(Undetermined, match=r"labels/1 could not be scored") as caught:
        scorers["labels"].predict(batch)
    assert "it predicts labels, not probabilities: log it with pyfunc_predict_fn='predict_proba'" in caught.value.why


def test_parts_of_a_table_get_the_answers_of_the_whole(scorers: dict[str, Scorer], batch: pa.RecordBatch) -> None:
    """Batches of any size, a slice of a larger buffer among them."""
    whole = scorers["regression"].predict(batch).values
    parts = [scorers["regression"].predict(batch.slice(at, n)).values for at, n in ((0, 1), (1, 61), (62, 28))]
    assert_near(np.concatenate([p for p in parts if p is not None]), whole)


def test_a_dictionary_of_words_arrives_as_words(scorers: dict[str, Scorer]) -> None:
    """Parquet files hold categories so; the model sees what it would see without."""
    words = ["b", "a", "b"]
    plain = scorers["echo"].predict(pa.RecordBatch.from_pydict({"word": words}))
    coded = scorers["echo"].predict(pa.RecordBatch.from_pydict({"word": pa.array(words).dictionary_encode()}))
    assert list(coded.labels) == list(plain.labels) == [f"{w} of object" for w in words]


def test_a_batch_with_a_missing_column_is_refused_and_the_worker_lives(
    scorers: dict[str, Scorer], batch: pa.RecordBatch
) -> None:
    """MLflow's own check of the signature runs in the worker; its message names the column."""
    with pytest.raises(Undetermined, match="regression/1 could not be scored") as caught:
        scorers["regression"].predict(batch.select(["a", "c"]))
    assert "its own code raised MlflowException" in caught.value.why and "'b'" in caught.value.why
    assert scorers["regression"].predict(batch).values is not None


def test_a_timed_call_gives_the_same_answer(scorers: dict[str, Scorer], batch: pa.RecordBatch) -> None:
    """A model that answers faster but otherwise when it is timed would show."""
    timing = scorers["multiclass"].time(batch.slice(3, 1))
    assert isinstance(timing.predictions, Predictions)
    assert timing.predictions.labels[0] == scorers["multiclass"].predict(batch).labels[3]
    assert 0 < timing.inside < timing.seconds


def test_an_empty_journey_does_not_call_the_model(scorers: dict[str, Scorer]) -> None:
    """The rows are nothing that the model could answer, and it is not asked."""
    empty = scorers["regression"].overhead(pa.RecordBatch.from_pydict({"nothing": ["of use"]}))
    assert (empty.inside, empty.predictions) == (0.0, None)


def test_the_report_learns_layers_flavor_and_memory(scorers: dict[str, Scorer], batch: pa.RecordBatch) -> None:
    """Each layer by name, active or with the reason why not."""
    scorer = scorers["binary"].wait()
    assert [layer.name for layer in scorer.layers] == list(LAYERS)
    assert all(layer.active or layer.note for layer in scorer.layers)
    assert scorer.flavor == "sklearn"
    assert scorers["echo"].wait().flavor == "python_function"
    assert scorer.peak_memory > 10 << 20


def test_a_positive_class_that_the_model_does_not_know_is_told_before_any_row(
    saved: Saved, frame: pd.DataFrame
) -> None:
    """1 and '1' are two classes; who confuses them reads both."""
    numbered = custom.Careful().fit(frame, (frame["a"] > 0).astype(int))
    with pytest.raises(Undetermined, match="could not be loaded") as caught:
        Scorer.open(saved(numbered), label="fraud/3", wants="probability", positive="1")
    assert "it knows the classes 0, 1, and not the positive one, '1'" in caught.value.why
    assert "positive:" in caught.value.fix


@pytest.mark.parametrize(
    ("sandbox", "why"),
    [
        ("require", "the policy says sandbox: require, and here is missing: user (only root can give"),
        ("report", "its own code raised RuntimeError: its code ran"),
    ],
)
def test_required_layers_come_before_the_models_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Literal["require", "report"], why: str
) -> None:
    """Without a user for the worker, as where the gate is not root: `require` runs nothing, `report` goes on."""
    monkeypatch.setattr(process, "own_user", lambda: nullcontext(None))
    with pytest.raises(Undetermined, match="fraud/3 could not be loaded") as caught:
        Scorer.open(custom.save(tmp_path / "model", custom.Loud()), label="fraud/3", wants="label", sandbox=sandbox)
    assert why in caught.value.why
    assert ("its code ran" in caught.value.why) == (sandbox == "report")


def test_a_model_that_hangs_is_ended_when_the_benchmarks_time_is_up(tmp_path: Path, batch: pa.RecordBatch) -> None:
    """However long a single answer may take; what it said last stands in the message."""
    limits = Limits(timeout_seconds=3600)
    with Scorer.open(custom.save(tmp_path / "model", custom.Sleeper()), label="slow/1", wants="label") as scorer:
        scorer._limits = replace(limits, until=time.monotonic() + 3)
        with pytest.raises(Undetermined, match="slow/1 could not be scored") as caught:
            scorer.predict(batch)
        assert "it gave no answer within" in caught.value.why and "was ended" in caught.value.why
        assert "its last words: “counting sheep”" in caught.value.why
        assert "timeout" in caught.value.fix
        with pytest.raises(ProcessLookupError):
            os.kill(scorer._worker.pid, 0)


def test_no_step_outlasts_the_end_of_all() -> None:
    """Neither a patient step nor one that begins when the time is up."""
    assert Limits().patience() == 600
    assert Limits(timeout_seconds=5).patience(300) == 300
    assert Limits(until=time.monotonic() + 9).patience(300) <= 9
    assert Limits(until=time.monotonic() - 1).patience() == 0


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (None, "its MLmodel file cannot be read"),
        ("flavors: {sklearn: {}}", "no python_function flavor"),
        ("[" * 5000, "not readable YAML"),
    ],
)
def test_a_folder_that_is_no_model_starts_no_worker(tmp_path: Path, file: str | None, why: str) -> None:
    """Nor is anything of it run."""
    if file is not None:
        (tmp_path / "MLmodel").write_text(file)
    with pytest.raises(Undetermined, match="fraud/3 could not be loaded") as caught:
        Scorer.start(tmp_path, label="fraud/3", wants="label", limits=Limits())
    assert why in caught.value.why
