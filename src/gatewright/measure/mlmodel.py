"""The MLmodel file: read as plain YAML, never through MLflow, because whoever made the model wrote it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import yaml

#: A signature of 60,000 columns fits; a larger file is not parsed.
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MLmodel:
    """The file's sha256 and its fields; `fault` says why there are no fields."""

    sha256: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def written(self) -> int | None:
        """When the file says that it was written, in milliseconds since 1970."""
        try:
            moment = datetime.fromisoformat(str(self.fields.get("utc_time_created")))
        except ValueError:
            return None
        return int(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)


class _Plain(yaml.SafeLoader):
    """The safe loader without merge keys, which can grow a small file beyond every memory.

    Not the C loader: it ends the process on deeply nested input, where this one raises RecursionError.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leaves `<<` alone; such a key then has no constructor and is an error."""


def parse(content: bytes) -> MLmodel:
    """Reads the file; what is not a YAML mapping becomes a fault, never an exception."""
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) > MAX_BYTES:
        return MLmodel(sha256, fault=f"its MLmodel file has {len(content)} bytes, more than {MAX_BYTES}")
    try:
        fields = yaml.load(content, Loader=_Plain)
    except Exception:  # explicit tags (`!!bool x`) make the loader fail in a dozen ways beside YAMLError
        return MLmodel(sha256, fault="its MLmodel file is not readable YAML")
    if not isinstance(fields, dict):
        return MLmodel(sha256, fault="its MLmodel file holds no fields")
    return MLmodel(sha256, fields)
