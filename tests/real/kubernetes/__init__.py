"""What Kubernetes would say to an object: published descriptions of the kinds that a split is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

_PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "schemas.json").read_text())

_TEXT = {"type": "string", "minLength": 1}

# No package publishes these two; written after the projects' own reference pages, as far as a split uses them.
_INFERENCE = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["predictor"],
            "properties": {
                "predictor": {
                    "type": "object",
                    "properties": {
                        "model": {
                            "type": "object",
                            "required": ["modelFormat", "storageUri"],
                            "properties": {
                                "modelFormat": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
                                "protocolVersion": {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]},
                                "storageUri": {"type": "string", "pattern": "^[a-z0-9]+://."},
                            },
                        }
                    },
                }
            },
        }
    },
}
_EXTENSION = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["targetRefs", "lua"],
            "properties": {
                "targetRefs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["group", "kind", "name"],
                        "properties": {"group": _TEXT, "kind": {"enum": ["Gateway", "HTTPRoute"]}, "name": _TEXT},
                    },
                },
                "lua": {
                    "type": "array",
                    "maxItems": 16,
                    "items": {
                        "type": "object",
                        "required": ["type", "inline"],
                        "properties": {"type": {"const": "Inline"}, "inline": _TEXT},
                    },
                },
            },
        }
    },
}

_LABEL = {"type": "string", "maxLength": 63, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}
_META = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": _LABEL,
        "namespace": _LABEL,
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
    },
}

_KINDS = {
    **_PUBLISHED,
    "serving.kserve.io/v1beta1 InferenceService": _INFERENCE,
    "gateway.envoyproxy.io/v1alpha1 EnvoyExtensionPolicy": _EXTENSION,
}


def faults(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with an object; a field that is not known counts, as with `kubectl --validate=strict`."""
    kind = f"{document.get('apiVersion')} {document.get('kind')}"
    described = _KINDS[kind]
    whole = {**described["properties"], "metadata": _META, "apiVersion": _TEXT, "kind": _TEXT}
    validator = jsonschema.Draft7Validator(_closed({**described, "properties": whole}))
    return [f"{e.json_path}: {e.message}" for e in validator.iter_errors(document)]


def _closed(schema: Any) -> Any:
    """The same where an object has no fields but those that are described."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in schema.items()}
    # Where nothing is described, as with an EnvoyFilter's patch, anything may stand.
    described = schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and schema["properties"]
    return {"additionalProperties": False, **found} if described else found
