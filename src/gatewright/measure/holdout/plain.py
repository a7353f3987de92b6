"""Which models are loaded without MLflow: importing it takes longer than many a holdout takes to score.

Only where MLflow would add nothing: an estimator that it wrote as one file, asked by `predict`, whose rows it would
hand over unchanged. Everything else is MLflow's to load.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from gatewright.measure import schema

#: MLflow's own switch against models whose loading runs code; what it says then is MLflow's to say
PICKLE_SWITCH = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"

_FORMATS = ("pickle", "cloudpickle", "skops")
_PYFUNC_KEYS = frozenset(("env", "loader_module", "model_path", "predict_fn", "python_version"))
_SKLEARN_KEYS = frozenset(("code", "pickled_model", "serialization_format", "sklearn_version", "skops_trusted_types"))

#: MLflow's type → the type of a data frame's column that MLflow leaves as it is
_UNCHANGED = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "object",
}


def estimator(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a worker loads the model that an MLmodel file describes; None if MLflow has to.

    file: its name in the model's folder. format, trusted: how it was written, and the types that skops may build.
    columns: (name, numpy's type) as MLflow would leave them, None where the model has no signature.
    """
    flavors = fields.get("flavors")
    pyfunc, own = (flavors.get(n) if isinstance(flavors, Mapping) else None for n in ("python_function", "sklearn"))
    if not isinstance(pyfunc, Mapping) or not isinstance(own, Mapping) or not _is_plain(fields, pyfunc, own):
        return None
    signature = fields.get("signature")
    if signature and not _is_left_alone(signature):
        return None
    return {
        "file": pyfunc["model_path"],
        "format": own["serialization_format"],
        "trusted": own.get("skops_trusted_types"),
        "columns": _columns(signature) if signature else None,
    }


def _is_plain(fields: Mapping[str, Any], pyfunc: Mapping[Any, Any], own: Mapping[Any, Any]) -> bool:
    trusted = own.get("skops_trusted_types")
    return (
        os.environ.get(PICKLE_SWITCH, "true").lower() in ("true", "1")
        and pyfunc.get("loader_module") == "mlflow.sklearn"
        and pyfunc.get("predict_fn", "predict") == "predict"
        and pyfunc.keys() <= _PYFUNC_KEYS
        and own.keys() <= _SKLEARN_KEYS
        and own.get("code") is None
        and own.get("serialization_format") in _FORMATS
        and (trusted is None or (isinstance(trusted, list) and all(isinstance(t, str) for t in trusted)))
        and _is_inside(pyfunc.get("model_path"))
        and not fields.get("metadata")
        and not fields.get("is_signature_from_type_hint")
        and not fields.get("type_hint_from_example")
    )


def _is_inside(path: object) -> bool:
    """Whether this names a file below the model's folder."""
    parts = PurePosixPath(path).parts if isinstance(path, str) else ()
    return bool(parts) and ".." not in parts and not parts[0].startswith("/") and "\0" not in str(path)


def _is_left_alone(block: object) -> bool:
    """Whether MLflow hands over rows of the signature's types unchanged: named columns of plain types, no params."""
    try:
        signature = schema.parse(block)
    except schema.SchemaFault:
        return False
    inputs = signature.inputs or ()
    named = all(f.name is not None and f.type.kind in _UNCHANGED for f in inputs)
    return bool(inputs) and named and not signature.params


def _columns(block: object) -> list[tuple[str, str]]:
    return [(str(f.name), _UNCHANGED[f.type.kind]) for f in schema.parse(block).inputs or ()]
