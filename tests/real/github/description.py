"""GitHub's published description of its REST interface: which operation a request is, and whether it keeps to it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

#: parameters that may hold slashes, although OpenAPI has no word for it
_LONG = ("path", "ref")


@dataclass(frozen=True)
class Operation:
    """One operation, for example `GET /repos/{owner}/{repo}`."""

    method: str
    template: str
    detail: Mapping[str, Any]

    @property
    def key(self) -> str:
        return f"{self.method} {self.template}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        def part(match: re.Match[str]) -> str:
            return rf"(?P<{match[1]}>.+)" if match[1] in _LONG else rf"(?P<{match[1]}>[^/]+)"

        return re.compile(re.sub(r"\\?\{(\w+)\\?\}", part, self.template))


class Description:
    """The operations of the subset in `openapi.json.gz`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._operations = [
            Operation(method.upper(), path, detail)
            for path, methods in document["paths"].items()
            for method, detail in methods.items()
        ]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a request means, and the parameters in its path."""
        fits = [(o, m) for o in self._operations if o.method == method and (m := o.pattern.fullmatch(path))]
        # The more of a template is literal, the more exactly it means this path.
        fits.sort(key=lambda fit: fit[0].template.count("{"))
        return (fits[0][0], {k: unquote(v) for k, v in fits[0][1].groupdict().items()}) if fits else None

    def request_faults(
        self, operation: Operation, path: Mapping[str, str], query: Mapping[str, str], body: Any
    ) -> list[str]:
        """What a request has that the description does not allow."""
        faults: list[str] = []
        known = {(p["in"], p["name"]): p for p in map(self._resolved, operation.detail.get("parameters", ()))}
        faults += [f"no query parameter is called {name}" for name in query if ("query", name) not in known]
        for (where, name), parameter in known.items():
            given = {"path": path, "query": query}.get(where, {}).get(name)
            if given is not None:
                faults += self.schema_faults(parameter["schema"], _typed(given, parameter["schema"]), name)
            elif parameter.get("required"):
                faults.append(f"{name} is missing")
        described = self._resolved(operation.detail.get("requestBody", {}))
        if body is not None and not described:
            faults.append("no body is allowed")
        elif body is not None or described.get("required"):
            faults += self.schema_faults(_json_of(described)["schema"], body, "body")
        return faults

    def response_faults(self, operation: Operation, status: int, payload: Any) -> list[str]:
        """What an answer has that the description does not allow."""
        responses = operation.detail["responses"]
        if str(status) not in responses:
            # Every operation may say these; the description lists them for some only.
            return [] if status in (401, 403, 404, 422) else [f"status {status} is not described"]
        content = self._resolved(responses[str(status)]).get("content")
        if not content and status >= 400:
            # For some errors the description gives the status alone; GitHub words them like all others.
            return [] if isinstance(payload, dict) and "message" in payload else ["an error has no message"]
        if not content:
            return [] if payload is None else ["no content is described"]
        return self.schema_faults(_json_of({"content": content})["schema"], payload, "answer")

    def schema_faults(self, schema: Mapping[str, Any], value: Any, name: str) -> list[str]:
        """Where a value leaves its schema."""
        from jsonschema import Draft202012Validator

        whole = {**_as_json_schema(schema), "components": _components()}
        faults = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(value)
        return [f"{name}{e.json_path[1:]}: {e.message[:200]}" for e in faults]

    def example(self, key: str, status: int) -> Any:
        """The published example of an answer, to be filled with what is the case."""
        method, template = key.split()
        response = self._resolved(self._document["paths"][template][method.lower()]["responses"][str(status)])
        examples = _json_of(response)["examples"]
        return deepcopy(self._resolved(next(iter(examples.values())))["value"])

    def _resolved(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            _, _, section, name = node["$ref"].split("/")
            node = self._document["components"][section][name]
        return node


@cache
def published() -> Description:
    """The subset beside this file."""
    return Description(_document())


@cache
def _document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress(Path(__file__).with_name("openapi.json.gz").read_bytes()))
    return content


@cache
def _components() -> dict[str, Any]:
    return {"schemas": {k: _as_json_schema(v) for k, v in _document()["components"]["schemas"].items()}}


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says `null`."""
    if isinstance(node, list):
        return [_as_json_schema(child) for child in node]
    if not isinstance(node, dict):
        return node
    made = {k: _as_json_schema(v) for k, v in node.items() if k not in ("nullable", "discriminator", "xml")}
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def _json_of(described: Mapping[str, Any]) -> Mapping[str, Any]:
    content = described["content"]
    found: Mapping[str, Any] = content.get("application/json") or next(v for k, v in content.items() if "json" in k)
    return found


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    numeric = schema.get("type") == "integer" or any(s.get("type") == "integer" for s in schema.get("oneOf", ()))
    return int(text) if numeric and text.isdigit() else text
