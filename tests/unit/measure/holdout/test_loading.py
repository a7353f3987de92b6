"""A model that is loaded without MLflow is the model that MLflow would have loaded: same answers, same refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from gatewright.measure.holdout import plain
from gatewright.measure.holdout.worker import scoring
from unit.measure.holdout import custom

COLUMNS = {
    "amount": "double",
    "age": "long",
    "small": "integer",
    "narrow": "float",
    "paid": "boolean",
    "where": "string",
}
ROWS = 120

#: what boosting cannot be built without, and skops builds for nobody who does not ask for it
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]

#: another type than the signature's, or another content, of one column
CHANGES: dict[str, Callable[[pd.Series], pd.Series]] = {
    "float32": lambda c: c.astype("float32"),
    "float64": lambda c: c.astype("float64"),
    "int64": lambda c: c.astype("int64"),
    "int32": lambda c: c.astype("int32"),
    "object": lambda c: c.astype("object"),
    "text": lambda c: c.astype(str),
    "nullable": lambda c: c.convert_dtypes(),
    "category": lambda c: c.astype("category"),
    "a gap": lambda c: c.where(c.index != 3),
    "none": lambda c: pd.Series([None, *c[1:]], dtype="object"),
}


def rows(seed: int = 3) -> pd.DataFrame:
    """A frame of every type that MLflow hands over unchanged."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.normal(size=ROWS),
            "age": rng.integers(18, 90, ROWS),
            "small": rng.integers(0, 5, ROWS).astype("int32"),
            "narrow": rng.normal(size=ROWS).astype("float32"),
            "paid": rng.random(ROWS) > 0.5,
            "where": rng.choice(["DE", "PT", "US"], ROWS).astype(object),
        }
    )


def estimator(kind: str) -> Any:
    """Fitted on such rows."""
    table = rows(1)
    truth = (table["amount"] + table["narrow"] > 0).astype(int).to_numpy()
    encoded = make_column_transformer((OrdinalEncoder(), ["where"]), remainder="passthrough")
    last = {
        "boosting": HistGradientBoostingClassifier(max_iter=4),
        "forest": RandomForestClassifier(n_estimators=3, random_state=0),
        "another call for labels": GaussianNB(),
        "careful": custom.Careful(max_iter=500),
        "regression": LinearRegression(),
    }[kind]
    return make_pipeline(encoded, last).fit(table, table["amount"] if kind == "regression" else truth)


def written(folder: Path, kind: str, form: str = "cloudpickle", **more: Any) -> Path:
    """Such an estimator as an MLflow model."""
    signature = ModelSignature(Schema([ColSpec(t, n) for n, t in COLUMNS.items()]))
    more = {"signature": signature, "serialization_format": form, "pip_requirements": ["scikit-learn"]} | more
    mlflow.sklearn.save_model(estimator(kind), str(folder), **more)
    return folder


def fields(folder: Path) -> Any:
    """What its MLmodel file says."""
    return yaml.safe_load((folder / "MLmodel").read_text())


def outcome(model: scoring.Model, frame: pd.DataFrame) -> Any:
    """All that a model answers, or what it refuses, to the bit."""
    try:
        found = model.read(model.predict(frame.copy()))
        labels = found.labels if model.labels is None else model.labels(frame.copy())
    except Exception as e:
        return type(e).__name__, str(e)
    told = (found.probabilities, found.values, labels)
    return [None if array is None else (array.dtype, array.tobytes(), array.tolist()) for array in told]


def both(folder: Path, wants: str) -> tuple[scoring.Model, scoring.Model]:
    """As loaded without MLflow, and by it."""
    how = plain.estimator(fields(folder))
    assert how is not None
    return scoring.load(str(folder), wants, how), scoring.load(str(folder), wants)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[scoring.Model, scoring.Model]]:
    """Each kind, both ways."""
    place = tmp_path_factory.mktemp("models")
    kinds = {
        "boosting": "probability",
        "forest": "label",
        "another call for labels": "probability",
        "careful": "probability",
        "regression": "value",
    }
    return {kind: both(written(place / kind, kind), wants) for kind, wants in kinds.items()}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["boosting", "forest", "another call for labels", "careful", "regression"]),
    seed=st.integers(0, 5),
    order=st.permutations(list(COLUMNS)),
    dropped=st.sets(st.sampled_from(list(COLUMNS)), max_size=1),
    extra=st.booleans(),
    changes=st.dictionaries(st.sampled_from(list(COLUMNS)), st.sampled_from(list(CHANGES)), max_size=2),
    unchanged=st.booleans(),
)
def test_both_ways_answer_and_refuse_alike(
    loaded: dict[str, tuple[scoring.Model, scoring.Model]],
    kind: str,
    seed: int,
    order: list[str],
    dropped: set[str],
    extra: bool,
    changes: dict[str, str],
    unchanged: bool,
) -> None:
    """Whatever frame comes: columns in another order, missing, more of them, of other types, with gaps."""
    frame = rows(seed)
    if not unchanged:
        for name, change in changes.items():
            if name != "where" or change in ("object", "category", "nullable", "a gap", "none"):
                frame[name] = CHANGES[change](frame[name])
        frame = frame[[name for name in order if name not in dropped]]
        frame = frame.assign(more=1.0) if extra else frame
    bare, by_mlflow = loaded[kind]
    assert outcome(bare, frame) == outcome(by_mlflow, frame)
    assert (bare.classes, bare.derived, bare.labels is None) == (
        by_mlflow.classes,
        by_mlflow.derived,
        by_mlflow.labels is None,
    )


@pytest.mark.parametrize("form", ["pickle", "cloudpickle", "skops"])
@pytest.mark.parametrize("signed", [True, False])
def test_however_it_was_written(tmp_path: Path, form: str, signed: bool) -> None:
    """Every format of MLflow's, with a signature and without."""
    more: dict[str, Any] = {} if signed else {"signature": None}
    more |= {"skops_trusted_types": TRUSTED} if form == "skops" else {}
    bare, by_mlflow = both(written(tmp_path / "model", "boosting", form, **more), "probability")
    assert outcome(bare, rows()) == outcome(by_mlflow, rows())
    assert outcome(bare, rows())[0] is not None


def test_a_type_that_skops_does_not_trust_is_refused_both_ways(tmp_path: Path) -> None:
    """The list of trusted types is the one that the model was logged with, and nothing is added to it."""
    folder = written(tmp_path / "model", "boosting", "skops", skops_trusted_types=TRUSTED)
    told = fields(folder)
    told["flavors"]["sklearn"]["skops_trusted_types"] = None
    (folder / "MLmodel").write_text(yaml.safe_dump(told))
    ends = []
    for how in (plain.estimator(told), None):
        try:
            scoring.load(str(folder), "label", how)
            ends.append("loaded")
        except Exception as e:
            ends.append(f"{type(e).__name__}: {e}")
    assert ends[0] == ends[1]
    assert ends[0].startswith("UntrustedTypesFoundException")


def test_mlflow_is_not_imported_for_rows_that_it_would_leave_alone(tmp_path: Path) -> None:
    """That is all that this way of loading is for."""
    folder = written(tmp_path / "model", "boosting")
    rows().to_pickle(tmp_path / "rows")
    script = (
        "import sys, pandas; from gatewright.measure.holdout.worker import scoring\n"
        f"model = scoring.load({str(folder)!r}, 'probability', {plain.estimator(fields(folder))!r})\n"
        f"model.read(model.predict(pandas.read_pickle({str(tmp_path / 'rows')!r})))\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'mlflow'])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stdout == "[]\n", ended.stderr


ODD: dict[str, Callable[[dict[str, Any]], object]] = {
    "another loader": lambda f: f["flavors"]["python_function"].update(loader_module="mlflow.xgboost"),
    "code of its own": lambda f: f["flavors"]["python_function"].update(code="code"),
    "code of its own, the library's way": lambda f: f["flavors"]["sklearn"].update(code="code"),
    "data apart": lambda f: f["flavors"]["python_function"].update(data="data"),
    "a configuration": lambda f: f["flavors"]["python_function"].update(config={"a": 1}),
    "another function": lambda f: f["flavors"]["python_function"].update(predict_fn="predict_proba"),
    "no format": lambda f: f["flavors"]["sklearn"].pop("serialization_format"),
    "an unknown format": lambda f: f["flavors"]["sklearn"].update(serialization_format=["pickle"]),
    "types that are none": lambda f: f["flavors"]["sklearn"].update(skops_trusted_types=[1]),
    "a file elsewhere": lambda f: f["flavors"]["python_function"].update(model_path="../model.pkl"),
    "a file by its full name": lambda f: f["flavors"]["python_function"].update(model_path="/model.pkl"),
    "no file": lambda f: f["flavors"]["python_function"].pop("model_path"),
    "metadata": lambda f: f.update(metadata={"mlflow.model.isExternal": True}),
    "a signature of hints": lambda f: f.update(is_signature_from_type_hint=True),
    "an example's type": lambda f: f.update(type_hint_from_example=True),
    "a broken signature": lambda f: f.update(signature={"inputs": "["}),
    "tensors": lambda f: f["signature"].update(
        inputs='[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 6]}}]'
    ),
    "a column without a name": lambda f: f["signature"].update(inputs='[{"type": "double"}]'),
    "dates": lambda f: f["signature"].update(inputs='[{"type": "datetime", "name": "when", "required": true}]'),
    "outputs alone": lambda f: f["signature"].update(inputs=None),
    "flavors that are none": lambda f: f.update(flavors=["sklearn"]),
    "params": lambda f: f["signature"].update(params=ParamSchema([ParamSpec("k", "long", 1)]).to_json()),
}


@pytest.mark.parametrize("change", ODD)
def test_what_is_out_of_the_ordinary_is_mlflows_to_load(tmp_path: Path, change: str) -> None:
    """The second way is for one file of one library, and for nothing that MLflow would do more with."""
    told = fields(written(tmp_path / "model", "boosting"))
    assert plain.estimator(told) is not None
    ODD[change](told)
    assert plain.estimator(told) is None


def test_where_pickles_are_forbidden_mlflow_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses, in its own words; see `test_scorer.py` for the worker."""
    told = fields(written(tmp_path / "model", "boosting"))
    for value, allowed in (("true", True), ("1", True), ("false", False), ("0", False), ("perhaps", False)):
        monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", value)
        assert (plain.estimator(told) is not None) == allowed
