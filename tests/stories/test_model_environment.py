"""`environment: model`, in earnest: a model's own libraries are installed, and it is scored with them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]
import mlflow
import pandas as pd
import pytest
from mlflow.pyfunc.model import PythonModel

from gatewright.evidence import needs
from gatewright.measure import PATHS
from gatewright.measure.holdout.benchmark import Benchmark, Order, run
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Version
from real.process import absent

#: there are wheels of it for every Python that we support, and none of them is locked here
OTHER = "1.7.1"

POLICY = """\
version: 1
model: m
holdout:
  data: FOLDER/rows.parquet
  target: version
  task: multiclass
  features: [x]
  environment: model
targets:
  t: {alias: a, checks: [holdout.accuracy > 95%]}
"""


class Teller(PythonModel):
    """Predicts which scikit-learn it runs with."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The library's version, for each row."""
        import sklearn

        return [sklearn.__version__] * len(model_input)


cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Packages from where pip has them on this machine; an empty cache of environments."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    for line in told.stdout.splitlines():
        name, _, value = line.partition("=")
        variable = f"PIP_{name.rpartition('.')[2].replace('-', '_').upper()}"
        if name.startswith("global.") and variable in ("PIP_INDEX_URL", "PIP_CERT") and variable not in os.environ:
            monkeypatch.setenv(variable, value.strip("'"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("packages")
def test_a_model_is_scored_with_its_own_libraries(tmp_path: Path) -> None:
    """Its requirements name another scikit-learn than the gate has: it says itself which one it found."""
    pins = ("mlflow", "pandas", "pyarrow", "numpy", "scipy", "cloudpickle")
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in pins]
    assert importlib.metadata.version("scikit-learn") != OTHER
    mlflow.pyfunc.save_model(
        str(tmp_path / "m"), python_model=Teller(), pip_requirements=[*wanted, f"scikit-learn=={OTHER}"]
    )
    pd.DataFrame({"x": [1.0, 2.0], "version": [OTHER, OTHER]}).to_parquet(tmp_path / "rows.parquet")
    model = tmp_path / "m"
    files = {p.relative_to(model).as_posix(): p.read_bytes() for p in model.rglob("*") if p.is_file()}
    (policy,) = read_policies({"p.yaml": POLICY.replace("FOLDER", str(tmp_path))}, PATHS)
    order = Order(policy, needs(policy.targets[0].checks), Version("m", 1), None, 1)
    found = measured(order, MemoryRegistry(files={("m", 1): files}))
    (accuracy,) = [f for f in found.facts if f.path.key == "accuracy"]
    assert (accuracy.state, accuracy.value) == ("known", 1.0), accuracy
    assert not any("was logged with" in note for note in found.notes)


def measured(order: Order, registry: MemoryRegistry) -> Benchmark:
    """The benchmark; without a network there is none."""
    try:
        return run(order, registry, lambda *_: None)
    except Undetermined as error:
        if re.search(r"failed to fetch|could not connect|dns error|network", error.why, re.IGNORECASE):
            absent("packages", f"an index of packages must be within reach; {error.why}")
        raise
